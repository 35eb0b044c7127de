// What the dense factorisations on a GPU share: kernels that bring the matrices of a batch from row-major order to what
// cuSOLVER reads and back. What fails becomes NaN on the way back: a factor of NaN.
#ifndef COTANGENT_KERNELS_LINALG_MATRICES_CUDA_H
#define COTANGENT_KERNELS_LINALG_MATRICES_CUDA_H

#include <limits>

#include "native/backend/cuda/kernel.h"
#include "native/backend/cuda/workspace.h"
#include "native/kernels/linalg/shapes.h"

namespace cotangent::cuda {

template <class T>
constexpr T kNan = std::numeric_limits<T>::quiet_NaN();

// What elements are multiplied with: factor[matrix * matrix_stride + row * row_stride + column * column_stride], of the
// matrix that is read. A factor of 0 gives 0, whatever the element.
template <class T>
struct Factors {
  const T* data = nullptr;  // null: 1
  int64_t matrix_stride = 0, row_stride = 0, column_stride = 0;
};

// Stored rows of `row` elements, matrices of a batch `stride` apart.
struct Placement {
  int64_t row, stride;
};

// to (transposed: [columns, rows]) = from [rows, columns] times factors.
template <class T>
ct_code launch_arrange(Device& device, bool transpose, int64_t batch, int64_t rows, int64_t columns, const T* from,
                       Placement from_at, T* to, Placement to_at, Factors<T> factors, ct_error* error);

// For every matrix of `count` elements: scale = safe_scale (1 unless `scaled`) and info = 0 where all are finite, else
// 0 and 1. `largest` holds `batch` elements for itself.
template <class T>
ct_code launch_condition(Device& device, int64_t batch, int64_t count, const T* a, bool scaled, T* scale, int* info,
                         T* largest, ct_error* error);

// (A + A^T) / 2 of matrices [n, n], times a factor a matrix (as in Factors; null: 1). a is not to.
template <class T>
ct_code launch_symmetric_part(Device& device, int64_t batch, int64_t n, const T* a, T* to, const T* factors,
                              ct_error* error);

// L below and on the diagonal, 0 above; l may be a.
template <class T>
ct_code launch_lower(Device& device, int64_t batch, int64_t n, const T* a, T* l, ct_error* error);

// The pointers a + i a_stride and b + i b_stride, i < batch; b may be null.
template <class T>
ct_code launch_pointers(Device& device, int64_t batch, const T* a, int64_t a_stride, const T** a_pointers, const T* b,
                        int64_t b_stride, const T** b_pointers, ct_error* error);

// factor = orientation (orientation.h) of `vectors` vectors of `length` a matrix, or NaN where info is not 0.
// Component i of vector j is at v[matrix * stride + j * vector_stride + i * component_stride].
template <class T>
ct_code launch_orientation(Device& device, int64_t batch, int64_t vectors, int64_t length, const T* v, int64_t stride,
                           int64_t vector_stride, int64_t component_stride, const int* info, T* factors,
                           ct_error* error);

// values = found / scale and, where `found_info` (null: none) or `info` is not 0, NaN; info = the one that is not 0.
template <class T>
ct_code launch_values(Device& device, int64_t batch, int64_t count, const T* found, const T* scale,
                      const int* found_info, const int* info, T* values, int* result_info, ct_error* error);

}  // namespace cotangent::cuda

#endif
