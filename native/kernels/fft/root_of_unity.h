// A root of unity to the last bits, on hosts and devices: arguments are reduced in whole numbers, so no angle is beyond
// pi/4.
#ifndef COTANGENT_KERNELS_FFT_ROOT_OF_UNITY_H
#define COTANGENT_KERNELS_FFT_ROOT_OF_UNITY_H

#include <math.h>
#include <stdint.h>

#include "native/kernels/elementwise/lane.h"

namespace cotangent::fourier {

// exp(-2 pi i m / n), 0 <= m < n < 2^59.
COTANGENT_FN void root_of_unity(int64_t m, int64_t n, double& re, double& im) {
  int64_t eighths = 8 * m;  // the angle is pi/4 eighths / n
  const bool lower = eighths > 4 * n;
  if (lower) eighths = 8 * n - eighths;
  const bool left = eighths > 2 * n;
  if (left) eighths = 4 * n - eighths;
  const bool steep = eighths > n;
  if (steep) eighths = 2 * n - eighths;
  constexpr double kQuarterPi = 0.78539816339744830962;
  const double angle = kQuarterPi * static_cast<double>(eighths) / static_cast<double>(n);
  const double a = ::cos(angle), b = ::sin(angle), c = steep ? b : a, s = steep ? a : b;
  re = left ? -c : c;
  im = lower ? s : -s;
}

}  // namespace cotangent::fourier

#endif
