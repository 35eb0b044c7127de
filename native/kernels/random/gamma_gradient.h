// dz/da of a gamma variable z of shape a whose probability F(a, z) = P(variable <= z) is held: -(dF/da) / (dF/dz), the
// implicit reparameterisation of M. Figurnov, S. Mohamed and A. Mnih, "Implicit reparameterization gradients", NeurIPS
// 2018, section 4. Three expansions of F, each differentiated term by term, in double; the density cancels in all of
// them, so that nothing underflows in the tails. With l = log z - digamma(a):
//
//   z <= a + 1    F = z^a e^-z / Gamma(a + 1) S, S = sum of t_n, t_n = z^n / ((a + 1) .. (a + n)) (DLMF 8.7.1)
//                 dz/da = z/a (T - (l - 1/a) S), T = sum of t_n (1/(a + 1) + .. + 1/(a + n))
//   z > a + 1     1 - F = z^a e^-z / Gamma(a) K, K a continued fraction (DLMF 8.9.2)
//                 dz/da = z K (l + d log K / da)
//   a > 10^4      z as a series in a^(-1/2) whose coefficients are polynomials of the normal quantile x of F
//                 (Cornish-Fisher; Abramowitz and Stegun, 26.2.49): solved for x, then differentiated in a
//
// Relative error below 1e-12 for a in [1e-3, 1e6] and probabilities in [1e-15, 1 - 1e-15]
// (test/oracles/random/gamma.json).
#ifndef COTANGENT_KERNELS_RANDOM_GAMMA_GRADIENT_H
#define COTANGENT_KERNELS_RANDOM_GAMMA_GRADIENT_H

#include <math.h>

#include "native/kernels/elementwise/gamma.h"

namespace cotangent::random {

constexpr double kNormalFrom = 1e4;  // shapes from which the expansion in the normal quantile serves
constexpr double kNormalReach = 12;  // deviations within which it does
constexpr int kMostTerms = 1 << 20;  // never reached by variables that a generator can draw

// log z - digamma(a), without cancellation for large z and a.
COTANGENT_FN double log_excess(double a, double z) {
  if (a < 16) return ::log(z) - formula::digamma(a);
  // log a - digamma(a) by its asymptotic series (Abramowitz and Stegun, 6.3.18).
  const double w = 1 / (a * a);
  const double rest = 1 / (2 * a) + w * (1.0 / 12 - w * (1.0 / 120 - w * (1.0 / 252 - w * (1.0 / 240 - w / 132))));
  return ::log1p((z - a) / a) + rest;
}

COTANGENT_FN double gradient_by_series(double a, double z) {
  double term = 1, harmonic = 0, sum = 1, weighted = 0;
  for (int n = 1; n < kMostTerms; ++n) {
    term *= z / (a + n);
    harmonic += 1 / (a + n);
    sum += term;
    weighted += term * harmonic;
    if (term * harmonic <= weighted * 1e-17 && term <= sum * 1e-17) break;
  }
  return z / a * (weighted - (log_excess(a, z) - 1 / a) * sum);
}

// Lentz's evaluation: K is the product of all C_i D_i, and d log K the sum of dC_i / C_i + dD_i / D_i.
COTANGENT_FN double gradient_by_fraction(double a, double z) {
  double b = z + 1 - a, d = 1 / b, c = 0, slope_c = 0, slope_d = d * d;
  double fraction = d, log_slope = d;
  for (int i = 1; i < kMostTerms; ++i) {
    const double numerator = i * (a - i);
    b += 2;
    // The derivatives of b and of the numerator are -1 and i.
    slope_c = i == 1 ? -1 : -1 + (i - numerator * slope_c / c) / c;
    c = i == 1 ? b : b + numerator / c;
    const double previous = d;
    d = 1 / (b + numerator * previous);
    slope_d = -d * d * (-1 + i * previous + numerator * slope_d);
    fraction *= c * d;
    const double change = slope_c / c + slope_d / d;
    log_slope += change;
    if (::fabs(c * d - 1) <= 1e-16 && ::fabs(change) <= 1e-16 * ::fabs(log_slope)) break;
  }
  return z * fraction * (log_excess(a, z) + log_slope);
}

COTANGENT_FN double gradient_by_normal(double a, double z) {
  const double root = ::sqrt(a);
  double x = (z - a) / root;
  const auto polynomials = [&](double (&p)[5], double (&slope)[5]) {
    const double s = x * x;
    p[0] = (s - 1) / 3;
    p[1] = x * (s - 7) / 36;
    p[2] = -((3 * s + 7) * s - 16) / 810;
    p[3] = x * ((9 * s + 256) * s - 433) / 38880;
    p[4] = (((12 * s - 243) * s - 923) * s + 1472) / 204120;
    slope[0] = 2 * x / 3;
    slope[1] = (3 * s - 7) / 36;
    slope[2] = -x * (12 * s + 14) / 810;
    slope[3] = ((45 * s + 768) * s - 433) / 38880;
    slope[4] = x * ((72 * s - 972) * s - 1846) / 204120;
  };
  double p[5], slope[5];
  for (int step = 0; step < 8; ++step) {
    polynomials(p, slope);
    const double value = root * x + p[0] + (p[1] + (p[2] + (p[3] + p[4] / root) / root) / root) / root - (z - a);
    const double derivative =
        root + slope[0] + (slope[1] + (slope[2] + (slope[3] + slope[4] / root) / root) / root) / root;
    const double change = value / derivative;
    x -= change;
    if (::fabs(change) <= 1e-15 * (1 + ::fabs(x))) break;
  }
  polynomials(p, slope);
  return 1 + (x / 2 - (p[1] / 2 + (p[2] + (1.5 * p[3] + 2 * p[4] / root) / root) / root) / a) / root;
}

// NaN where a variable of that shape cannot be z; 0 at z = 0, the limit.
COTANGENT_FN double gamma_shape_gradient(double a, double z) {
  if (!(a > 0) || !(z >= 0) || isinf(a) || isinf(z)) return __builtin_nan("");
  if (z == 0) return 0;
  if (a > kNormalFrom && ::fabs(z - a) < kNormalReach * ::sqrt(a)) return gradient_by_normal(a, z);
  return z <= a + 1 ? gradient_by_series(a, z) : gradient_by_fraction(a, z);
}

}  // namespace cotangent::random

#endif
