// The loops of the reductions, compiled once per SIMD target. They fill partial results; reduce.cc and arg_reduce.cc
// cut the work.
#ifndef COTANGENT_KERNELS_REDUCE_REDUCE_LOOPS_H
#define COTANGENT_KERNELS_REDUCE_REDUCE_LOOPS_H

#include <stdint.h>

#include "native/kernels/simd.h"

namespace cotangent {

enum class Reduction { kSum, kProduct, kMax, kMin };

// Widest piece of a row that `columns` takes, in elements.
constexpr int64_t kReduceWidth = 512;

// Partial results are of the accumulator type: double for sums and products of float32, else the element type.
struct ReduceLoops {
  // partial[i] = x[i * n] op ... op x[i * n + n - 1] for i < rows. The identity when n is 0.
  void (*rows)(const void* x, int64_t rows, int64_t n, void* partial);
  // partial[w] = x[w] op x[stride + w] op ... op x[(rows - 1) * stride + w] for w < width <= kReduceWidth.
  void (*columns)(const void* x, int64_t rows, int64_t stride, int64_t width, void* partial);
};

// n >= 1 and rows >= 1; rows fit into an int32. NaN wins, then the first of the largest (or smallest).
struct ArgLoops {
  int32_t (*row)(const void* x, int64_t n);
  void (*columns)(const void* x, int64_t rows, int64_t stride, int64_t width, int32_t* index);
};

// Null functions where the dtype has no such reduction (sums of bool). `dtype` is a ct_dtype.
COTANGENT_SIMD_DECLARE(ReduceLoops reduce_loops(Reduction reduction, int32_t dtype))
COTANGENT_SIMD_DECLARE(ArgLoops arg_loops(Reduction reduction, int32_t dtype))

}  // namespace cotangent

#endif
