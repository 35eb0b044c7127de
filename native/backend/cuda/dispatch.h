// From dtype codes and sizes, known when a Program is compiled, to the types that kernels are instantiated for.
#ifndef COTANGENT_BACKEND_CUDA_DISPATCH_H
#define COTANGENT_BACKEND_CUDA_DISPATCH_H

#include <cstdint>
#include <limits>
#include <utility>

#include "native/backend/description.h"

namespace cotangent::cuda {

// body(value of the element type).
template <class F>
decltype(auto) dispatch_dtype(int32_t dtype, F&& body) {
  switch (dtype) {
    case CT_FLOAT32:
      return body(float{});
    case CT_FLOAT64:
      return body(double{});
    case CT_INT32:
      return body(int32_t{});
    case CT_UINT32:
      return body(uint32_t{});
    default:
      return body(uint8_t{});
  }
}

template <class F>
decltype(auto) dispatch_float(int32_t dtype, F&& body) {
  return dtype == CT_FLOAT32 ? body(float{}) : body(double{});
}

// Indices of 32 bits where `count` elements, and one step of the grid beyond them, allow it: divisions of 64-bit
// integers take several times as long on a GPU.
template <class F>
decltype(auto) dispatch_index(int64_t count, F&& body) {
  constexpr int64_t kLargestStep = int64_t{1} << 26;  // threads that a device holds at once, generously
  return count <= std::numeric_limits<int32_t>::max() - kLargestStep ? body(int32_t{}) : body(int64_t{});
}

}  // namespace cotangent::cuda

#endif
