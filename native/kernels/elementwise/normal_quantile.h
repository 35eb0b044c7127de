// The normal quantile: z with Phi(z) = u, in the rational approximations of M. J. Wichura, "Algorithm AS 241: the
// percentage points of the normal distribution", Applied Statistics 37 (1988) 477-484: PPND7 for float32, PPND16 for
// float64.
//
// u = (w + 1/2) / 2^bits for an integer w of as many bits as the type: never 0 or 1, and known from both ends without
// cancellation, so that both tails keep full relative precision. Largest |z|: 6.3 for float32, 9.2 for float64.
// Error: below 6 eps |z|.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_NORMAL_QUANTILE_H
#define COTANGENT_KERNELS_ELEMENTWISE_NORMAL_QUANTILE_H

#include "native/kernels/elementwise/transcendental.h"

namespace cotangent::formula {

// c0 + x (c1 + ...) over 1 + x (d1 + ...).
template <class V, class... Above>
COTANGENT_FN V quotient(V above, V x, Above... below) {
  return above / horner(x, Scalar<V>(1), below...);
}

// `tail` is min(u, 1 - u), `center` is |u - 1/2|; the result is |z|. V: a scalar or a vector of the type.
template <class V>
COTANGENT_FN V normal_magnitude(V tail, V center) {
  using T = Scalar<V>;
  const V r = Traits<V>::square_root(-log(tail));
  const V x = T(0.180625) - center * center;
  const V y = r - T(1.6);
  const auto central = center <= splat<V>(T(0.425));
  if constexpr (sizeof(T) == 4) {
    const V middle = center * quotient(horner(x, 3.3871327179f, 50.434271938f, 159.29113202f, 59.109374720f), x,  //
                                       17.895169469f, 78.757757664f, 67.187563600f);
    const V outer = quotient(horner(y, 1.4234372777f, 2.7568153900f, 1.3067284816f, 0.17023821103f), y,  //
                             0.73700164250f, 0.12021132975f);
    return blend(central, middle, outer);
  } else {
    const V middle =
        center *
        quotient(horner(x, 3.3871328727963666080, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125,
                        45921.953931549871457, 67265.770927008700853, 33430.575583588128105, 2509.0809287301226727),
                 x,  //
                 42.313330701600911252, 687.18700749205790830, 5394.1960214247511077, 21213.794301586595867,
                 39307.895800092710610, 28729.085735721942674, 5226.4952788528545610);
    const V outer = quotient(
        horner(y, 1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550, 3.64784832476320460504,
               1.27045825245236838258, 0.241780725177450611770, 0.0227238449892691845833, 7.74545014278341407640e-4),
        y,  //
        2.05319162663775882187, 1.67638483018380384940, 0.689767334985100004550, 0.148103976427480074590,
        0.0151986665636164571966, 5.47593808499534494600e-4, 1.05075007164441684324e-9);
    const V far = r - T(5);
    const V farthest =
        quotient(horner(far, 6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580,
                        0.296560571828504891230, 0.0265321895265761230930, 1.24266094738807843860e-3,
                        2.71155556874348757815e-5, 2.01033439929228813265e-7),
                 far,  //
                 0.599832206555887937690, 0.136929880922735805310, 0.0148753612908506148525, 7.86869131145613259100e-4,
                 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15);
    return blend(central, middle, blend(r <= splat<V>(T(5)), outer, farthest));
  }
}

}  // namespace cotangent::formula

#endif
