// Products of matrices on one thread, for a SIMD target: C = alpha A B + beta C, float32 or float64.
//
// An element of C is one chain of fused multiplications and additions in the order of k, in blocks whose length depends
// on k alone: its bits depend neither on the size of C nor on where in C it lies, so a product may be cut anywhere.
#ifndef COTANGENT_KERNELS_MATMUL_GEMM_LOOPS_H
#define COTANGENT_KERNELS_MATMUL_GEMM_LOOPS_H

#include <stdint.h>

#include "native/kernels/simd.h"

namespace cotangent {

// A [m, k], B [k, n] as they lie in memory; C [m, n] row-major, rows ldc apart. C is not read when beta is 0.
template <class T>
struct GemmCall {
  int64_t m, n, k;
  const T* a;
  int64_t lda;
  bool transpose_a;  // element (i, p) is a[p lda + i], else a[i lda + p]
  const T* b;
  int64_t ldb;
  bool transpose_b;  // element (p, j) is b[j ldb + p], else b[p ldb + j]
  T alpha, beta;
  T* c;
  int64_t ldc;
};

template <class T>
struct GemmLoops {
  int rows, columns;  // of the tile that is kept in registers: the best cuts are at multiples
  // Elements of workspace for products of at most these sizes.
  int64_t (*room)(int64_t m, int64_t n, int64_t k);
  void (*multiply)(const GemmCall<T>& call, T* workspace);  // k > 0; workspace aligned to 64 bytes
};

COTANGENT_SIMD_DECLARE(GemmLoops<float> gemm_loops_float32())
COTANGENT_SIMD_DECLARE(GemmLoops<double> gemm_loops_float64())

}  // namespace cotangent

#endif
