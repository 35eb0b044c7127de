// pow(x, y) = e^(y log|x|) with the logarithm and its product with y carried as unevaluated sums of two numbers,
// because an error of one unit in the last place of y log|x| would be hundreds of them in the result. Special cases as
// in C.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_POWER_H
#define COTANGENT_KERNELS_ELEMENTWISE_POWER_H

#include "native/kernels/elementwise/lane.h"
#include "native/kernels/elementwise/transcendental.h"

namespace cotangent::formula {

// high + low, |low| <= ulp(high) / 2.
template <class V>
struct Pair {
  V high;
  V low;
};

// a + b exactly; |a| >= |b| or a = 0.
template <class V>
COTANGENT_FN Pair<V> quick_sum(V a, V b) {
  const V sum = a + b;
  return {sum, b - (sum - a)};
}

// a * b exactly, barring overflow: with a fused multiply-add, else by Dekker's splitting.
template <class V>
COTANGENT_FN Pair<V> exact_product(V a, V b) {
  const V product = a * b;
  if constexpr (Traits<V>::kFused) {
    return {product, madd(a, b, -product)};
  } else {
    constexpr auto kSplitter = Scalar<V>((uint64_t(1) << (FormatOf<V>::kMantissa / 2 + 1)) + 1);
    const V wide_a = a * kSplitter, wide_b = b * kSplitter;
    const V high_a = wide_a - (wide_a - a), high_b = wide_b - (wide_b - b);
    const V low_a = a - high_a, low_b = b - high_b;
    return {product, ((high_a * high_b - product) + high_a * low_b + low_a * high_b) + low_a * low_b};
  }
}

// 2/5 + 2/7 z + 2/9 z^2 ...: log_tail without its first term, which needs more digits here.
template <class V>
COTANGENT_FN V log_second_tail(V z) {
  if constexpr (sizeof(Scalar<V>) == 4) {
    return horner(z, 0.400001585f, 0.285465598f, 0.234310552f);
  } else {
    return horner(z, 0.40000000000002417, 0.28571428570030449, 0.22222222531320418, 0.1818178342795338,
                  0.15386798617382799, 0.13255891484481691, 0.13204670599003757);
  }
}

// log(x), x positive and finite, to about one and a half times the precision of V.
template <class V>
COTANGENT_FN Pair<V> precise_log(V x) {
  using E = Exponential<Scalar<V>>;
  using F = FormatOf<V>;
  using S = Scalar<V>;
  constexpr int kShift = F::kMantissa + 1;
  const auto denormal = x < splat<V>(F::kMinNormal);
  const auto [raw, f] = split_binary(blend(denormal, x * S(uint64_t(1) << kShift), x));
  const V exponent = raw - blend(denormal, splat<V>(S(kShift)), V{});

  // s = f / (2 + f)
  const auto divisor = quick_sum(splat<V>(2), f);
  const V s = f / divisor.high;
  const auto back = exact_product(s, divisor.high);
  const V s_low = (((f - back.high) - back.low) - s * divisor.low) / divisor.high;

  // log(1 + f) = 2 s + s z (2/3 + z tail(z)), z = s^2
  const auto square = exact_product(s, s);
  const V z_low = madd(s_low, S(2) * s, square.low);
  constexpr S kTwoThirds = sizeof(S) == 4 ? S(0x1.555556p-1f) : S(0x1.5555555555555p-1);
  constexpr S kTwoThirdsLow = sizeof(S) == 4 ? S(-0x1.555556p-26f) : S(0x1.5555555555555p-55);
  const auto factor =
      quick_sum(splat<V>(kTwoThirds), madd(square.high, log_second_tail(square.high), splat<V>(kTwoThirdsLow)));
  const auto curve = exact_product(square.high, factor.high);
  const V curve_low = curve.low + square.high * factor.low + z_low * factor.high;
  const auto two_plus = quick_sum(splat<V>(2), curve.high);
  const V two_plus_low = two_plus.low + curve_low;
  const auto series = exact_product(s, two_plus.high);
  const V series_low = series.low + s * two_plus_low + s_low * two_plus.high;

  const auto sum = quick_sum(exponent * E::kLn2High, series.high);
  return quick_sum(sum.high, sum.low + madd(exponent, splat<V>(E::kLn2Low), series_low));
}

template <class V>
COTANGENT_FN V pow(V x, V y) {
  using E = Exponential<Scalar<V>>;
  using F = FormatOf<V>;
  using S = Scalar<V>;
  const V infinity = splat<V>(F::kInfinity), one = splat<V>(1);
  const V base = magnitude(x);
  const auto logarithm = precise_log(base);

  // From this size on the result is 0, 1 or infinite anyway, and products stay finite.
  constexpr S kLargest = S(uint64_t(1) << (F::kMantissa / 2)) * S(uint64_t(1) << (F::kMantissa / 2 + 12));
  const V exponent = clamp(y, -kLargest, kLargest);
  const auto product = exact_product(exponent, logarithm.high);
  const V edge = blend(base == V{}, -infinity, infinity) * exponent;  // log|x| is infinite
  const auto infinite = (base == V{}) | (base == infinity);
  const V high = blend(infinite, edge, product.high);
  const V clamped = clamp(high, E::kUnderflow, E::kOverflow);
  const V low = blend(clamped == product.high, madd(exponent, logarithm.low, product.low), V{});
  const V total = clamped + low;

  const auto [r, n, integer] = reduce_exp(total);
  (void)n;
  const V r_low = low - (total - clamped);
  const V less_one = madd(r * r, exp_tail(r), r);
  V result = scale(madd(r_low, less_one + S(1), less_one) + S(1), integer);

  // Sign, and where the power of a negative number is not real.
  const auto whole = [](V v) {
    const V size = magnitude(v);
    return ((size + F::kIntegral) - F::kIntegral == size) | (size >= splat<V>(F::kIntegral));
  };
  const auto is_whole = whole(y);
  const auto is_even = whole(S(0.5) * y);
  const V negative = blend(is_whole, blend(is_even, result, -result), splat<V>(F::kNaN));
  const V zero_or_infinite = blend(is_whole, blend(is_even, result, -result), result);
  result = blend(bits_of(x) < Bits<V>{}, blend(infinite, zero_or_infinite, negative), result);
  result = blend(x != x, x, result);
  result = blend(y != y, y, result);
  result = blend((base == one) & (magnitude(y) == infinity), one, result);
  return blend((x == one) | (y == V{}), one, result);
}

}  // namespace cotangent::formula

#endif
