// The entry points of cuBLAS that are in use, on the host's BLAS: column-major, on the handle's stream.
#ifndef COTANGENT_EMULATION_CUBLAS_V2_H
#define COTANGENT_EMULATION_CUBLAS_V2_H

#include <cstdint>

#include "cuda_runtime_api.h"

enum cublasStatus_t {
  CUBLAS_STATUS_SUCCESS = 0,
  CUBLAS_STATUS_NOT_INITIALIZED = 1,
  CUBLAS_STATUS_ALLOC_FAILED = 3,
  CUBLAS_STATUS_INVALID_VALUE = 7,
  CUBLAS_STATUS_ARCH_MISMATCH = 8,
  CUBLAS_STATUS_MAPPING_ERROR = 11,
  CUBLAS_STATUS_EXECUTION_FAILED = 13,
  CUBLAS_STATUS_INTERNAL_ERROR = 14,
  CUBLAS_STATUS_NOT_SUPPORTED = 15,
  CUBLAS_STATUS_LICENSE_ERROR = 16
};
enum cublasFillMode_t { CUBLAS_FILL_MODE_LOWER = 0, CUBLAS_FILL_MODE_UPPER = 1, CUBLAS_FILL_MODE_FULL = 2 };
enum cublasDiagType_t { CUBLAS_DIAG_NON_UNIT = 0, CUBLAS_DIAG_UNIT = 1 };
enum cublasSideMode_t { CUBLAS_SIDE_LEFT = 0, CUBLAS_SIDE_RIGHT = 1 };
enum cublasOperation_t { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1, CUBLAS_OP_C = 2 };
enum cublasPointerMode_t { CUBLAS_POINTER_MODE_HOST = 0, CUBLAS_POINTER_MODE_DEVICE = 1 };
enum cublasAtomicsMode_t { CUBLAS_ATOMICS_NOT_ALLOWED = 0, CUBLAS_ATOMICS_ALLOWED = 1 };
enum cublasMath_t {
  CUBLAS_DEFAULT_MATH = 0,
  CUBLAS_TENSOR_OP_MATH = 1,
  CUBLAS_PEDANTIC_MATH = 2,
  CUBLAS_TF32_TENSOR_OP_MATH = 3
};

using cublasHandle_t = struct cublasContext*;

extern "C" {
cublasStatus_t cublasCreate(cublasHandle_t* handle);
cublasStatus_t cublasDestroy(cublasHandle_t handle);
cublasStatus_t cublasGetVersion(cublasHandle_t handle, int* version);
cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream);
cublasStatus_t cublasGetStream(cublasHandle_t handle, cudaStream_t* stream);
cublasStatus_t cublasSetPointerMode(cublasHandle_t handle, cublasPointerMode_t mode);
cublasStatus_t cublasGetPointerMode(cublasHandle_t handle, cublasPointerMode_t* mode);
cublasStatus_t cublasSetAtomicsMode(cublasHandle_t handle, cublasAtomicsMode_t mode);
cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode);
cublasStatus_t cublasGetMathMode(cublasHandle_t handle, cublasMath_t* mode);
cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void* workspace, size_t bytes);
const char* cublasGetStatusName(cublasStatus_t status);
const char* cublasGetStatusString(cublasStatus_t status);

// For type T with letter L, and sizes N: int, or int64_t in the entry points that end in _64.
#define COTANGENT_CUBLAS(L, T, N, suffix)                                                                            \
  cublasStatus_t cublas##L##gemm##suffix(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb,  \
                                         N m, N n, N k, const T* alpha, const T* a, N lda, const T* b, N ldb,        \
                                         const T* beta, T* c, N ldc);                                                \
  cublasStatus_t cublas##L##gemmStridedBatched##suffix(                                                              \
      cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, N m, N n, N k, const T* alpha,      \
      const T* a, N lda, long long stride_a, const T* b, N ldb, long long stride_b, const T* beta, T* c, N ldc,      \
      long long stride_c, N batch);                                                                                  \
  cublasStatus_t cublas##L##gemmBatched##suffix(                                                                     \
      cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, N m, N n, N k, const T* alpha,      \
      const T* const a[], N lda, const T* const b[], N ldb, const T* beta, T* const c[], N ldc, N batch);            \
  cublasStatus_t cublas##L##trsm##suffix(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo,        \
                                         cublasOperation_t trans, cublasDiagType_t diag, N m, N n, const T* alpha,   \
                                         const T* a, N lda, T* b, N ldb);                                            \
  cublasStatus_t cublas##L##trsmBatched##suffix(                                                                     \
      cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo, cublasOperation_t trans,                  \
      cublasDiagType_t diag, N m, N n, const T* alpha, const T* const a[], N lda, T* const b[], N ldb, N batch);     \
  cublasStatus_t cublas##L##syrk##suffix(cublasHandle_t handle, cublasFillMode_t uplo, cublasOperation_t trans, N n, \
                                         N k, const T* alpha, const T* a, N lda, const T* beta, T* c, N ldc);        \
  cublasStatus_t cublas##L##geam##suffix(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb,  \
                                         N m, N n, const T* alpha, const T* a, N lda, const T* beta, const T* b,     \
                                         N ldb, T* c, N ldc);                                                        \
  cublasStatus_t cublas##L##dgmm##suffix(cublasHandle_t handle, cublasSideMode_t side, N m, N n, const T* a, N lda,  \
                                         const T* x, N incx, T* c, N ldc);                                           \
  cublasStatus_t cublas##L##gemv##suffix(cublasHandle_t handle, cublasOperation_t trans, N m, N n, const T* alpha,   \
                                         const T* a, N lda, const T* x, N incx, const T* beta, T* y, N incy);        \
  cublasStatus_t cublas##L##dot##suffix(cublasHandle_t handle, N n, const T* x, N incx, const T* y, N incy,          \
                                        T* result);                                                                  \
  cublasStatus_t cublas##L##nrm2##suffix(cublasHandle_t handle, N n, const T* x, N incx, T* result);                 \
  cublasStatus_t cublas##L##axpy##suffix(cublasHandle_t handle, N n, const T* alpha, const T* x, N incx, T* y,       \
                                         N incy);                                                                    \
  cublasStatus_t cublas##L##scal##suffix(cublasHandle_t handle, N n, const T* alpha, T* x, N incx);

COTANGENT_CUBLAS(S, float, int, )
COTANGENT_CUBLAS(D, double, int, )
COTANGENT_CUBLAS(S, float, int64_t, _64)
COTANGENT_CUBLAS(D, double, int64_t, _64)
#undef COTANGENT_CUBLAS

// Pivots [n, batch] or null for none, infos [batch]: device memory. The solve's info is on the host.
#define COTANGENT_CUBLAS_LU(L, T)                                                                                      \
  cublasStatus_t cublas##L##getrfBatched(cublasHandle_t handle, int n, T* const a[], int lda, int* pivots, int* infos, \
                                         int batch);                                                                   \
  cublasStatus_t cublas##L##getrsBatched(cublasHandle_t handle, cublasOperation_t trans, int n, int columns,           \
                                         const T* const a[], int lda, const int* pivots, T* const b[], int ldb,        \
                                         int* info, int batch);
COTANGENT_CUBLAS_LU(S, float)
COTANGENT_CUBLAS_LU(D, double)
#undef COTANGENT_CUBLAS_LU
}

#endif
