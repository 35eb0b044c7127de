// What cholesky.cc asks of a SIMD target: many small matrices at once, one in every lane of the vectors.
#ifndef COTANGENT_KERNELS_LINALG_CHOLESKY_LOOPS_H
#define COTANGENT_KERNELS_LINALG_CHOLESKY_LOOPS_H

#include <stdint.h>

#include "native/kernels/simd.h"

namespace cotangent {

template <class T>
struct CholeskyLoops {
  int lanes;
  // Elements of workspace for matrices of order n.
  int64_t (*room)(int64_t n);
  // L of `count` <= lanes matrices [n, n] that lie behind each other, row-major, the upper part zero; l may be a. Only
  // the lower triangles of a are read. From a pivot that is not positive on, a diagonal has NaN, zero or infinity
  // there.
  void (*factor)(const T* a, T* l, int64_t n, int count, T* workspace);
};

COTANGENT_SIMD_DECLARE(CholeskyLoops<float> cholesky_loops_float32())
COTANGENT_SIMD_DECLARE(CholeskyLoops<double> cholesky_loops_float64())

}  // namespace cotangent

#endif
