// The inner product loop, compiled once per SIMD target.
#ifndef COTANGENT_KERNELS_MATMUL_DOT_H
#define COTANGENT_KERNELS_MATMUL_DOT_H

#include <stdint.h>

#include "native/kernels/simd.h"

namespace cotangent {

struct DotLoops {
  double (*float32)(const float* x, const float* y, int64_t n);
  double (*float64)(const double* x, const double* y, int64_t n);
};

COTANGENT_SIMD_DECLARE(DotLoops dot_loops())

}  // namespace cotangent

#endif
