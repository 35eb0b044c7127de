// Divided differences f[x0, .., xr] of the functions that `spectralFunction` knows, accurate at points that are equal
// or close. In double for both dtypes.
//
// Differences of differences lose digits as points approach each other. So smooth functions of close points are summed
// as f[x0, .., xr] = sum_m t_(r+m) h_m(x0 - c, .., xr - c), where t are the Taylor coefficients at the middle c of the
// points and h_m the complete homogeneous symmetric polynomials (C. de Boor, Divided Differences, Surveys in
// Approximation Theory 1, 2005, section 6), roots have closed forms up to second order, and functions that are linear
// in pieces are exact anyway. At a kink, and where a value jumps, the difference of equal points is that of the flat
// side.
#ifndef COTANGENT_KERNELS_LINALG_DIVIDED_DIFFERENCE_H
#define COTANGENT_KERNELS_LINALG_DIVIDED_DIFFERENCE_H

#include <cmath>

#include "native/kernels/elementwise/lane.h"

namespace cotangent {

// In the order of `spectralFunctions` in lib/core/primitives/lax-linalg.ts.
enum class SpectralFunction { kSqrt, kInverseSqrt, kLog, kExp, kRelu, kSoftThreshold, kSign };
constexpr int kSpectralFunctions = 7;
constexpr int kMaxPoints = 4;  // third derivatives

namespace divided {

COTANGENT_FN double value(SpectralFunction f, double x) {
  switch (f) {
    case SpectralFunction::kSqrt:
      return std::sqrt(x);
    case SpectralFunction::kInverseSqrt:
      return 1 / std::sqrt(x);
    case SpectralFunction::kLog:
      return std::log(x);
    case SpectralFunction::kExp:
      return std::exp(x);
    case SpectralFunction::kRelu:
      return x > 0 ? x : x * 0;
    case SpectralFunction::kSoftThreshold:
      return x > 1 ? x - 1 : x < -1 ? x + 1 : x * 0;
    case SpectralFunction::kSign:
      return x > 0 ? 1 : x < 0 ? -1 : x;
  }
  return 0;
}

// The piece of a piecewise linear function that x lies in.
COTANGENT_FN int piece(SpectralFunction f, double x) {
  const double edge = f == SpectralFunction::kSoftThreshold ? 1 : 0;
  return x > edge ? 1 : x < -edge && f != SpectralFunction::kRelu ? -1 : 0;
}

COTANGENT_FN double slope(SpectralFunction f, int piece) { return f != SpectralFunction::kSign && piece != 0 ? 1 : 0; }

// x[0] >= .. >= x[Count - 1].
template <int Count>
COTANGENT_FN double piecewise(SpectralFunction f, const double* x) {
  if constexpr (Count == 1) {
    return value(f, x[0]);
  } else {
    const int high = piece(f, x[0]), low = piece(f, x[Count - 1]);
    if (high == low) return Count == 2 ? slope(f, high) : 0;
    return (piecewise<Count - 1>(f, x) - piecewise<Count - 1>(f, x + 1)) / (x[0] - x[Count - 1]);
  }
}

// Taylor coefficient t_j = f^(j)(c) / j! times scale^j, where scale is c, or 1 for the exponential.
COTANGENT_FN double first_coefficient(SpectralFunction f, double c, int j) {
  if (f == SpectralFunction::kLog) return (j % 2 ? 1.0 : -1.0) / j;
  double t = value(f, c);
  const double power = f == SpectralFunction::kSqrt ? 0.5 : -0.5;
  for (int k = 0; k < j; ++k) t *= f == SpectralFunction::kExp ? 1.0 / (k + 1) : (power - k) / (k + 1);
  return t;
}

COTANGENT_FN double next_coefficient(SpectralFunction f, double t, int j) {
  switch (f) {
    case SpectralFunction::kLog:
      return -t * j / (j + 1);
    case SpectralFunction::kExp:
      return t / (j + 1);
    default:
      return t * ((f == SpectralFunction::kSqrt ? 0.5 : -0.5) - j) / (j + 1);
  }
}

// Points within an eighth of the middle (within a half for the exponential): 20 terms are beyond double's precision.
template <int Count>
COTANGENT_FN double series(SpectralFunction f, const double* x) {
  constexpr int kTerms = 20, kOrder = Count - 1;
  const double c = (x[0] + x[kOrder]) / 2, scale = f == SpectralFunction::kExp ? 1 : c;
  double h[kTerms] = {1};  // h_m of the points so far
  for (int k = 0; k < Count; ++k) {
    const double d = (x[k] - c) / scale;
    for (int m = 1; m < kTerms; ++m) h[m] += d * h[m - 1];
  }
  double t = first_coefficient(f, c, kOrder), sum = 0;
  for (int m = 0; m < kTerms; ++m) {
    sum += t * h[m];
    t = next_coefficient(f, t, kOrder + m);
  }
  double power = 1;
  for (int k = 0; k < kOrder; ++k) power *= scale;
  return sum / power;
}

template <int Count>
COTANGENT_FN double smooth(SpectralFunction f, const double* x) {
  if constexpr (Count == 1) {
    return value(f, x[0]);
  } else {
    const double spread = x[0] - x[Count - 1], lowest = x[Count - 1];
    if (Count == 2 && f == SpectralFunction::kExp) {
      // From the larger point: from the other, a wide spread would be 0 times infinity.
      return std::exp(x[0]) * (spread > 0 ? -std::expm1(-spread) / spread : 1);
    }
    if (Count == 2 && f == SpectralFunction::kLog && lowest > 0) {
      return spread > 0 ? std::log1p(spread / lowest) / spread : 1 / lowest;
    }
    if constexpr (Count <= 3) {
      const bool inverse = f == SpectralFunction::kInverseSqrt;
      if (inverse || f == SpectralFunction::kSqrt) {
        const double a = std::sqrt(x[0]), b = std::sqrt(x[1]);
        if constexpr (Count == 2) {
          return inverse ? -1 / (a * b * (a + b)) : 1 / (a + b);
        } else {
          const double c = std::sqrt(x[2]), pairs = (a + b) * (b + c) * (a + c);
          return inverse ? (a + b + c) / (a * b * c * pairs) : -1 / pairs;
        }
      }
    }
    if constexpr (Count > 2) {
      const bool close = f == SpectralFunction::kExp ? spread <= 1 : lowest > 0 && spread <= (x[0] + lowest) / 8;
      if (close) return series<Count>(f, x);
    }
    return (smooth<Count - 1>(f, x) - smooth<Count - 1>(f, x + 1)) / spread;
  }
}

}  // namespace divided

// f[points[0], .., points[Count - 1]], 1 <= Count <= kMaxPoints.
template <int Count>
COTANGENT_FN double divided_difference(SpectralFunction f, const double* points) {
  static_assert(Count <= kMaxPoints, "third derivatives");
  double x[Count];
  for (int k = 0; k < Count; ++k) x[k] = points[k];
  for (int last = Count - 1; last > 0; --last) {  // sorted, largest first
    for (int k = 0; k < last; ++k) {
      const double high = x[k] < x[k + 1] ? x[k + 1] : x[k], low = x[k] < x[k + 1] ? x[k] : x[k + 1];
      x[k] = high;
      x[k + 1] = low;
    }
  }
  return f < SpectralFunction::kRelu ? divided::smooth<Count>(f, x) : divided::piecewise<Count>(f, x);
}

}  // namespace cotangent

#endif
