// What all devices do alike around a decomposition: how matrices are scaled before it, which singular values and
// eigenvalues count as zero, what becomes of the others, and which way vectors point.
#ifndef COTANGENT_KERNELS_LINALG_SPECTRUM_H
#define COTANGENT_KERNELS_LINALG_SPECTRUM_H

#include <cmath>
#include <limits>

#include "native/kernels/linalg/divided_difference.h"

namespace cotangent {

// A power of two that brings numbers of this largest magnitude near 1 when their squares could overflow or underflow;
// else 1.
template <class T>
COTANGENT_FN T safe_scale(T largest) {
  constexpr int edge = std::numeric_limits<T>::max_exponent / 4;
  const int exponent = largest > 0 ? std::ilogb(largest) : 0;
  return exponent > -edge && exponent < edge ? T(1) : std::ldexp(T(1), -exponent);
}

// Of two components of an eigenvector or singular vector, the first that is at least so much of the largest in
// magnitude decides its sign: nearly, so that vectors with several components of one magnitude do not turn with the
// rounding.
constexpr double kNearlyLargest = 0.9;

// Eigenvalues within n eps of zero, relative to the largest, have no correct digit: they are zero.
COTANGENT_FN double clean_eigenvalue(double w, double largest, int n, double epsilon) {
  return std::fabs(w) <= largest * n * epsilon ? 0 : w;
}

// What singularFunction, or with `inverse` pseudoInverse, makes of the singular value s of a matrix [m, n]. In the
// first, those within (m + n) eps of zero, relative to the largest, are zero: they have no correct digit, and a
// function that jumps at zero would take them at their word. NaN stays NaN.
COTANGENT_FN double singular_image(bool inverse, SpectralFunction function, double tolerance, double s, double largest,
                                   double noise) {
  if (inverse) return s <= tolerance * largest ? 0 : 1 / s;
  const double value = s <= noise * largest ? 0 : s;
  return divided_difference<1>(function, &value);
}

}  // namespace cotangent

#endif
