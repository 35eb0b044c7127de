// cuBLAS: handles, and the product of a matrix with a vector.
#include "native/emulation/libraries/cublas_handle.h"
#include "native/emulation/libraries/fortran.h"

namespace cotangent::emulation {
namespace {

// The first element of a vector with a negative increment is its last in memory.
template <class T>
T* start(T* x, int64_t n, int64_t increment) {
  return increment < 0 ? x - (n - 1) * increment : x;
}

template <class T>
cublasStatus_t gemv(cublasHandle_t handle, cublasOperation_t trans, int m, int n, const T* alpha, const T* a, int lda,
                    const T* x, int incx, const T* beta, T* y, int incy) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!valid(trans) || m < 0 || n < 0 || !leads(lda, m) || incx == 0 || incy == 0 || !alpha || !beta) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (m == 0 || n == 0) return CUBLAS_STATUS_SUCCESS;
  return submit_blas(handle, [=, alpha_value = *alpha, beta_value = *beta] {
    Operands operands("cublas gemv");
    const bool transposed = trans != CUBLAS_OP_N;
    const int rows = transposed ? n : m, columns = transposed ? m : n;
    operands.matrix("A", a, m, n, lda);
    operands.vector("x", x, columns, incx);
    if (!operands.vector("y", y, rows, incy)) return;
    if (beta_value == 0) {  // y is not read then, and may hold NaN
      for (int64_t i = 0; i < rows; ++i) start(y, rows, incy)[i * incy] = 0;
    }
    fortran::gemv(letter(trans), m, n, alpha_value, a, lda, x, incx, beta_value, y, incy);
  });
}

struct StatusText {
  cublasStatus_t status;
  const char* text;
};
constexpr StatusText kStatuses[] = {
    {CUBLAS_STATUS_SUCCESS, "success"},
    {CUBLAS_STATUS_NOT_INITIALIZED, "the library was not initialized"},
    {CUBLAS_STATUS_ALLOC_FAILED, "the resource allocation failed"},
    {CUBLAS_STATUS_INVALID_VALUE, "an invalid value was given"},
    {CUBLAS_STATUS_EXECUTION_FAILED, "the function failed to launch on the GPU"},
    {CUBLAS_STATUS_NOT_SUPPORTED, "the functionality is not supported"},
};

}  // namespace
}  // namespace cotangent::emulation

using namespace cotangent::emulation;

extern "C" {

cublasStatus_t cublasCreate(cublasHandle_t* handle) {
  if (handle == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  if (refuses_handle()) return CUBLAS_STATUS_ALLOC_FAILED;
  *handle = new cublasContext;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy(cublasHandle_t handle) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!stream_exists(stream)) return CUBLAS_STATUS_INVALID_VALUE;
  handle->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}

const char* cublasGetStatusString(cublasStatus_t status) {
  for (const StatusText& row : kStatuses) {
    if (row.status == status) return row.text;
  }
  return "unknown status";
}

#define COTANGENT_CUBLAS(L, T)                                                                                 \
  cublasStatus_t cublas##L##gemv(cublasHandle_t handle, cublasOperation_t trans, int m, int n, const T* alpha, \
                                 const T* a, int lda, const T* x, int incx, const T* beta, T* y, int incy) {   \
    return gemv<T>(handle, trans, m, n, alpha, a, lda, x, incx, beta, y, incy);                                \
  }

COTANGENT_CUBLAS(S, float)
COTANGENT_CUBLAS(D, double)
#undef COTANGENT_CUBLAS

}  // extern "C"
