// Keys on a GPU: as sort_keys.h has them, with the direction known at run time, so that one kernel serves both.
#ifndef COTANGENT_KERNELS_SORT_SORT_DEVICE_H
#define COTANGENT_KERNELS_SORT_SORT_DEVICE_H

#include <memory>

#include "native/backend/cuda/device_code.h"
#include "native/backend/cuda/dispatch.h"
#include "native/backend/cuda/kernel.h"
#include "native/kernels/sort/parameters.h"
#include "native/kernels/sort/sort_keys.h"

namespace cotangent::cuda {

template <class T>
__device__ __forceinline__ Key<T> directed_key(T x, bool descending) {
  return descending ? key_of<T, true>(x) : key_of<T, false>(x);
}

// Lines of an operand [outer, size, inner] and of results [outer, k, inner].
template <class T>
struct SortedLines {
  const T* x;
  T* sorted;
  int32_t* places;
  int64_t size, inner, k;
  bool descending;

  __device__ __forceinline__ Key<T> key(int64_t line, int64_t place) const {
    return directed_key(x[at(line, place, size)], descending);
  }

  // Result `rank` of a line. The key tells the element, but for NaN and the two zeros.
  __device__ __forceinline__ void write(int64_t line, int64_t rank, Key<T> key, uint32_t place) const {
    const T element = descending ? element_of<T, true>(key) : element_of<T, false>(key);
    const bool told = !std::is_floating_point_v<T> || (element == element && element != T(0));
    const int64_t to = at(line, rank, k);
    sorted[to] = told ? element : x[at(line, place, size)];
    places[to] = static_cast<int32_t>(place);
  }

 private:
  __device__ __forceinline__ int64_t at(int64_t line, int64_t place, int64_t length) const {
    if (inner == 1) return line * length + place;
    const int64_t outer = line / inner;
    return (outer * length + place) * inner + (line - outer * inner);
  }
};

template <class T>
SortedLines<T> sorted_lines(const Launch& to, const SortParameters& sort) {
  return {to.input<T>(0), to.output<T>(0), to.output<int32_t>(1), sort.size, sort.inner, sort.k, sort.descending};
}

}  // namespace cotangent::cuda

#endif
