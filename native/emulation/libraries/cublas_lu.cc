// cuBLAS: LU factorisations of batches of small matrices.
#include "native/emulation/libraries/cublas_handle.h"
#include "native/emulation/libraries/fortran.h"

namespace cotangent::emulation {
namespace {

template <class T>
cublasStatus_t getrf_batched(cublasHandle_t handle, int n, T* const a[], int lda, int* pivots, int* infos, int batch) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (n < 0 || batch < 0 || !leads(lda, n)) return CUBLAS_STATUS_INVALID_VALUE;
  // The library factors without pivoting then. Not emulated.
  if (pivots == nullptr) return CUBLAS_STATUS_NOT_SUPPORTED;
  return submit_blas(handle, [=] {
    Operands operands("cublas getrfBatched");
    operands.vector("A", a, batch);
    operands.vector("info", infos, batch);
    operands.vector("pivots", pivots, int64_t{n} * batch);
    for (int i = 0; operands.ok() && i < batch; ++i) {
      if (!operands.matrix("A[i]", a[i], n, n, lda)) return;
      infos[i] = fortran::getrf(n, n, a[i], lda, pivots + int64_t{i} * n);
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
