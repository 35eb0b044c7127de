// Transposition of squares of elements in the vectors of a SIMD target, for *.simd.cc files.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_VECTOR_TRANSPOSE_H
#define COTANGENT_KERNELS_ELEMENTWISE_VECTOR_TRANSPOSE_H

#include "native/kernels/elementwise/vector.h"

namespace cotangent::COTANGENT_TARGET {
namespace {

#define COTANGENT_INTERLEAVE_16(a, b, from)                                                                         \
  COTANGENT_SHUFFLE(a, b, from, from + 16, from + 1, from + 17, from + 2, from + 18, from + 3, from + 19, from + 4, \
                    from + 20, from + 5, from + 21, from + 6, from + 22, from + 7, from + 23)
#define COTANGENT_INTERLEAVE_8(a, b, from) \
  COTANGENT_SHUFFLE(a, b, from, from + 8, from + 1, from + 9, from + 2, from + 10, from + 3, from + 11)
#define COTANGENT_INTERLEAVE_4(a, b, from) COTANGENT_SHUFFLE(a, b, from, from + 4, from + 1, from + 5)
#define COTANGENT_INTERLEAVE_2(a, b, from) COTANGENT_SHUFFLE(a, b, from, from + 2)
#if defined(__clang__)
#define COTANGENT_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define COTANGENT_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, formula::Bits<decltype(a)>{__VA_ARGS__})
#endif

// a0 b0 a1 b1 ..: the first half, or the second one.
#if COTANGENT_VECTOR_BYTES == 64
inline __attribute__((always_inline)) FloatVector first(FloatVector a, FloatVector b) {
  return COTANGENT_INTERLEAVE_16(a, b, 0);
}
inline __attribute__((always_inline)) FloatVector second(FloatVector a, FloatVector b) {
  return COTANGENT_INTERLEAVE_16(a, b, 8);
}
inline __attribute__((always_inline)) DoubleVector first(DoubleVector a, DoubleVector b) {
  return COTANGENT_INTERLEAVE_8(a, b, 0);
}
inline __attribute__((always_inline)) DoubleVector second(DoubleVector a, DoubleVector b) {
  return COTANGENT_INTERLEAVE_8(a, b, 4);
}
#elif COTANGENT_VECTOR_BYTES == 32
inline __attribute__((always_inline)) FloatVector first(FloatVector a, FloatVector b) {
  return COTANGENT_INTERLEAVE_8(a, b, 0);
}
inline __attribute__((always_inline)) FloatVector second(FloatVector a, FloatVector b) {
  return COTANGENT_INTERLEAVE_8(a, b, 4);
}
inline __attribute__((always_inline)) DoubleVector first(DoubleVector a, DoubleVector b) {
  return COTANGENT_INTERLEAVE_4(a, b, 0);
}
inline __attribute__((always_inline)) DoubleVector second(DoubleVector a, DoubleVector b) {
  return COTANGENT_INTERLEAVE_4(a, b, 2);
}
#else
inline __attribute__((always_inline)) FloatVector first(FloatVector a, FloatVector b) {
  return COTANGENT_INTERLEAVE_4(a, b, 0);
}
inline __attribute__((always_inline)) FloatVector second(FloatVector a, FloatVector b) {
  return COTANGENT_INTERLEAVE_4(a, b, 2);
}
inline __attribute__((always_inline)) DoubleVector first(DoubleVector a, DoubleVector b) {
  return COTANGENT_INTERLEAVE_2(a, b, 0);
}
inline __attribute__((always_inline)) DoubleVector second(DoubleVector a, DoubleVector b) {
  return COTANGENT_INTERLEAVE_2(a, b, 1);
}
#endif
#undef COTANGENT_SHUFFLE
#undef COTANGENT_INTERLEAVE_16
#undef COTANGENT_INTERLEAVE_8
#undef COTANGENT_INTERLEAVE_4
#undef COTANGENT_INTERLEAVE_2

// A square of vectors becomes its transpose: shuffling rows i and i + half like cards, as often as halves can be
// halved.
template <class T>
inline __attribute__((always_inline)) void transpose_square(typename Vector<T>::Type (&rows)[Vector<T>::kLanes]) {
  constexpr int kLanes = Vector<T>::kLanes;
#pragma GCC unroll 4
  for (int round = 1; round < kLanes; round *= 2) {
    typename Vector<T>::Type next[kLanes];
#pragma GCC unroll 8
    for (int i = 0; i < kLanes / 2; ++i) {
      next[2 * i] = first(rows[i], rows[i + kLanes / 2]);
      next[2 * i + 1] = second(rows[i], rows[i + kLanes / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) rows[i] = next[i];
  }
}

}  // namespace
}  // namespace cotangent::COTANGENT_TARGET

#endif
