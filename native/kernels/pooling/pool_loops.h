// The inner loop of max pooling, compiled once per SIMD target.
#ifndef COTANGENT_KERNELS_POOLING_POOL_LOOPS_H
#define COTANGENT_KERNELS_POOLING_POOL_LOOPS_H

#include <stdint.h>

#include "native/kernels/simd.h"

namespace cotangent {

template <class T>
struct PoolLoops {
  // For p < count: best[p] and index[p] become those of x[p stride], whose index is first + p stride, when that is
  // larger, or the first NaN, or index[p] is still negative.
  void (*take_larger)(const T* x, int64_t stride, int64_t count, int32_t first, T* best, int32_t* index);
};

COTANGENT_SIMD_DECLARE(PoolLoops<float> pool_loops_float32())
COTANGENT_SIMD_DECLARE(PoolLoops<double> pool_loops_float64())

}  // namespace cotangent

#endif
