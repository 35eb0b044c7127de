// SIMD vectors of the target that a *.simd.cc file is being compiled for, in the compiler's vector extension: operators
// and comparisons work on them as on scalars. Only what the extension lacks is written with intrinsics here.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_VECTOR_H
#define COTANGENT_KERNELS_ELEMENTWISE_VECTOR_H

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#else
#error "no SIMD target for this architecture"
#endif

#include "native/kernels/elementwise/lane.h"

namespace cotangent::COTANGENT_TARGET {

#if defined(__AVX512F__)
#define COTANGENT_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define COTANGENT_VECTOR_BYTES 32
#else
#define COTANGENT_VECTOR_BYTES 16
#endif

// Vector<T>::Type: COTANGENT_VECTOR_BYTES of T. Loose: the same, as it lies in memory that only T's alignment is known
// of.
template <class T>
struct Vector {
  typedef T Type __attribute__((vector_size(COTANGENT_VECTOR_BYTES)));
  typedef T Loose __attribute__((vector_size(COTANGENT_VECTOR_BYTES), aligned(__alignof__(T)), may_alias));
  static constexpr int kLanes = COTANGENT_VECTOR_BYTES / sizeof(T);
};

// Stores whole vectors without reading their cache lines first, where the target can; `past_cache_fence` ends a series.
template <class T>
inline __attribute__((always_inline)) void store_past_cache(T* to, typename Vector<T>::Type value) {
#if defined(__AVX512F__)
  _mm512_stream_si512(reinterpret_cast<__m512i*>(to), (__m512i)value);
#elif defined(__AVX2__)
  _mm256_stream_si256(reinterpret_cast<__m256i*>(to), (__m256i)value);
#elif defined(__x86_64__)
  _mm_stream_si128(reinterpret_cast<__m128i*>(to), (__m128i)value);
#else
  *reinterpret_cast<typename Vector<T>::Loose*>(to) = value;
#endif
}

inline __attribute__((always_inline)) void past_cache_fence() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

typedef Vector<float>::Type FloatVector;
typedef Vector<double>::Type DoubleVector;
typedef Vector<int32_t>::Type IntVector;
typedef Vector<uint32_t>::Type UintVector;
typedef Vector<int64_t>::Type LongVector;
typedef Vector<uint64_t>::Type UlongVector;

}  // namespace cotangent::COTANGENT_TARGET

namespace cotangent::formula {

template <>
struct Traits<COTANGENT_TARGET::FloatVector> {
  using V = COTANGENT_TARGET::FloatVector;
  using Scalar = float;
  using Bits = COTANGENT_TARGET::IntVector;
  using Unsigned = COTANGENT_TARGET::UintVector;
  using Arithmetic = V;
#if defined(__AVX512F__)
  static constexpr bool kFused = true;
  COTANGENT_MEMBER V madd(V a, V b, V c) { return (V)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
  COTANGENT_MEMBER V square_root(V x) { return (V)_mm512_maskz_sqrt_ps(0xffff, (__m512)x); }
  COTANGENT_MEMBER V larger(V a, V b) { return (V)_mm512_maskz_max_ps(0xffff, (__m512)a, (__m512)b); }
  COTANGENT_MEMBER V smaller(V a, V b) { return (V)_mm512_maskz_min_ps(0xffff, (__m512)a, (__m512)b); }
  COTANGENT_MEMBER bool any(Bits m) { return _mm512_test_epi32_mask((__m512i)m, (__m512i)m) != 0; }
#elif defined(__AVX2__)
  static constexpr bool kFused = true;
  COTANGENT_MEMBER V madd(V a, V b, V c) { return (V)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
  COTANGENT_MEMBER V square_root(V x) { return (V)_mm256_sqrt_ps((__m256)x); }
  COTANGENT_MEMBER V larger(V a, V b) { return (V)_mm256_max_ps((__m256)a, (__m256)b); }
  COTANGENT_MEMBER V smaller(V a, V b) { return (V)_mm256_min_ps((__m256)a, (__m256)b); }
  COTANGENT_MEMBER bool any(Bits m) { return !_mm256_testz_si256((__m256i)m, (__m256i)m); }
#elif defined(__x86_64__)
  static constexpr bool kFused = false;
  COTANGENT_MEMBER V madd(V a, V b, V c) { return a * b + c; }
  COTANGENT_MEMBER V square_root(V x) { return (V)_mm_sqrt_ps((__m128)x); }
  COTANGENT_MEMBER V larger(V a, V b) { return (V)_mm_max_ps((__m128)a, (__m128)b); }
  COTANGENT_MEMBER V smaller(V a, V b) { return (V)_mm_min_ps((__m128)a, (__m128)b); }
  COTANGENT_MEMBER bool any(Bits m) { return _mm_movemask_epi8((__m128i)m) != 0; }
#else
  static constexpr bool kFused = true;
  COTANGENT_MEMBER V madd(V a, V b, V c) { return (V)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
  COTANGENT_MEMBER V square_root(V x) { return (V)vsqrtq_f32((float32x4_t)x); }
  COTANGENT_MEMBER V larger(V a, V b) { return (V)vmaxq_f32((float32x4_t)a, (float32x4_t)b); }
  COTANGENT_MEMBER V smaller(V a, V b) { return (V)vminq_f32((float32x4_t)a, (float32x4_t)b); }
  COTANGENT_MEMBER bool any(Bits m) { return vmaxvq_u32((uint32x4_t)m) != 0; }
#endif
};

template <>
struct Traits<COTANGENT_TARGET::DoubleVector> {
  using V = COTANGENT_TARGET::DoubleVector;
  using Scalar = double;
  using Bits = COTANGENT_TARGET::LongVector;
  using Unsigned = COTANGENT_TARGET::UlongVector;
  using Arithmetic = V;
#if defined(__AVX512F__)
  static constexpr bool kFused = true;
  COTANGENT_MEMBER V madd(V a, V b, V c) { return (V)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
  COTANGENT_MEMBER V square_root(V x) { return (V)_mm512_maskz_sqrt_pd(0xff, (__m512d)x); }
  COTANGENT_MEMBER V larger(V a, V b) { return (V)_mm512_maskz_max_pd(0xff, (__m512d)a, (__m512d)b); }
  COTANGENT_MEMBER V smaller(V a, V b) { return (V)_mm512_maskz_min_pd(0xff, (__m512d)a, (__m512d)b); }
  COTANGENT_MEMBER bool any(Bits m) { return _mm512_test_epi64_mask((__m512i)m, (__m512i)m) != 0; }
#elif defined(__AVX2__)
  static constexpr bool kFused = true;
  COTANGENT_MEMBER V madd(V a, V b, V c) { return (V)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
  COTANGENT_MEMBER V square_root(V x) { return (V)_mm256_sqrt_pd((__m256d)x); }
  COTANGENT_MEMBER V larger(V a, V b) { return (V)_mm256_max_pd((__m256d)a, (__m256d)b); }
  COTANGENT_MEMBER V smaller(V a, V b) { return (V)_mm256_min_pd((__m256d)a, (__m256d)b); }
  COTANGENT_MEMBER bool any(Bits m) { return !_mm256_testz_si256((__m256i)m, (__m256i)m); }
#elif defined(__x86_64__)
  static constexpr bool kFused = false;
  COTANGENT_MEMBER V madd(V a, V b, V c) { return a * b + c; }
  COTANGENT_MEMBER V square_root(V x) { return (V)_mm_sqrt_pd((__m128d)x); }
  COTANGENT_MEMBER V larger(V a, V b) { return (V)_mm_max_pd((__m128d)a, (__m128d)b); }
  COTANGENT_MEMBER V smaller(V a, V b) { return (V)_mm_min_pd((__m128d)a, (__m128d)b); }
  COTANGENT_MEMBER bool any(Bits m) { return _mm_movemask_epi8((__m128i)m) != 0; }
#else
  static constexpr bool kFused = true;
  COTANGENT_MEMBER V madd(V a, V b, V c) { return (V)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b); }
  COTANGENT_MEMBER V square_root(V x) { return (V)vsqrtq_f64((float64x2_t)x); }
  COTANGENT_MEMBER V larger(V a, V b) { return (V)vmaxq_f64((float64x2_t)a, (float64x2_t)b); }
  COTANGENT_MEMBER V smaller(V a, V b) { return (V)vminq_f64((float64x2_t)a, (float64x2_t)b); }
  COTANGENT_MEMBER bool any(Bits m) { return vmaxvq_u32((uint32x4_t)m) != 0; }
#endif
};

template <>
struct Traits<COTANGENT_TARGET::IntVector> {
  using Scalar = int32_t;
  using Bits = COTANGENT_TARGET::IntVector;
  using Unsigned = COTANGENT_TARGET::UintVector;
  using Arithmetic = COTANGENT_TARGET::UintVector;
};

template <>
struct Traits<COTANGENT_TARGET::UintVector> {
  using Scalar = uint32_t;
  using Bits = COTANGENT_TARGET::IntVector;
  using Unsigned = COTANGENT_TARGET::UintVector;
  using Arithmetic = COTANGENT_TARGET::UintVector;
};

}  // namespace cotangent::formula

#endif
