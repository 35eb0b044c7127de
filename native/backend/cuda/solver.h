// The cuSOLVER entry points in use, overloaded by type, column-major. Calls are queued on the device's stream; what the
// library needs the host for in between (some of its iterations) it waits for itself. `info` and `work` are device
// memory; the `..._size` functions give the elements of `work`.
#ifndef COTANGENT_BACKEND_CUDA_SOLVER_H
#define COTANGENT_BACKEND_CUDA_SOLVER_H

#include "native/backend/cuda/device.h"

namespace cotangent::cuda::solver {

// The handle, for sizes in `prepare`. Throws KernelError.
inline cusolverDnHandle_t required_handle(Device& device) {
  ct_error error{};
  cusolverDnHandle_t handle = nullptr;
  if (device.solver(&handle, &error) != CT_OK) raise(error);
  return handle;
}

#define COTANGENT_CUSOLVER_TYPE(T, X)                                                                                  \
  inline cusolverStatus_t potrf_size(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, T* a, int* size) {       \
    return cusolverDn##X##potrf_bufferSize(handle, uplo, n, a, n > 0 ? n : 1, size);                                   \
  }                                                                                                                    \
  inline cusolverStatus_t potrf(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, T* a, T* work, int size,      \
                                int* info) {                                                                           \
    return cusolverDn##X##potrf(handle, uplo, n, a, n, work, size, info);                                              \
  }                                                                                                                    \
  inline cusolverStatus_t potrf_batched(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, T** a, int* info,     \
                                        int batch) {                                                                   \
    return cusolverDn##X##potrfBatched(handle, uplo, n, a, n, info, batch);                                            \
  }                                                                                                                    \
  inline cusolverStatus_t potri_size(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, T* a, int* size) {       \
    return cusolverDn##X##potri_bufferSize(handle, uplo, n, a, n, size);                                               \
  }                                                                                                                    \
  inline cusolverStatus_t potri(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, T* a, T* work, int size,      \
                                int* info) {                                                                           \
    return cusolverDn##X##potri(handle, uplo, n, a, n, work, size, info);                                              \
  }                                                                                                                    \
  inline cusolverStatus_t getrf_size(cusolverDnHandle_t handle, int n, T* a, int* size) {                              \
    return cusolverDn##X##getrf_bufferSize(handle, n, n, a, n, size);                                                  \
  }                                                                                                                    \
  inline cusolverStatus_t getrf(cusolverDnHandle_t handle, int n, T* a, T* work, int* pivots, int* info) {             \
    return cusolverDn##X##getrf(handle, n, n, a, n, work, pivots, info);                                               \
  }                                                                                                                    \
  inline cusolverStatus_t geqrf_size(cusolverDnHandle_t handle, int m, int n, T* a, int* size) {                       \
    return cusolverDn##X##geqrf_bufferSize(handle, m, n, a, m, size);                                                  \
  }                                                                                                                    \
  inline cusolverStatus_t geqrf(cusolverDnHandle_t handle, int m, int n, T* a, T* tau, T* work, int size, int* info) { \
    return cusolverDn##X##geqrf(handle, m, n, a, m, tau, work, size, info);                                            \
  }                                                                                                                    \
  inline cusolverStatus_t orgqr_size(cusolverDnHandle_t handle, int m, int k, const T* a, const T* tau, int* size) {   \
    return cusolverDn##X##orgqr_bufferSize(handle, m, k, k, a, m, tau, size);                                          \
  }                                                                                                                    \
  inline cusolverStatus_t orgqr(cusolverDnHandle_t handle, int m, int k, T* a, const T* tau, T* work, int size,        \
                                int* info) {                                                                           \
    return cusolverDn##X##orgqr(handle, m, k, k, a, m, tau, work, size, info);                                         \
  }                                                                                                                    \
  inline cusolverStatus_t syevd_size(cusolverDnHandle_t handle, cusolverEigMode_t job, int n, const T* a, const T* w,  \
                                     int* size) {                                                                      \
    return cusolverDn##X##syevd_bufferSize(handle, job, CUBLAS_FILL_MODE_LOWER, n, a, n, w, size);                     \
  }                                                                                                                    \
  inline cusolverStatus_t syevd(cusolverDnHandle_t handle, cusolverEigMode_t job, int n, T* a, T* w, T* work,          \
                                int size, int* info) {                                                                 \
    return cusolverDn##X##syevd(handle, job, CUBLAS_FILL_MODE_LOWER, n, a, n, w, work, size, info);                    \
  }                                                                                                                    \
  inline cusolverStatus_t syevj_batched_size(cusolverDnHandle_t handle, cusolverEigMode_t job, int n, const T* a,      \
                                             const T* w, int* size, syevjInfo_t settings, int batch) {                 \
    return cusolverDn##X##syevjBatched_bufferSize(handle, job, CUBLAS_FILL_MODE_LOWER, n, a, n, w, size, settings,     \
                                                  batch);                                                              \
  }                                                                                                                    \
  inline cusolverStatus_t syevj_batched(cusolverDnHandle_t handle, cusolverEigMode_t job, int n, T* a, T* w, T* work,  \
                                        int size, int* info, syevjInfo_t settings, int batch) {                        \
    return cusolverDn##X##syevjBatched(handle, job, CUBLAS_FILL_MODE_LOWER, n, a, n, w, work, size, info, settings,    \
                                       batch);                                                                         \
  }                                                                                                                    \
  /* m >= n. With job 'S' the reduced vectors: U [m, n], V^T [n, n]. */                                                \
  inline cusolverStatus_t gesvd_size(cusolverDnHandle_t handle, int m, int n, const T*, int* size) {                   \
    return cusolverDn##X##gesvd_bufferSize(handle, m, n, size);                                                        \
  }                                                                                                                    \
  inline cusolverStatus_t gesvd(cusolverDnHandle_t handle, signed char job, int m, int n, T* a, T* s, T* u, T* vt,     \
                                T* work, int size, int* info) {                                                        \
    return cusolverDn##X##gesvd(handle, job, job, m, n, a, m, s, u, m, vt, n, work, size, nullptr, info);              \
  }                                                                                                                    \
  /* m, n <= 32. All vectors: U [m, m], V [n, n]. */                                                                   \
  inline cusolverStatus_t gesvdj_batched_size(cusolverDnHandle_t handle, cusolverEigMode_t job, int m, int n,          \
                                              const T* a, int* size, gesvdjInfo_t settings, int batch) {               \
    return cusolverDn##X##gesvdjBatched_bufferSize(handle, job, m, n, a, m, a, a, m, a, n, size, settings, batch);     \
  }                                                                                                                    \
  inline cusolverStatus_t gesvdj_batched(cusolverDnHandle_t handle, cusolverEigMode_t job, int m, int n, T* a, T* s,   \
                                         T* u, T* v, T* work, int size, int* info, gesvdjInfo_t settings, int batch) { \
    return cusolverDn##X##gesvdjBatched(handle, job, m, n, a, m, s, u, m, v, n, work, size, info, settings, batch);    \
  }

COTANGENT_CUSOLVER_TYPE(float, S)
COTANGENT_CUSOLVER_TYPE(double, D)
#undef COTANGENT_CUSOLVER_TYPE

}  // namespace cotangent::cuda::solver

#endif
