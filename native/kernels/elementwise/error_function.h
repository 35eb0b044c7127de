// erf and its inverse. Error below 2 units in the last place for erf, below 6 for erfinv (whose approximations are
// those of the normal quantile). Coefficients: least-squares fits at Chebyshev nodes, as in transcendental.h.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_ERROR_FUNCTION_H
#define COTANGENT_KERNELS_ELEMENTWISE_ERROR_FUNCTION_H

#include "native/kernels/elementwise/lane.h"
#include "native/kernels/elementwise/normal_quantile.h"
#include "native/kernels/elementwise/transcendental.h"

namespace cotangent::formula {

// erf(x) / x - 1 with z = x^2 <= 1.
template <class V>
COTANGENT_FN V erf_tail(V z) {
  if constexpr (sizeof(Scalar<V>) == 4) {
    return horner(z, 0.128379166f, -0.376126289f, 0.112836182f, -0.0268551242f, 0.00519072451f, -0.000803063624f,
                  7.91982093e-05f);
  } else {
    return horner(z, 0.12837916709551259, -0.37612638903183876, 0.11283791670958783, -0.026866170645631897,
                  0.0052239776292456732, -0.00085483271993601372, 0.00012055338161483546, -1.4925748182467014e-05,
                  1.6463247346607676e-06, -1.6372372335419812e-07, 1.4798360343033825e-08, -1.1876567953188937e-09,
                  6.7628229576380364e-11);
  }
}

// log(erfc(1 + w)), to an absolute error that matters where erfc does: erf is 1 beyond the fitted range, w <= 3
// (float), w <= 4.95 (double).
template <class V>
COTANGENT_FN V log_erfc(V w) {
  if constexpr (sizeof(Scalar<V>) == 4) {
    return horner(w, -1.84960556f, -2.63896489f, -0.843144417f, -0.0413357429f, 0.00933213905f, -0.000756732887f,
                  -0.000986636616f, 0.000718638534f, -0.000226091332f, 2.80483728e-05f);
  } else {
    return horner(w, -1.8496055099332482, -2.638967514234793, -0.843107256358409, -0.041561098048010163,
                  0.010033825450457258, -0.0019779031314553289, 0.00023732521747280716, 2.6268694839429483e-05,
                  -2.7137026686621216e-05, 9.569812617935186e-06, -2.0079727300405818e-06, 9.0890518426263244e-08,
                  1.3728803879884454e-07, -7.5193177937028263e-08, 2.5142533079860866e-08, -6.2515573255089074e-09,
                  1.1911020107328361e-09, -1.7033179077317578e-10, 1.7249663700688807e-11, -1.1006830750617888e-12,
                  3.3156965879582318e-14);
  }
}

template <class V>
COTANGENT_FN V erf(V x) {
  using S = Scalar<V>;
  constexpr S kReach = sizeof(S) == 4 ? S(4) : S(5.95);  // erf is 1 from here on
  const V size = clamp(magnitude(x), S(0), kReach);
  const V near = madd(x, erf_tail(size * size), x);
  const V far = copy_sign(S(1) - exp(log_erfc(size - S(1))), x);
  return blend(x != x, x, blend(size < splat<V>(1), near, far));
}

// erf(x / sqrt(2)) is the probability of a normal variable within x: the quantile of the tail (1 - |x|) / 2, over
// sqrt(2).
template <class V>
COTANGENT_FN V erfinv(V x) {
  using S = Scalar<V>;
  const V size = magnitude(x);
  const V tail = S(0.5) * (S(1) - size);
  const V z = normal_magnitude(tail, S(0.5) * size) * S(0.70710678118654752);
  return copy_sign(blend(size == splat<V>(1), splat<V>(FormatOf<V>::kInfinity), z), x);
}

}  // namespace cotangent::formula

#endif
