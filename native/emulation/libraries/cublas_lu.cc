// cuBLAS: LU factorisations of batches of small matrices.
#include "native/emulation/libraries/cublas_handle.h"
#include "native/emulation/libraries/fortran.h"

namespace cotangent::emulation {
namespace {

// Without pivots, A = L U of the matrix as it stands. Doolittle; the order of the first zero pivot, or 0.
template <class T>
int factor_without_pivots(int n, T* a, int lda) {
  int info = 0;
  for (int k = 0; k < n; ++k) {
    if (a[k + k * lda] == 0) {
      if (info == 0) info = k + 1;
      continue;
    }
    for (int i = k + 1; i < n; ++i) a[i + k * lda] /= a[k + k * lda];
    for (int j = k + 1; j < n; ++j) {
      for (int i = k + 1; i < n; ++i) a[i + j * lda] -= a[i + k * lda] * a[k + j * lda];
    }
  }
  return info;
}

template <class T>
cublasStatus_t getrf_batched(cublasHandle_t handle, int n, T* const a[], int lda, int* pivots, int* infos, int batch) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (n < 0 || batch < 0 || !leads(lda, n)) return CUBLAS_STATUS_INVALID_VALUE;
  return submit_blas(handle, [=] {
    Operands operands("cublas getrfBatched");
    operands.vector("A", a, batch);
    operands.vector("info", infos, batch);
    if (pivots != nullptr) operands.vector("pivots", pivots, int64_t{n} * batch);
    for (int i = 0; operands.ok() && i < batch; ++i) {
      if (!operands.matrix("A[i]", a[i], n, n, lda)) return;
      infos[i] = pivots != nullptr ? fortran::getrf(n, n, a[i], lda, pivots + int64_t{i} * n)
                                   : factor_without_pivots(n, a[i], lda);
    }
  });
}

}  // namespace
}  // namespace cotangent::emulation

using namespace cotangent::emulation;

extern "C" {

#define COTANGENT_CUBLAS_LU(L, T)                                                                                      \
  cublasStatus_t cublas##L##getrfBatched(cublasHandle_t handle, int n, T* const a[], int lda, int* pivots, int* infos, \
                                         int batch) {                                                                  \
    return getrf_batched<T>(handle, n, a, lda, pivots, infos, batch);                                                  \
  }
COTANGENT_CUBLAS_LU(S, float)
COTANGENT_CUBLAS_LU(D, double)
#undef COTANGENT_CUBLAS_LU

}  // extern "C"
