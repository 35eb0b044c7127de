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
  const bool denormal = fabs(x) < 0x1p-1022;
  const auto bits = formula::reinterpret<int64_t>(denormal ? x * 0x1p54 : x);
  const int exponent = static_cast<int>(bits >> kMantissa) & kInfinite;
  if (x == 0 || exponent == kInfinite) return {x, 0};
  constexpr int64_t kField = int64_t{kInfinite} << kMantissa;
  return {formula::reinterpret<double>((bits & ~kField) | int64_t{kHalf} << kMantissa),
          exponent - kHalf - (denormal ? 54 : 0)};
}

__device__ __forceinline__ Scaled multiply(Scaled a, Scaled b) {
  const double m = a.m * b.m;
  const bool small = fabs(m) < 0.5;
  return {small ? m + m : m, a.e + b.e - (small ? 1 : 0)};
}

// x m 2^e. Beyond 2^3000 nothing changes any more.
__device__ __forceinline__ double times(double x, Scaled s) {
  const int64_t e = s.e > 3000 ? 3000 : s.e < -3000 ? -3000 : s.e;
  return ::scalbn(x * s.m, static_cast<int>(e));
}

}  // namespace cotangent::cuda

#endif
