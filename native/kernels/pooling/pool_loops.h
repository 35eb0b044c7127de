// The inner loop of max pooling, compiled once per SIMD target.
#ifndef COTANGENT_KERNELS_POOLING_POOL_LOOPS_H
#define COTANGENT_KERNELS_POOLING_POOL_LOOPS_H

#include <stdint.h>

#include "native/kernels/simd.h"

namespace cotangent {

template <class T>
struct PoolLoops {
  // For p < count: best[p] becomes the largest of x[offsets[t] + p stride] over t < taps, or their first NaN, and
  // index[p] the first place in x where it is. `resume`: best and index hold what earlier taps gave. taps >= 1.
  void (*take_largest)(const T* x, const int64_t* offsets, int64_t taps, int64_t stride, int64_t count, bool resume,
                       T* best, int32_t* index);
};

COTANGENT_SIMD_DECLARE(PoolLoops<float> pool_loops_float32())
COTANGENT_SIMD_DECLARE(PoolLoops<double> pool_loops_float64())

}  // namespace cotangent

#endif
