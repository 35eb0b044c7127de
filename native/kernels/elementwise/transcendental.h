// exp, log and what is built from them. Error below 2 units in the last place (logistic, softplus, tanh: below 3),
// measured by test/native/formula_test.cc; 0, -0, denormals, infinities and NaN as in C. Coefficients: least-squares
// fits at Chebyshev nodes, leading ones rounded first. They hold with and without fused multiply-add.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_TRANSCENDENTAL_H
#define COTANGENT_KERNELS_ELEMENTWISE_TRANSCENDENTAL_H

#include "native/kernels/elementwise/lane.h"

namespace cotangent::formula {

template <class Scalar>
struct Exponential;

// ln 2 = kLn2High + kLn2Low; n * kLn2High is exact for every exponent n.
template <>
struct Exponential<float> {
  static constexpr float kLog2E = 0x1.715476p+0f;
  static constexpr float kLn2High = 0x1.62e4p-1f;
  static constexpr float kLn2Low = 0x1.7f7d1cp-20f;
  static constexpr float kUnderflow = -104.0f;  // exp is 0 from here down
  static constexpr float kOverflow = 89.0f;     // and infinite from here up
  static constexpr float kExpm1Floor = -20.0f;  // expm1 is -1
  static constexpr float kTanhCeiling = 10.0f;  // tanh is 1
  static constexpr float kTiny = 0x1p-26f;      // expm1(x) is x below
};

template <>
struct Exponential<double> {
  static constexpr double kLog2E = 0x1.71547652b82fep+0;
  static constexpr double kLn2High = 0x1.62e42fefa2p-1;
  static constexpr double kLn2Low = 0x1.9ef35793c7673p-41;
  static constexpr double kUnderflow = -746.0;
  static constexpr double kOverflow = 710.0;
  static constexpr double kExpm1Floor = -40.0;
  static constexpr double kTanhCeiling = 22.0;
  static constexpr double kTiny = 0x1p-55;
};

// (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2.
template <class V>
COTANGENT_FN V exp_tail(V r) {
  if constexpr (sizeof(Scalar<V>) == 4) {
    return horner(r, 0.5f, 0.166665405f, 0.0416664779f, 0.0083668381f, 0.00139337103f);
  } else {
    return horner(r, 0.50000000000000056, 0.16666666666666677, 0.041666666666573364, 0.0083333333333214278,
                  0.001388888893250904, 0.00019841269886631242, 2.4801504252362964e-5, 2.7557243702649166e-6,
                  2.76264147580722e-7, 2.5109214282164531e-8);
  }
}

// value * 2^n in two steps, so that the result may be denormal or infinite: |n| <= 2 * bias.
template <class V>
COTANGENT_FN V scale(V value, Unsigned<V> n) {
  using F = FormatOf<V>;
  const auto exponents = n + 2 * F::kBias;
  const auto half = exponents >> 1;
  return value * from_bits<V>((Bits<V>)(half << F::kMantissa)) *
         from_bits<V>((Bits<V>)((exponents - half) << F::kMantissa));
}

// x = n ln 2 + r. x must be a small number: the caller clamps.
template <class V>
struct Reduced {
  V r;
  V n;
  Unsigned<V> integer;  // n; unsigned, because NaN leaves nonsense here that must be free to wrap around
};

template <class V>
COTANGENT_FN Reduced<V> reduce_exp(V x) {
  using E = Exponential<Scalar<V>>;
  const V shifted = madd(x, splat<V>(E::kLog2E), splat<V>(FormatOf<V>::kMagic));
  const V n = shifted - FormatOf<V>::kMagic;
  const V r = madd(n, splat<V>(-E::kLn2Low), madd(n, splat<V>(-E::kLn2High), x));
  return {r, n, (Unsigned<V>)bits_of(shifted) - (Unsigned<V>)bits_of(splat<V>(FormatOf<V>::kMagic))};
}

template <class V>
COTANGENT_FN V clamp(V x, Scalar<V> low, Scalar<V> high) {  // NaN passes
  const V raised = blend(x < splat<V>(low), splat<V>(low), x);
  return blend(raised > splat<V>(high), splat<V>(high), raised);
}

template <class V>
COTANGENT_FN V exp(V x) {
  using E = Exponential<Scalar<V>>;
  const auto [r, n, integer] = reduce_exp(clamp(x, E::kUnderflow, E::kOverflow));
  (void)n;
  return scale(madd(r * r, exp_tail(r), r) + Scalar<V>(1), integer);
}

// 2^n expm1(r) + (2^n - 1), all at half size because 2^n alone may overflow.
template <class V>
COTANGENT_FN V expm1(V x) {
  using E = Exponential<Scalar<V>>;
  using F = FormatOf<V>;
  const auto [r, n, integer] = reduce_exp(clamp(x, E::kExpm1Floor, E::kOverflow));
  (void)n;
  const V small = madd(r * r, exp_tail(r), r);
  const V half_power = from_bits<V>((Bits<V>)((integer + (F::kBias - 1)) << F::kMantissa));
  const V result = Scalar<V>(2) * madd(half_power, small, half_power - Scalar<V>(0.5));
  return blend(magnitude(x) < splat<V>(E::kTiny), x, result);
}

template <class V>
COTANGENT_FN V tanh(V x) {
  const V e = expm1(Scalar<V>(2) * clamp(magnitude(x), 0, Exponential<Scalar<V>>::kTanhCeiling));
  return copy_sign(e / (e + Scalar<V>(2)), x);
}

// 1 / (1 + e^-x); for negative x as e^x / (1 + e^x), which underflows gradually.
template <class V>
COTANGENT_FN V logistic(V x) {
  const V e = exp(-magnitude(x));
  return blend(x < V{}, e, splat<V>(1)) / (e + Scalar<V>(1));
}

// x = 2^exponent (1 + f), sqrt(1/2) <= 1 + f < sqrt(2). x must be positive and normal.
template <class V>
struct Binary {
  V exponent;
  V f;
};

template <class V>
COTANGENT_FN Binary<V> split_binary(V x) {
  using F = FormatOf<V>;
  using U = Unsigned<V>;
  const auto root = (U)bits_of(splat<V>(Scalar<V>(0.70710678118654752)));
  const auto one = (U)bits_of(splat<V>(1));
  const U offset = (U)bits_of(x) + (one - root);
  const U mantissa = offset & (U{} + ((Unsigned<Scalar<V>>(1) << F::kMantissa) - 1));
  // The biased exponent becomes a number by way of the mantissa of 2^kMantissa: no conversion instruction is needed.
  const auto integral = (U)bits_of(splat<V>(F::kIntegral));
  const V exponent = from_bits<V>((Bits<V>)((offset >> F::kMantissa) | integral)) - Scalar<V>(F::kIntegral + F::kBias);
  return {exponent, from_bits<V>((Bits<V>)(mantissa + root)) - Scalar<V>(1)};
}

// (log((1 + s) / (1 - s)) / s - 2) / z with z = s^2, for |s| <= 3 - 2 sqrt(2).
template <class V>
COTANGENT_FN V log_tail(V z) {
  if constexpr (sizeof(Scalar<V>) == 4) {
    return horner(z, 0.666666627f, 0.4000085f, 0.285101533f, 0.2402872f);
  } else {
    return horner(z, 0.66666666666667374, 0.39999999999396901, 0.28571428746201755, 0.22222198185298947,
                  0.18183584591494459, 0.15313525156061109, 0.14801301026176536);
  }
}

// exponent ln 2 + log(1 + f) + correction, with s = f / (2 + f): log(1 + f) = f - f^2/2 + s (f^2/2 + s^2 tail(s^2)).
template <class V>
COTANGENT_FN V log_sum(V exponent, V f, V correction) {
  using E = Exponential<Scalar<V>>;
  const V s = f / (f + Scalar<V>(2));
  const V z = s * s;
  const V half_square = Scalar<V>(0.5) * f * f;
  const V low = madd(exponent, splat<V>(E::kLn2Low), correction);
  const V rest = madd(s, madd(z, log_tail(z), half_square), low);
  return madd(exponent, splat<V>(E::kLn2High), f - (half_square - rest));
}

// What log gives outside (0, inf): -inf at 0, inf at inf, NaN below 0 and for NaN.
template <class V>
COTANGENT_FN V log_edges(V x, V inside) {
  using F = FormatOf<V>;
  const V outside = blend(x == V{}, splat<V>(-F::kInfinity), splat<V>(F::kNaN));
  return blend(x > V{}, blend(x == splat<V>(F::kInfinity), x, inside), outside);
}

template <class V>
COTANGENT_FN V log(V x) {
  using F = FormatOf<V>;
  constexpr int kShift = F::kMantissa + 1;
  const auto denormal = x < splat<V>(F::kMinNormal);
  const V scaled = blend(denormal, x * Scalar<V>(uint64_t(1) << kShift), x);
  const auto [exponent, f] = split_binary(scaled);
  const V shift = blend(denormal, splat<V>(Scalar<V>(kShift)), V{});
  return log_edges(x, log_sum(exponent - shift, f, V{}));
}

// log(u) with u = 1 + x rounded, plus (1 + x - u) / u; where u needs no scaling, f = x carries everything.
template <class V>
COTANGENT_FN V log1p(V x) {
  const V u = x + Scalar<V>(1);
  const V lost = blend(x < splat<V>(1), x - (u - Scalar<V>(1)), Scalar<V>(1) - (u - x));
  const auto [exponent, f] = split_binary(u);
  const auto unscaled = exponent == V{};
  const V inside = log_sum(exponent, blend(unscaled, x, f), blend(unscaled, V{}, lost / u));
  return blend(x == V{}, x, log_edges(u, inside));
}

// log(1 + e^x) = max(x, 0) + log1p(e^-|x|).
template <class V>
COTANGENT_FN V softplus(V x) {
  return blend(x < V{}, V{}, x) + log1p(exp(-magnitude(x)));
}

}  // namespace cotangent::formula

#endif
