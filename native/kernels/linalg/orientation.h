// Eigenvectors and singular vectors are unique up to their sign only. This picks one that does not depend on the
// algorithm.
#ifndef COTANGENT_KERNELS_LINALG_ORIENTATION_H
#define COTANGENT_KERNELS_LINALG_ORIENTATION_H

#include <cmath>
#include <cstdint>

#include "native/kernels/linalg/spectrum.h"

namespace cotangent::cpu {

// -1 where the first component that is nearly the largest in magnitude is negative, else 1.
template <class T>
T orientation(const T* vector, int64_t n, int64_t stride) {
  T largest = 0;
  for (int64_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(vector[i * stride]));
  for (int64_t i = 0; i < n; ++i) {
    if (std::abs(vector[i * stride]) >= largest * T(kNearlyLargest)) return vector[i * stride] < 0 ? T(-1) : T(1);
  }
  return 1;
}

template <class T>
void scale(T* vector, int64_t n, int64_t stride, T factor) {
  for (int64_t i = 0; i < n; ++i) vector[i * stride] *= factor;
}

// Columns of a column-major matrix.
template <class T>
void orient_columns(T* matrix, int64_t rows, int64_t columns, int64_t ld) {
  for (int64_t c = 0; c < columns; ++c) {
    if (orientation(matrix + c * ld, rows, 1) < 0) scale(matrix + c * ld, rows, 1, T(-1));
  }
}

}  // namespace cotangent::cpu

#endif
