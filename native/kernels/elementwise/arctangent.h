// atan2: the angle of the point (x, y), by the ratio of the smaller coordinate to the larger, which tan(pi/8) halves.
// Error below 2.5 units in the last place; signs, zeros, infinities and NaN as in C. Coefficients: least-squares fits
// at Chebyshev nodes.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_ARCTANGENT_H
#define COTANGENT_KERNELS_ELEMENTWISE_ARCTANGENT_H

#include "native/kernels/elementwise/lane.h"

namespace cotangent::formula {

// (atan(q) / q - 1) / z with z = q^2, |q| <= tan(pi/8).
template <class V>
COTANGENT_FN V atan_tail(V z) {
  if constexpr (sizeof(Scalar<V>) == 4) {
    return horner(z, -0.333333343f, 0.200001001f, -0.142881751f, 0.111250848f, -0.089382343f, 0.0571340956f);
  } else {
    return horner(z, -0.33333333333333331, 0.19999999999998919, -0.1428571428552603, 0.1111111109582424,
                  -0.090909083918205291, 0.07692287808057606, -0.066662945406686103, 0.058776288148551785,
                  -0.052219972829789754, 0.045170490244746099, -0.03376617093196372, 0.015471275025217656);
  }
}

template <class V>
COTANGENT_FN V atan2(V y, V x) {
  using S = Scalar<V>;
  using F = FormatOf<V>;
  const V ax = magnitude(x), ay = magnitude(y);
  const auto steep = ay > ax;
  V high = blend(steep, ay, ax), low = blend(steep, ax, ay);
  // Only the ratio counts: it survives neither the sum of two huge numbers nor that of two infinities.
  const V infinity = splat<V>(F::kInfinity);
  high = blend((low == infinity) & (high == infinity), splat<V>(1), high);
  low = blend(low == infinity, splat<V>(1), low);
  const auto huge = high > splat<V>(S(1) / F::kMinNormal);
  const auto tiny = high < splat<V>(S(2) * F::kMinNormal);  // a fraction of a denormal number is rounded
  constexpr S kRaise = S(uint64_t(1) << (F::kMantissa + 1));
  high = blend(huge, high * S(0.25), blend(tiny, high * kRaise, high));
  low = blend(huge, low * S(0.25), blend(tiny, low * kRaise, low));

  // atan(low / high) = pi/4 + atan((low - high) / (low + high)).
  const auto far = low > high * S(0.41421356237309503);
  const V above = blend(far, low - high, low), below = blend(far, low + high, high);
  const V ratio = above / below;
  const V q = blend(high == V{}, V{}, ratio);
  const V z = q * q;
  constexpr bool single = sizeof(S) == 4;
  const V quarter = splat<V>(single ? S(0x1.921fb6p-1f) : S(0x1.921fb54442d18p-1));
  const V quarter_low = splat<V>(single ? S(-0x1.777a5cp-26f) : S(0x1.1a62633145c07p-55));
  V angle = madd(q * z, atan_tail(z), q);
  angle = blend(far, quarter + (angle + quarter_low), angle);
  angle = blend(steep, S(2) * quarter - (angle - S(2) * quarter_low), angle);
  angle = blend(bits_of(x) < Bits<V>{}, S(4) * quarter - (angle - S(4) * quarter_low), angle);
  return blend((x != x) | (y != y), x + y, copy_sign(angle, y));
}

}  // namespace cotangent::formula

#endif
