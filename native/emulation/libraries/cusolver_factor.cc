// cuSOLVER: handles, and the factorisations of Cholesky, LU and QR.
#include "native/emulation/libraries/cusolver_handle.h"
#include "native/emulation/libraries/fortran.h"

namespace cotangent::emulation {
namespace {

constexpr cusolverStatus_t kInvalid = CUSOLVER_STATUS_INVALID_VALUE;

template <class T>
cusolverStatus_t potrf(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, T* a, int lda, T* work, int size,
                       int* info) {
  if (handle == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  if (!valid(uplo) || n < 0 || !leads(lda, n) || size < factor_work(n, n)) return kInvalid;
  return submit_solver(handle, [=] {
    Operands operands("cusolver potrf");
    operands.matrix("A", a, n, n, lda);
    operands.vector("work", work, size);
    if (operands.vector("info", info, 1)) *info = fortran::potrf(letter(uplo), n, a, lda);
  });
}

template <class T>
cusolverStatus_t potrf_batched(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, T* const a[], int lda,
                               int* infos, int batch) {
  if (handle == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  if (!valid(uplo) || n < 0 || batch < 0 || !leads(lda, n)) return kInvalid;
  return submit_solver(handle, [=] {
    Operands operands("cusolver potrfBatched");
    operands.vector("A", a, batch);
    operands.vector("info", infos, batch);
    for (int i = 0; operands.ok() && i < batch; ++i) {
      if (operands.matrix("A[i]", a[i], n, n, lda)) infos[i] = fortran::potrf(letter(uplo), n, a[i], lda);
    }
  });
}

template <class T>
cusolverStatus_t potri(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, T* a, int lda, T* work, int size,
                       int* info) {
  if (handle == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  if (!valid(uplo) || n < 0 || !leads(lda, n) || size < factor_work(n, n)) return kInvalid;
  return submit_solver(handle, [=] {
    Operands operands("cusolver potri");
    operands.matrix("A", a, n, n, lda);
    operands.vector("work", work, size);
    if (operands.vector("info", info, 1)) *info = fortran::potri(letter(uplo), n, a, lda);
  });
}

template <class T>
cusolverStatus_t getrf(cusolverDnHandle_t handle, int m, int n, T* a, int lda, T* work, int* pivots, int* info) {
  if (handle == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  if (m < 0 || n < 0 || !leads(lda, m)) return kInvalid;
  // The library factors without pivoting then. Not emulated.
  if (pivots == nullptr) return CUSOLVER_STATUS_NOT_SUPPORTED;
  return submit_solver(handle, [=] {
    Operands operands("cusolver getrf");
    operands.matrix("A", a, m, n, lda);
    operands.vector("work", work, factor_work(m, n));
    operands.vector("pivots", pivots, std::min(m, n));
    if (operands.vector("info", info, 1)) *info = fortran::getrf(m, n, a, lda, pivots);
  });
}

template <class T>
cusolverStatus_t geqrf(cusolverDnHandle_t handle, int m, int n, T* a, int lda, T* tau, T* work, int size, int* info) {
  if (handle == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  if (m < 0 || n < 0 || !leads(lda, m) || size < factor_work(m, n)) return kInvalid;
  return submit_solver(handle, [=] {
    Operands operands("cusolver geqrf");
    operands.matrix("A", a, m, n, lda);
    operands.vector("tau", tau, std::min(m, n));
    operands.vector("work", work, size);
    if (operands.vector("info", info, 1)) *info = fortran::geqrf(m, n, a, lda, tau, work, size);
  });
}

template <class T>
cusolverStatus_t orgqr(cusolverDnHandle_t handle, int m, int n, int k, T* a, int lda, const T* tau, T* work, int size,
                       int* info) {
  if (handle == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  if (k < 0 || n < k || m < n || !leads(lda, m) || size < factor_work(m, n)) return kInvalid;
  return submit_solver(handle, [=] {
    Operands operands("cusolver orgqr");
    operands.matrix("A", a, m, n, lda);
    operands.vector("tau", tau, k);
    operands.vector("work", work, size);
    if (operands.vector("info", info, 1)) *info = fortran::orgqr(m, n, k, a, lda, tau, work, size);
  });
}

}  // namespace
}  // namespace cotangent::emulation

using namespace cotangent::emulation;

extern "C" {

cusolverStatus_t cusolverDnCreate(cusolverDnHandle_t* handle) {
  if (handle == nullptr) return kInvalid;
  if (refuses_handle()) return CUSOLVER_STATUS_ALLOC_FAILED;
  *handle = new cusolverDnContext;
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnDestroy(cusolverDnHandle_t handle) {
  if (handle == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  delete handle;
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnSetStream(cusolverDnHandle_t handle, cudaStream_t stream) {
  if (handle == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  if (!stream_exists(stream)) return kInvalid;
  handle->stream = stream;
  return CUSOLVER_STATUS_SUCCESS;
}

#define COTANGENT_CUSOLVER(L, T)                                                                                      \
  cusolverStatus_t cusolverDn##L##potrf_bufferSize(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, T*,       \
                                                   int lda, int* size) {                                              \
    return answer(handle, valid(uplo) && n >= 0 && leads(lda, n), factor_work(n, n), size);                           \
  }                                                                                                                   \
  cusolverStatus_t cusolverDn##L##potrf(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, T* a, int lda,       \
                                        T* work, int size, int* info) {                                               \
    return potrf<T>(handle, uplo, n, a, lda, work, size, info);                                                       \
  }                                                                                                                   \
  cusolverStatus_t cusolverDn##L##potrfBatched(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, T* a[],       \
                                               int lda, int* infos, int batch) {                                      \
    return potrf_batched<T>(handle, uplo, n, a, lda, infos, batch);                                                   \
  }                                                                                                                   \
  cusolverStatus_t cusolverDn##L##potri_bufferSize(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, T*,       \
                                                   int lda, int* size) {                                              \
    return answer(handle, valid(uplo) && n >= 0 && leads(lda, n), factor_work(n, n), size);                           \
  }                                                                                                                   \
  cusolverStatus_t cusolverDn##L##potri(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, T* a, int lda,       \
                                        T* work, int size, int* info) {                                               \
    return potri<T>(handle, uplo, n, a, lda, work, size, info);                                                       \
  }                                                                                                                   \
  cusolverStatus_t cusolverDn##L##getrf_bufferSize(cusolverDnHandle_t handle, int m, int n, T*, int lda, int* size) { \
    return answer(handle, m >= 0 && n >= 0 && leads(lda, m), factor_work(m, n), size);                                \
  }                                                                                                                   \
  cusolverStatus_t cusolverDn##L##getrf(cusolverDnHandle_t handle, int m, int n, T* a, int lda, T* work, int* pivots, \
                                        int* info) {                                                                  \
    return getrf<T>(handle, m, n, a, lda, work, pivots, info);                                                        \
  }                                                                                                                   \
  cusolverStatus_t cusolverDn##L##geqrf_bufferSize(cusolverDnHandle_t handle, int m, int n, T*, int lda, int* size) { \
    return answer(handle, m >= 0 && n >= 0 && leads(lda, m), factor_work(m, n), size);                                \
  }                                                                                                                   \
  cusolverStatus_t cusolverDn##L##geqrf(cusolverDnHandle_t handle, int m, int n, T* a, int lda, T* tau, T* work,      \
                                        int size, int* info) {                                                        \
    return geqrf<T>(handle, m, n, a, lda, tau, work, size, info);                                                     \
  }                                                                                                                   \
  cusolverStatus_t cusolverDn##L##orgqr_bufferSize(cusolverDnHandle_t handle, int m, int n, int k, const T*, int lda, \
                                                   const T*, int* size) {                                             \
    return answer(handle, k >= 0 && n >= k && m >= n && leads(lda, m), factor_work(m, n), size);                      \
  }                                                                                                                   \
  cusolverStatus_t cusolverDn##L##orgqr(cusolverDnHandle_t handle, int m, int n, int k, T* a, int lda, const T* tau,  \
                                        T* work, int size, int* info) {                                               \
    return orgqr<T>(handle, m, n, k, a, lda, tau, work, size, info);                                                  \
  }

COTANGENT_CUSOLVER(S, float)
COTANGENT_CUSOLVER(D, double)
#undef COTANGENT_CUSOLVER

}  // extern "C"
