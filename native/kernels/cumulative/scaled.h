// Products that neither overflow nor underflow on the way: m 2^e, with |m| in [1/2, 1), or 0, infinite or NaN.
#ifndef COTANGENT_KERNELS_CUMULATIVE_SCALED_H
#define COTANGENT_KERNELS_CUMULATIVE_SCALED_H

#include <math.h>

#include "native/backend/cuda/device_code.h"
#include "native/kernels/elementwise/lane.h"

namespace cotangent::cuda {

struct Scaled {
  double m;
  int64_t e;
};

__device__ __forceinline__ Scaled to_scaled(double x) {
  constexpr int kMantissa = 52, kInfinite = 0x7ff, kHalf = 0x3fe;  // exponents as they are stored
  constexpr int64_t kField = int64_t{kInfinite} << kMantissa;
  const bool denormal = fabs(x) < 0x1p-1022;
  const auto bits = formula::reinterpret<int64_t>(denormal ? x * 0x1p54 : x);
  const int exponent = static_cast<int>(bits >> kMantissa) & kInfinite;
  const bool fixed = exponent == 0 || exponent == kInfinite;  // 0, infinite or NaN
  const auto m = formula::reinterpret<double>((bits & ~kField) | int64_t{kHalf} << kMantissa);
  return {fixed ? x : m, fixed ? 0 : exponent - (denormal ? kHalf + 54 : kHalf)};
}

__device__ __forceinline__ Scaled multiply(Scaled a, Scaled b) {
  const double m = a.m * b.m;
  const bool small = fabs(m) < 0.5;
  return {small ? m + m : m, a.e + b.e - (small ? 1 : 0)};
}

__device__ __forceinline__ double power_of_two(int e) {
  return formula::reinterpret<double>(static_cast<int64_t>(e + 1023) << 52);
}

// x m 2^e. Beyond 2^3000 nothing changes any more. Four steps, so that each has a factor in range: only the last one
// can round, where x m is near 1.
__device__ __forceinline__ double times(double x, Scaled s) {
  const int e = static_cast<int>(s.e > 3000 ? 3000 : s.e < -3000 ? -3000 : s.e), quarter = e / 4;
  const double step = power_of_two(quarter);
  return x * s.m * step * step * step * power_of_two(e - 3 * quarter);
}

}  // namespace cotangent::cuda

#endif
