// Packing for gemm_loops.simd.cc: `count` lines of length k become a panel in which the elements of one k lie behind
// each other, `stride` apart from those of the next.
#ifndef COTANGENT_KERNELS_MATMUL_GEMM_PACK_H
#define COTANGENT_KERNELS_MATMUL_GEMM_PACK_H

#include "native/kernels/elementwise/vector_transpose.h"

namespace cotangent::COTANGENT_TARGET {
namespace {

// Whole vectors are stored; what they put behind a panel is overwritten by the next panel, or falls here.
template <class T>
constexpr int64_t kPackSlack = Vector<T>::kLanes;

// Elements of one or two vectors that hold `width` columns.
template <class T>
constexpr int64_t vectors_for(int64_t width) {
  return width > Vector<T>::kLanes ? 2 * Vector<T>::kLanes : Vector<T>::kLanes;
}

// Lines that are contiguous: element p of line i is from[i ld + p]. Lines behind `count` are zero.
//
// A vector takes kLanes lines, and may reach into the elements of the next p: so the last lines go first.
template <class T>
void pack_across(const T* from, int64_t ld, int64_t count, int64_t k, int64_t stride, T* to) {
  using Loose = typename Vector<T>::Loose;
  constexpr int kLanes = Vector<T>::kLanes;
  for (int64_t start = (stride - 1) / kLanes * kLanes; start >= 0; start -= kLanes) {
    const int64_t lines = count - start < kLanes ? count - start : kLanes;
    int64_t p = 0;
    for (; p + kLanes <= k; p += kLanes) {
      typename Vector<T>::Type rows[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) {
        rows[i] = i < lines ? typename Vector<T>::Type(*reinterpret_cast<const Loose*>(from + (start + i) * ld + p))
                            : typename Vector<T>::Type{};
      }
      transpose_square<T>(rows);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) *reinterpret_cast<Loose*>(to + (p + i) * stride + start) = rows[i];
    }
    for (; p < k; ++p) {
      const int64_t end = stride - start < kLanes ? stride - start : kLanes;
      for (int64_t i = 0; i < end; ++i) to[p * stride + start + i] = i < lines ? from[(start + i) * ld + p] : T(0);
    }
  }
}

// Lines beside each other: element p of line i is from[p ld + i]. Lines behind `count` are zero.
template <class T>
void pack_along(const T* from, int64_t ld, int64_t count, int64_t k, int64_t stride, T* to) {
  using Loose = typename Vector<T>::Loose;
  constexpr int kLanes = Vector<T>::kLanes;
  if (count == 2 * kLanes && stride == count) {
    for (int64_t p = 0; p < k; ++p, from += ld, to += stride) {
      *reinterpret_cast<Loose*>(to) = *reinterpret_cast<const Loose*>(from);
      *reinterpret_cast<Loose*>(to + kLanes) = *reinterpret_cast<const Loose*>(from + kLanes);
    }
    return;
  }
  for (int64_t p = 0; p < k; ++p, from += ld, to += stride) {
    for (int64_t i = 0; i < count; ++i) to[i] = from[i];
    for (int64_t i = count; i < stride; ++i) to[i] = 0;
  }
}

}  // namespace
}  // namespace cotangent::COTANGENT_TARGET

#endif
