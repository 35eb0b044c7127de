// The entry points of cuSOLVER's dense part that are in use, on the host's LAPACK: column-major, on the handle's
// stream. Sizes of workspace are in elements. infos are device memory.
#ifndef COTANGENT_EMULATION_CUSOLVERDN_H
#define COTANGENT_EMULATION_CUSOLVERDN_H

#include "cublas_v2.h"
#include "cuda_runtime_api.h"

enum cusolverStatus_t {
  CUSOLVER_STATUS_SUCCESS = 0,
  CUSOLVER_STATUS_NOT_INITIALIZED = 1,
  CUSOLVER_STATUS_ALLOC_FAILED = 2,
  CUSOLVER_STATUS_INVALID_VALUE = 3,
  CUSOLVER_STATUS_EXECUTION_FAILED = 6,
  CUSOLVER_STATUS_NOT_SUPPORTED = 9
};
enum cusolverEigMode_t { CUSOLVER_EIG_MODE_NOVECTOR = 0, CUSOLVER_EIG_MODE_VECTOR = 1 };

using cusolverDnHandle_t = struct cusolverDnContext*;
using syevjInfo_t = struct syevjInfo*;
using gesvdjInfo_t = struct gesvdjInfo*;

extern "C" {
cusolverStatus_t cusolverDnCreate(cusolverDnHandle_t* handle);
cusolverStatus_t cusolverDnDestroy(cusolverDnHandle_t handle);
cusolverStatus_t cusolverDnSetStream(cusolverDnHandle_t handle, cudaStream_t stream);

// Parameters of the Jacobi methods, as they are made: values sorted. The host's LAPACK has no use for more.
cusolverStatus_t cusolverDnCreateSyevjInfo(syevjInfo_t* info);
cusolverStatus_t cusolverDnDestroySyevjInfo(syevjInfo_t info);
cusolverStatus_t cusolverDnCreateGesvdjInfo(gesvdjInfo_t* info);
cusolverStatus_t cusolverDnDestroyGesvdjInfo(gesvdjInfo_t info);

#define COTANGENT_CUSOLVER(L, T)                                                                                       \
  cusolverStatus_t cusolverDn##L##potrf_bufferSize(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, T* a,      \
                                                   int lda, int* size);                                                \
  cusolverStatus_t cusolverDn##L##potrf(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, T* a, int lda,        \
                                        T* work, int size, int* info);                                                 \
  cusolverStatus_t cusolverDn##L##potrfBatched(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, T* a[],        \
                                               int lda, int* infos, int batch);                                        \
  cusolverStatus_t cusolverDn##L##potri_bufferSize(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, T* a,      \
                                                   int lda, int* size);                                                \
  cusolverStatus_t cusolverDn##L##potri(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, T* a, int lda,        \
                                        T* work, int size, int* info);                                                 \
  cusolverStatus_t cusolverDn##L##getrf_bufferSize(cusolverDnHandle_t handle, int m, int n, T* a, int lda, int* size); \
  cusolverStatus_t cusolverDn##L##getrf(cusolverDnHandle_t handle, int m, int n, T* a, int lda, T* work, int* pivots,  \
                                        int* info);                                                                    \
  cusolverStatus_t cusolverDn##L##geqrf_bufferSize(cusolverDnHandle_t handle, int m, int n, T* a, int lda, int* size); \
  cusolverStatus_t cusolverDn##L##geqrf(cusolverDnHandle_t handle, int m, int n, T* a, int lda, T* tau, T* work,       \
                                        int size, int* info);                                                          \
  cusolverStatus_t cusolverDn##L##orgqr_bufferSize(cusolverDnHandle_t handle, int m, int n, int k, const T* a,         \
                                                   int lda, const T* tau, int* size);                                  \
  cusolverStatus_t cusolverDn##L##orgqr(cusolverDnHandle_t handle, int m, int n, int k, T* a, int lda, const T* tau,   \
                                        T* work, int size, int* info);                                                 \
  cusolverStatus_t cusolverDn##L##syevd_bufferSize(cusolverDnHandle_t handle, cusolverEigMode_t job,                   \
                                                   cublasFillMode_t uplo, int n, const T* a, int lda, const T* w,      \
                                                   int* size);                                                         \
  cusolverStatus_t cusolverDn##L##syevd(cusolverDnHandle_t handle, cusolverEigMode_t job, cublasFillMode_t uplo,       \
                                        int n, T* a, int lda, T* w, T* work, int size, int* info);                     \
  cusolverStatus_t cusolverDn##L##syevjBatched_bufferSize(cusolverDnHandle_t handle, cusolverEigMode_t job,            \
                                                          cublasFillMode_t uplo, int n, const T* a, int lda,           \
                                                          const T* w, int* size, syevjInfo_t parameters, int batch);   \
  cusolverStatus_t cusolverDn##L##syevjBatched(cusolverDnHandle_t handle, cusolverEigMode_t job,                       \
                                               cublasFillMode_t uplo, int n, T* a, int lda, T* w, T* work, int size,   \
                                               int* infos, syevjInfo_t parameters, int batch);                         \
  cusolverStatus_t cusolverDn##L##gesvd_bufferSize(cusolverDnHandle_t handle, int m, int n, int* size);                \
  cusolverStatus_t cusolverDn##L##gesvd(cusolverDnHandle_t handle, signed char job_u, signed char job_vt, int m,       \
                                        int n, T* a, int lda, T* s, T* u, int ldu, T* vt, int ldvt, T* work, int size, \
                                        T* real_work, int* info);                                                      \
  cusolverStatus_t cusolverDn##L##gesvdjBatched_bufferSize(                                                            \
      cusolverDnHandle_t handle, cusolverEigMode_t job, int m, int n, const T* a, int lda, const T* s, const T* u,     \
      int ldu, const T* v, int ldv, int* size, gesvdjInfo_t parameters, int batch);                                    \
  cusolverStatus_t cusolverDn##L##gesvdjBatched(cusolverDnHandle_t handle, cusolverEigMode_t job, int m, int n, T* a,  \
                                                int lda, T* s, T* u, int ldu, T* v, int ldv, T* work, int size,        \
                                                int* infos, gesvdjInfo_t parameters, int batch);
COTANGENT_CUSOLVER(S, float)
COTANGENT_CUSOLVER(D, double)
#undef COTANGENT_CUSOLVER
}

#endif
