// Packing for gemm_loops.simd.cc: `count` lines of length k become a panel in which the elements of one k lie behind
// each other, `stride` apart from those of the next.
#ifndef COTANGENT_KERNELS_MATMUL_GEMM_PACK_H
#define COTANGENT_KERNELS_MATMUL_GEMM_PACK_H

#include "native/kernels/elementwise/vector.h"

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
