// The logarithm of |Gamma| and its first two derivatives. Positive arguments below 8 are shifted to a short interval by
// the recurrence Gamma(x + 1) = x Gamma(x); from 8 on Stirling's series serves (Abramowitz and Stegun, 6.1.41, 6.3.18,
// 6.4.12); negative ones are reflected (6.1.17, 6.3.7, 6.4.7). Coefficients: least-squares fits at Chebyshev nodes.
//
// Error in units of the last place: lgamma below 6, digamma and trigamma below 5 for positive x. For negative x it is
// below 12, 6 and 6, but lgamma and digamma have irrational zeros there: beside those it is measured in units of 1, for
// digamma of |pi cot(pi x)| where that is more.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_GAMMA_H
#define COTANGENT_KERNELS_ELEMENTWISE_GAMMA_H

#include "native/kernels/elementwise/lane.h"
#include "native/kernels/elementwise/transcendental.h"
#include "native/kernels/elementwise/trigonometric.h"

namespace cotangent::formula {

constexpr int kStirlingFrom = 8;
constexpr double kPi = 3.14159265358979323846;

// To the nearest integer; anything that large is one.
template <class V>
COTANGENT_FN V nearest(V x) {
  const V size = magnitude(x);
  const V rounded = (size + FormatOf<V>::kIntegral) - FormatOf<V>::kIntegral;
  return copy_sign(blend(size < splat<V>(FormatOf<V>::kIntegral), rounded, size), x);
}

// lgamma(2 + w) / w, |w| <= 1/2.
template <class V>
COTANGENT_FN V lgamma_tail(V w) {
  if constexpr (sizeof(Scalar<V>) == 4) {
    return horner(w, 0.422784328f, 0.322467029f, -0.0673519298f, 0.0205813609f, -0.00739125535f, 0.00288067199f,
                  -0.00115870568f, 0.000566520204f, -0.000302153232f);
  } else {
    return horner(w, 0.42278433509846713, 0.32246703342411326, -0.067352301053195396, 0.020580808427777431,
                  -0.0073855510289500478, 0.0028905103311645825, -0.0011927539006155621, 0.00050966951262181699,
                  -0.00022315498276468009, 9.9457706624662869e-05, -4.4923686202483551e-05, 2.050536227727439e-05,
                  -9.4564713267575121e-06, 4.3856203143195353e-06, -1.9738836689287177e-06, 9.1807866540343263e-07,
                  -5.815372136242391e-07, 2.8051010322928771e-07);
  }
}

// x (lgamma(x) - (x - 1/2) log(x) + x - log(2 pi) / 2) with z = x^-2, x >= 8.
template <class V>
COTANGENT_FN V stirling_tail(V z) {
  if constexpr (sizeof(Scalar<V>) == 4) {
    return horner(z, 0.0833333358f, -0.00277835201f, 0.000813494204f);
  } else {
    return horner(z, 0.083333333333333329, -0.0027777777777666531, 0.00079365078589420011, -0.00059523570205088656,
                  0.00084136937963259165, -0.0018845421384131112, 0.0049101044558187649, 0.0012965546711970551);
  }
}

template <class V>
COTANGENT_FN V lgamma(V x) {
  using S = Scalar<V>;
  using F = FormatOf<V>;
  const auto reflected = x <= splat<V>(S(-0.5));
  const V y = blend(reflected, S(1) - x, x);
  const auto large = y >= splat<V>(S(kStirlingFrom));

  // y = 2 + w + n with |w| <= 1/2; lgamma(y) = lgamma(2 + w) + log((y - 1) .. (y - n)), or - log(y .. (y - n - 1)).
  const V inside = blend(large, splat<V>(2), y);
  const V shift = clamp(nearest(inside - S(2)), S(-2), S(kStirlingFrom - 2));
  const V w = inside - (shift + S(2));  // exact
  V product = splat<V>(1);
  for (int k = 1; k <= kStirlingFrom - 2; ++k) {
    product = blend(shift >= splat<V>(S(k)), product * (inside - S(k)), product);
  }
  const V below = blend(shift <= splat<V>(S(-2)), inside * (inside + S(1)), inside);
  const auto down = shift < V{};
  const V argument = blend(large, y, magnitude(blend(down, below, product)));
  const V logarithm = log(argument);
  const V series = w * lgamma_tail(w) + blend(down, -logarithm, logarithm);

  const V inverse = S(1) / y;
  constexpr S kHalfLogTwoPi = S(0.91893853320467274);
  const V stirling = y * (logarithm - S(1)) + madd(inverse, stirling_tail(inverse * inverse),
                                                   madd(logarithm, splat<V>(S(-0.5)), splat<V>(kHalfLogTwoPi)));
  const V positive = blend(large, blend(y == splat<V>(F::kInfinity), y, stirling), series);
  if (!Traits<V>::any(blend(reflected, ~Bits<V>{}, Bits<V>{}))) return positive;

  // Gamma(x) Gamma(1 - x) = pi / sin(pi x). |sin| has the period 1.
  const V r = x - nearest(x);
  const V sine = magnitude(sin_near(S(kPi) * r, 0));
  const V negative = log(S(kPi) / sine) - positive;
  const V whole = splat<V>(F::kInfinity);
  return blend(reflected, blend((r == V{}) | (magnitude(x) == whole), whole, negative), positive);
}

// The zero of digamma on the positive axis, in two parts.
template <class Scalar>
struct DigammaZero;
template <>
struct DigammaZero<float> {
  static constexpr float kHigh = 0x1.762d86p+0f;
  static constexpr float kLow = 0x1.ab5f1ep-27f;
};
template <>
struct DigammaZero<double> {
  static constexpr double kHigh = 0x1.762d86356be3fp+0;
  static constexpr double kLow = 0x1.b86a722197829p-54;
};

// digamma(y) / (y - zero) with v = y - 3/2, |v| <= 1/2.
template <class V>
COTANGENT_FN V digamma_slope(V v) {
  if constexpr (sizeof(Scalar<V>) == 4) {
    return horner(v, 0.951055884f, -0.423627496f, 0.24054195f, -0.148398891f, 0.0949965119f, -0.0620558001f,
                  0.0407506041f, -0.025786832f, 0.0174854621f, -0.0163748749f, 0.0103954412f);
  } else {
    return horner(v, 0.95105587603183284, -0.42362742128146047, 0.24054248424080246, -0.14840492305392394,
                  0.094988724451259152, -0.061922133271124009, 0.040760834020039917, -0.026975796866545158,
                  0.017907246184568855, -0.011908214634898998, 0.0079270568416607325, -0.0052800259479704702,
                  0.0035177371502150864, -0.0023445699020570743, 0.0015659198562264789, -0.0010427860259267321,
                  0.00067945584901924513, -0.00045770709293651153, 0.00035632947230564203, -0.00022399673640225345,
                  4.4491255909363848e-05, -5.1616977205238666e-05, 0.00015517828078939943, -8.801935132829744e-05);
  }
}

// x^2 (log(x) - 1 / (2 x) - digamma(x)) with z = x^-2, x >= 8.
template <class V>
COTANGENT_FN V digamma_tail(V z) {
  if constexpr (sizeof(Scalar<V>) == 4) {
    return horner(z, 0.0833333358f, -0.00833354238f, 0.00391246751f);
  } else {
    return horner(z, 0.083333333333333329, -0.008333333333321119, 0.0039682539587222307, -0.0041666632863544256,
                  0.0075751137174421036, -0.02102207945336523, 0.078787696237353835, -0.27834903431836167);
  }
}

template <class V>
COTANGENT_FN V digamma(V x) {
  using S = Scalar<V>;
  using F = FormatOf<V>;
  const auto reflected = x < V{};
  const V y = blend(reflected, S(1) - x, x);
  const auto large = y >= splat<V>(S(kStirlingFrom));

  // y - shift is in [1, 2]; digamma(y + 1) = digamma(y) + 1 / y, the reciprocals summed as one fraction.
  const V inside = blend(large, splat<V>(S(1.5)), y);
  const V shift = clamp(nearest(inside - S(1.5)), S(-1), S(kStirlingFrom - 1));
  const V base = inside - shift;
  V above = V{}, below = splat<V>(1);
  for (int k = 1; k <= kStirlingFrom - 1; ++k) {
    const auto used = shift >= splat<V>(S(k));
    const V factor = inside - S(k);
    above = blend(used, madd(above, factor, below), above);
    below = blend(used, below * factor, below);
  }
  const auto down = shift < V{};
  above = blend(down, splat<V>(-1), above);
  below = blend(down, inside, below);
  const V distance = (base - DigammaZero<S>::kHigh) - DigammaZero<S>::kLow;
  const V series = madd(distance, digamma_slope(base - S(1.5)), above / below);

  const V inverse = S(1) / y;
  const V square = inverse * inverse;
  const V tail = madd(square, digamma_tail(square), S(0.5) * inverse);
  const V stirling = log(y) - tail;
  const V positive = blend(large, stirling, series);
  if (!Traits<V>::any(blend(reflected, ~Bits<V>{}, Bits<V>{}))) return positive;

  const V r = x - nearest(x);
  const V angle = S(kPi) * r;
  const V cotangent = sin_near(angle, 1) / sin_near(angle, 0);
  const V negative = madd(cotangent, splat<V>(-S(kPi)), positive);
  return blend(reflected, blend(r == V{}, splat<V>(F::kNaN), negative), positive);
}

// x^3 (trigamma(x) - 1 / x - 1 / (2 x^2)) with z = x^-2, x >= 8.
template <class V>
COTANGENT_FN V trigamma_tail(V z) {
  if constexpr (sizeof(Scalar<V>) == 4) {
    return horner(z, 0.166666672f, -0.0333358273f, 0.0241160039f, -0.0431041159f);
  } else {
    return horner(z, 0.16666666666666666, -0.033333333333304134, 0.02380952378244678, -0.033333321937535687,
                  0.075754989376676449, -0.25277108987671171, 1.1394590242218767, -5.8071931238744128,
                  20.272022349468251);
  }
}

template <class V>
COTANGENT_FN V trigamma(V x) {
  using S = Scalar<V>;
  const auto reflected = x < V{};
  V y = blend(reflected, S(1) - x, x);
  V sum = V{};
  for (int k = 0; k < kStirlingFrom; ++k) {  // trigamma(y) = 1 / y^2 + trigamma(y + 1)
    const auto small = y < splat<V>(S(kStirlingFrom));
    const V reciprocal = S(1) / y;
    sum = blend(small, madd(reciprocal, reciprocal, sum), sum);
    y = blend(small, y + S(1), y);
  }
  const V inverse = S(1) / y;
  const V square = inverse * inverse;
  const V tail = madd(inverse * square, trigamma_tail(square), S(0.5) * square);
  const V positive = sum + (inverse + tail);
  if (!Traits<V>::any(blend(reflected, ~Bits<V>{}, Bits<V>{}))) return positive;

  const V r = x - nearest(x);
  const V ratio = S(kPi) / sin_near(S(kPi) * r, 0);
  return blend(reflected, ratio * ratio - positive, positive);
}

}  // namespace cotangent::formula

#endif
