// The cuBLAS entry points in use, overloaded by type. Everything is column-major here, except `gemm`. Calls are queued
// on the device's stream. float32 is computed in float32: the handle's default mode does not round to TF32.
#ifndef COTANGENT_BACKEND_CUDA_BLAS_H
#define COTANGENT_BACKEND_CUDA_BLAS_H

#include <algorithm>

#include "native/backend/cuda/device.h"

namespace cotangent::cuda::blas {

// A row-major matrix of a batch: the length of a stored row, and how far apart the batch's matrices are (0: one for
// all).
template <class T>
struct Operand {
  T* data;
  int row;
  int64_t stride = 0;
  bool transpose = false;
};

#define COTANGENT_CUBLAS_TYPE(T, X)                                                                                    \
  inline cublasStatus_t gemm_strided(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m,     \
                                     int n, int k, const T* alpha, const T* a, int lda, int64_t stride_a, const T* b,  \
                                     int ldb, int64_t stride_b, const T* beta, T* c, int ldc, int64_t stride_c,        \
                                     int batch) {                                                                      \
    if (batch == 1) return cublas##X##gemm(handle, op_a, op_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);          \
    return cublas##X##gemmStridedBatched(handle, op_a, op_b, m, n, k, alpha, a, lda, stride_a, b, ldb, stride_b, beta, \
                                         c, ldc, stride_c, batch);                                                     \
  }                                                                                                                    \
  inline cublasStatus_t gemv(cublasHandle_t handle, cublasOperation_t op, int m, int n, const T* alpha, const T* a,    \
                             int lda, const T* x, const T* beta, T* y) {                                               \
    return cublas##X##gemv(handle, op, m, n, alpha, a, lda, x, 1, beta, y, 1);                                         \
  }                                                                                                                    \
  inline cublasStatus_t trsm(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo,                      \
                             cublasOperation_t op, cublasDiagType_t diagonal, int m, int n, const T* a, int lda, T* b, \
                             int ldb) {                                                                                \
    const T one = 1;                                                                                                   \
    return cublas##X##trsm(handle, side, uplo, op, diagonal, m, n, &one, a, lda, b, ldb);                              \
  }                                                                                                                    \
  /* a, b: device memory that holds `batch` pointers each. */                                                          \
  inline cublasStatus_t trsm_batched(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo,              \
                                     cublasOperation_t op, cublasDiagType_t diagonal, int m, int n, const T* const* a, \
                                     int lda, T* const* b, int ldb, int batch) {                                       \
    const T one = 1;                                                                                                   \
    return cublas##X##trsmBatched(handle, side, uplo, op, diagonal, m, n, &one, a, lda, b, ldb, batch);                \
  }                                                                                                                    \
  /* Pivots [batch, n], counted from 1. */                                                                             \
  inline cublasStatus_t getrf_batched(cublasHandle_t handle, int n, T* const* a, int lda, int* pivots, int* info,      \
                                      int batch) {                                                                     \
    return cublas##X##getrfBatched(handle, n, a, lda, pivots, info, batch);                                            \
  }

COTANGENT_CUBLAS_TYPE(float, S)
COTANGENT_CUBLAS_TYPE(double, D)
#undef COTANGENT_CUBLAS_TYPE

// C = alpha op(A) op(B) + beta C for `batch` triples; op(A) [m, k], op(B) [k, n], row-major: cuBLAS computes the
// transpose of it all. Nothing is read of C when beta is 0. m, n, k > 0.
template <class T>
ct_code gemm(Device& device, int64_t batch, int m, int n, int k, T alpha, Operand<const T> a, Operand<const T> b,
             T beta, Operand<T> c, ct_error* error) {
  constexpr int64_t kMost = 65535;  // matrices a call: the last dimension of a grid
  cublasHandle_t handle = nullptr;
  if (const ct_code code = device.blas(&handle, error); code != CT_OK) return code;
  const auto op = [](bool transpose) { return transpose ? CUBLAS_OP_T : CUBLAS_OP_N; };
  for (int64_t first = 0; first < batch; first += kMost) {
    const int count = static_cast<int>(std::min(kMost, batch - first));
    const ct_code code = check(gemm_strided(handle, op(b.transpose), op(a.transpose), n, m, k, &alpha,
                                            b.data + first * b.stride, b.row, b.stride, a.data + first * a.stride,
                                            a.row, a.stride, &beta, c.data + first * c.stride, c.row, c.stride, count),
                               error, "cublasGemm");
    if (code != CT_OK) return code;
  }
  return CT_OK;
}

}  // namespace cotangent::cuda::blas

#endif
