// sin and cos. For |x| <= kReach the argument is reduced by Cody and Waite's method: pi/2 is cut into pieces so short
// that their products with the quadrant number are exact, and enough of them to leave a full mantissa however close x
// comes to a multiple of pi/2. Larger arguments go to the C library, one by one. Error below 2.5 units in the last
// place.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_TRIGONOMETRIC_H
#define COTANGENT_KERNELS_ELEMENTWISE_TRIGONOMETRIC_H

#include "native/kernels/elementwise/lane.h"

namespace cotangent::formula {

template <class Scalar>
struct Circle;

template <>
struct Circle<float> {
  static constexpr float kReach = 8192.0f;
  static constexpr float kTwoOverPi = 0x1.45f306p-1f;
};

template <>
struct Circle<double> {
  static constexpr double kReach = 1000000.0;
  static constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;
};

// x - q pi/2.
template <class V>
COTANGENT_FN V reduce_circle(V x, V q) {
  if constexpr (sizeof(Scalar<V>) == 4) {
    x = madd(q, splat<V>(-0x1.92p+0f), x);
    x = madd(q, splat<V>(-0x1.fb4p-12f), x);
    x = madd(q, splat<V>(-0x1.444p-24f), x);
    x = madd(q, splat<V>(-0x1.68cp-39f), x);
    return madd(q, splat<V>(-0x1.1a6264p-54f), x);
  } else {
    x = madd(q, splat<V>(-0x1.921fb544p+0), x);
    x = madd(q, splat<V>(-0x1.0b4611a6p-34), x);
    x = madd(q, splat<V>(-0x1.3198a2ep-69), x);
    return madd(q, splat<V>(-0x1.b839a252049c1p-104), x);
  }
}

// (sin(r) / r - 1) / z with z = r^2, |r| <= pi/4.
template <class V>
COTANGENT_FN V sin_tail(V z) {
  if constexpr (sizeof(Scalar<V>) == 4) {
    return horner(z, -0.166666672f, 0.00833337288f, -0.000198502952f, 2.80435688e-6f);
  } else {
    return horner(z, -0.1666666666666663, 0.0083333333333219448, -0.00019841269829484602, 2.7557313591087511e-6,
                  -2.5050743528454354e-8, 1.5896000046150026e-10);
  }
}

// (cos(r) - 1 + z/2) / z^2.
template <class V>
COTANGENT_FN V cos_tail(V z) {
  if constexpr (sizeof(Scalar<V>) == 4) {
    return horner(z, 0.0416666679f, -0.00138889742f, 2.48197321e-5f, -2.86607474e-7f);
  } else {
    return horner(z, 0.041666666666666595, -0.0013888888888873433, 2.4801587289088995e-5, -2.7557314246727625e-7,
                  2.0875709736424291e-9, -1.1358979878585515e-11);
  }
}

// sin(x + turns pi/2) for |x| <= kReach (anything beyond: see sin, cos).
template <class V>
COTANGENT_FN V sin_near(V x, int turns) {
  using F = FormatOf<V>;
  const V shifted = madd(x, splat<V>(Circle<Scalar<V>>::kTwoOverPi), splat<V>(F::kMagic));
  const V q = shifted - F::kMagic;
  const auto quadrant = (Unsigned<V>)bits_of(shifted) + turns;
  const V r = reduce_circle(x, q);
  const V z = r * r;
  const V sine = madd(r * z, sin_tail(z), r);
  const V cosine = (Scalar<V>(1) - Scalar<V>(0.5) * z) + z * z * cos_tail(z);
  const V picked = blend((quadrant & 1) == Unsigned<V>{}, sine, cosine);
  const V result = from_bits<V>(bits_of(picked) ^ (Bits<V>)((quadrant & 2) << (sizeof(Scalar<V>) * 8 - 2)));
  return turns == 0 ? blend(x == V{}, x, result) : result;
}

COTANGENT_FN float library_sin(float x) { return __builtin_sinf(x); }
COTANGENT_FN double library_sin(double x) { return __builtin_sin(x); }
COTANGENT_FN float library_cos(float x) { return __builtin_cosf(x); }
COTANGENT_FN double library_cos(double x) { return __builtin_cos(x); }

// Replaces the lanes beyond kReach by what the C library gives. Rare, so the test is the only cost.
template <class V>
COTANGENT_FN V with_far(V x, V near, int turns) {
  using S = Scalar<V>;
  constexpr int kLanes = sizeof(V) / sizeof(S);
  const auto far = blend(magnitude(x) > splat<V>(Circle<S>::kReach), ~Bits<V>{}, Bits<V>{});
  if (__builtin_expect(!Traits<V>::any(far), 1)) return near;
  S arguments[kLanes], values[kLanes];
  __builtin_memcpy(arguments, &x, sizeof x);
  __builtin_memcpy(values, &near, sizeof near);
  for (int i = 0; i < kLanes; ++i) {
    if (arguments[i] > Circle<S>::kReach || arguments[i] < -Circle<S>::kReach) {
      values[i] = turns == 0 ? library_sin(arguments[i]) : library_cos(arguments[i]);
    }
  }
  __builtin_memcpy(&near, values, sizeof near);
  return near;
}

template <class V>
COTANGENT_FN V sin(V x) {
  return with_far(x, sin_near(x, 0), 0);
}

template <class V>
COTANGENT_FN V cos(V x) {
  return with_far(x, sin_near(x, 1), 1);
}

}  // namespace cotangent::formula

#endif
