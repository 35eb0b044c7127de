// What formulas need to know about the type they compute on: a scalar (float, double, int32_t, uint32_t), or a SIMD
// vector of them (vector.h). Formulas are written once, against `Traits<V>` and the helpers below; comparisons give a
// mask (bool for scalars) and `blend` picks by mask, so that no formula branches.
//
// Everything here has internal linkage: these headers are compiled once per SIMD target and must not be merged by the
// linker.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_LANE_H
#define COTANGENT_KERNELS_ELEMENTWISE_LANE_H

#include <stdint.h>

#if defined(__CUDACC__)
#define COTANGENT_FN static __host__ __device__ __forceinline__
#define COTANGENT_MEMBER static __host__ __device__ __forceinline__
#else
#define COTANGENT_FN static inline __attribute__((always_inline))
#define COTANGENT_MEMBER static inline __attribute__((always_inline))
#endif

namespace cotangent::formula {

// Scalar: element type. Bits, Unsigned: integers of the same width. Arithmetic: type in which sums wrap instead of
// overflowing. larger, smaller: the machine's instruction; b, or NaN, when an operand is NaN; either of two zeros.
template <class V>
struct Traits;

#if defined(__FMA__) || defined(__aarch64__) || defined(__CUDA_ARCH__)
#define COTANGENT_SCALAR_FMA 1
#else
#define COTANGENT_SCALAR_FMA 0
#endif

template <>
struct Traits<float> {
  using Scalar = float;
  using Bits = int32_t;
  using Unsigned = uint32_t;
  using Arithmetic = float;
  static constexpr bool kFused = COTANGENT_SCALAR_FMA;
  COTANGENT_MEMBER float madd(float a, float b, float c) { return kFused ? __builtin_fmaf(a, b, c) : a * b + c; }
  COTANGENT_MEMBER float square_root(float x) { return __builtin_sqrtf(x); }
  COTANGENT_MEMBER float larger(float a, float b) { return a > b ? a : b; }
  COTANGENT_MEMBER float smaller(float a, float b) { return a < b ? a : b; }
  COTANGENT_MEMBER bool any(int32_t mask) { return mask != 0; }
};

template <>
struct Traits<double> {
  using Scalar = double;
  using Bits = int64_t;
  using Unsigned = uint64_t;
  using Arithmetic = double;
  static constexpr bool kFused = COTANGENT_SCALAR_FMA;
  COTANGENT_MEMBER double madd(double a, double b, double c) { return kFused ? __builtin_fma(a, b, c) : a * b + c; }
  COTANGENT_MEMBER double square_root(double x) { return __builtin_sqrt(x); }
  COTANGENT_MEMBER double larger(double a, double b) { return a > b ? a : b; }
  COTANGENT_MEMBER double smaller(double a, double b) { return a < b ? a : b; }
  COTANGENT_MEMBER bool any(int64_t mask) { return mask != 0; }
};

template <>
struct Traits<int32_t> {
  using Scalar = int32_t;
  using Bits = int32_t;
  using Unsigned = uint32_t;
  using Arithmetic = uint32_t;
};

template <>
struct Traits<uint32_t> {
  using Scalar = uint32_t;
  using Bits = int32_t;
  using Unsigned = uint32_t;
  using Arithmetic = uint32_t;
};

// Layout of the two floating-point formats.
template <class Scalar>
struct Format {
  static constexpr bool kFloating = false;
};

template <>
struct Format<float> {
  static constexpr bool kFloating = true;
  static constexpr int kMantissa = 23;
  static constexpr int kBias = 127;
  static constexpr int32_t kSign = INT32_MIN;
  static constexpr float kMinNormal = 1.17549435e-38f;
  static constexpr float kInfinity = __builtin_huge_valf();
  static constexpr float kNaN = __builtin_nanf("");
  static constexpr float kMagic = 12582912.0f;    // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  static constexpr float kIntegral = 8388608.0f;  // 2^23: everything from here on is an integer
};

template <>
struct Format<double> {
  static constexpr bool kFloating = true;
  static constexpr int kMantissa = 52;
  static constexpr int kBias = 1023;
  static constexpr int64_t kSign = INT64_MIN;
  static constexpr double kMinNormal = 2.2250738585072014e-308;
  static constexpr double kInfinity = __builtin_huge_val();
  static constexpr double kNaN = __builtin_nan("");
  static constexpr double kMagic = 6755399441055744.0;
  static constexpr double kIntegral = 4503599627370496.0;
};

template <class V>
using Scalar = typename Traits<V>::Scalar;
template <class V>
using Bits = typename Traits<V>::Bits;
template <class V>
using Unsigned = typename Traits<V>::Unsigned;
template <class V>
using FormatOf = Format<Scalar<V>>;

// A vector (or scalar) filled with one value: x - 0 is x, the sign of zero included.
template <class V>
COTANGENT_FN V splat(Scalar<V> value) {
  return value - V{};
}

template <class Mask, class V>
COTANGENT_FN V blend(Mask mask, V yes, V no) {
  return mask ? yes : no;
}

// The same bits as another type.
template <class To, class From>
COTANGENT_FN To reinterpret(From from) {
  static_assert(sizeof(To) == sizeof(From), "sizes must agree");
  To to;
  __builtin_memcpy(&to, &from, sizeof to);
  return to;
}

template <class V>
COTANGENT_FN Bits<V> bits_of(V x) {
  return reinterpret<Bits<V>>(x);
}

template <class V>
COTANGENT_FN V from_bits(Bits<V> bits) {
  return reinterpret<V>(bits);
}

// a * b + c, in one rounding where the machine has a fused instruction.
template <class V>
COTANGENT_FN V madd(V a, V b, V c) {
  return Traits<V>::madd(a, b, c);
}

template <class V>
COTANGENT_FN V magnitude(V x) {
  return from_bits<V>(bits_of(x) & ~FormatOf<V>::kSign);
}

// |x| with the sign bit of s.
template <class V>
COTANGENT_FN V copy_sign(V x, V s) {
  return from_bits<V>((bits_of(x) & ~FormatOf<V>::kSign) | (bits_of(s) & FormatOf<V>::kSign));
}

// c0 + x (c1 + x (c2 + ...)).
template <class V>
COTANGENT_FN V horner(V, Scalar<V> c0) {
  return splat<V>(c0);
}

template <class V, class... Rest>
COTANGENT_FN V horner(V x, Scalar<V> c0, Rest... rest) {
  return madd(x, horner(x, rest...), splat<V>(c0));
}

}  // namespace cotangent::formula

#endif
