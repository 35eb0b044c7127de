// cuBLAS: handles, and the operations of vectors and of a matrix with a vector.
#include <cmath>

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
cublasStatus_t gemv(cublasHandle_t handle, cublasOperation_t trans, int64_t m, int64_t n, const T* alpha, const T* a,
                    int64_t lda, const T* x, int64_t incx, const T* beta, T* y, int64_t incy) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!valid(trans) || m < 0 || n < 0 || !leads(lda, m) || incx == 0 || incy == 0 || !alpha || !beta) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (!fits(m, n, lda, incx, incy)) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (m == 0 || n == 0) return CUBLAS_STATUS_SUCCESS;
  const Scalar<T> alpha_value(alpha, handle->on_device()), beta_value(beta, handle->on_device());
  return submit_blas(handle, [=] {
    Operands operands("cublas gemv");
    const bool transposed = trans != CUBLAS_OP_N;
    const int64_t rows = transposed ? n : m, columns = transposed ? m : n;
    const T alpha_now = alpha_value(operands, "alpha"), beta_now = beta_value(operands, "beta");
    operands.matrix("A", a, m, n, lda);
    operands.vector("x", x, columns, incx);
    if (!operands.vector("y", y, rows, incy)) return;
    if (beta_now == 0) {  // y is not read then, and may hold NaN
      for (int64_t i = 0; i < rows; ++i) start(y, rows, incy)[i * incy] = 0;
    }
    fortran::gemv(letter(trans), narrow(m), narrow(n), alpha_now, a, narrow(lda), x, narrow(incx), beta_now, y,
                  narrow(incy));
  });
}

// A result in host memory is there when the call returns.
template <class T, class F>
cublasStatus_t reduce(cublasHandle_t handle, T* result, F compute) {
  const bool on_device = handle->on_device();
  const cublasStatus_t status = submit_blas(handle, [=] {
    Operands operands("cublas reduction");
    if (on_device && !operands.vector("result", result, 1)) return;
    compute(operands, result);
  });
  if (status != CUBLAS_STATUS_SUCCESS || on_device) return status;
  return wait_for(handle->stream) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

template <class T>
cublasStatus_t dot(cublasHandle_t handle, int64_t n, const T* x, int64_t incx, const T* y, int64_t incy, T* result) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (result == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  return reduce(handle, result, [=](Operands& operands, T* out) {
    operands.vector("x", x, n, incx);
    if (!operands.vector("y", y, n, incy)) return;
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) {
      sum += static_cast<double>(start(x, n, incx)[i * incx]) * static_cast<double>(start(y, n, incy)[i * incy]);
    }
    *out = static_cast<T>(sum);
  });
}

template <class T>
cublasStatus_t nrm2(cublasHandle_t handle, int64_t n, const T* x, int64_t incx, T* result) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (result == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  return reduce(handle, result, [=](Operands& operands, T* out) {
    if (!operands.vector("x", x, n, incx)) return;
    double norm = 0;
    for (int64_t i = 0; i < n; ++i) norm = std::hypot(norm, static_cast<double>(x[i * std::abs(incx)]));
    *out = static_cast<T>(norm);
  });
}

template <class T>
cublasStatus_t axpy(cublasHandle_t handle, int64_t n, const T* alpha, const T* x, int64_t incx, T* y, int64_t incy) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (alpha == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  const Scalar<T> alpha_value(alpha, handle->on_device());
  return submit_blas(handle, [=] {
    Operands operands("cublas axpy");
    const T alpha_now = alpha_value(operands, "alpha");
    operands.vector("x", x, n, incx);
    if (!operands.vector("y", y, n, incy)) return;
    for (int64_t i = 0; i < n; ++i) start(y, n, incy)[i * incy] += alpha_now * start(x, n, incx)[i * incx];
  });
}

template <class T>
cublasStatus_t scal(cublasHandle_t handle, int64_t n, const T* alpha, T* x, int64_t incx) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (alpha == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  const Scalar<T> alpha_value(alpha, handle->on_device());
  return submit_blas(handle, [=] {
    Operands operands("cublas scal");
    const T alpha_now = alpha_value(operands, "alpha");
    if (!operands.vector("x", x, n, incx)) return;
    for (int64_t i = 0; i < n; ++i) x[i * std::abs(incx)] *= alpha_now;
  });
}

struct StatusText {
  cublasStatus_t status;
  const char *name, *text;
};
constexpr StatusText kStatuses[] = {
    {CUBLAS_STATUS_SUCCESS, "CUBLAS_STATUS_SUCCESS", "success"},
    {CUBLAS_STATUS_NOT_INITIALIZED, "CUBLAS_STATUS_NOT_INITIALIZED", "the library was not initialized"},
    {CUBLAS_STATUS_ALLOC_FAILED, "CUBLAS_STATUS_ALLOC_FAILED", "the resource allocation failed"},
    {CUBLAS_STATUS_INVALID_VALUE, "CUBLAS_STATUS_INVALID_VALUE", "an invalid value was given"},
    {CUBLAS_STATUS_EXECUTION_FAILED, "CUBLAS_STATUS_EXECUTION_FAILED", "the function failed to launch on the GPU"},
    {CUBLAS_STATUS_INTERNAL_ERROR, "CUBLAS_STATUS_INTERNAL_ERROR", "an internal operation failed"},
    {CUBLAS_STATUS_NOT_SUPPORTED, "CUBLAS_STATUS_NOT_SUPPORTED", "the functionality is not supported"},
};
const StatusText* find_status(cublasStatus_t status) {
  for (const StatusText& row : kStatuses) {
    if (row.status == status) return &row;
  }
  return nullptr;
}

// For the setters and getters: with the handle, or the status that there is none.
template <class F>
cublasStatus_t with(cublasHandle_t handle, F&& body) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  body(*handle);
  return CUBLAS_STATUS_SUCCESS;
}

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

cublasStatus_t cublasGetVersion(cublasHandle_t handle, int* version) {
  return with(handle, [&](cublasContext&) { *version = 130000; });
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
  if (handle != nullptr && !stream_exists(stream)) return CUBLAS_STATUS_INVALID_VALUE;
  return with(handle, [&](cublasContext& context) { context.stream = stream; });
}

cublasStatus_t cublasGetStream(cublasHandle_t handle, cudaStream_t* stream) {
  return with(handle, [&](cublasContext& context) { *stream = context.stream; });
}

cublasStatus_t cublasSetPointerMode(cublasHandle_t handle, cublasPointerMode_t mode) {
  return with(handle, [&](cublasContext& context) { context.pointer_mode = mode; });
}

cublasStatus_t cublasGetPointerMode(cublasHandle_t handle, cublasPointerMode_t* mode) {
  return with(handle, [&](cublasContext& context) { *mode = context.pointer_mode; });
}

cublasStatus_t cublasSetAtomicsMode(cublasHandle_t handle, cublasAtomicsMode_t mode) {
  return with(handle, [&](cublasContext& context) { context.atomics_mode = mode; });
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  return with(handle, [&](cublasContext& context) { context.math_mode = mode; });
}

cublasStatus_t cublasGetMathMode(cublasHandle_t handle, cublasMath_t* mode) {
  return with(handle, [&](cublasContext& context) { *mode = context.math_mode; });
}

// The host's BLAS brings its own; that it is device memory is still checked.
cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void* workspace, size_t bytes) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  return submit_blas(handle, [=] {
    Operands operands("cublasSetWorkspace");
    operands.vector("workspace", static_cast<const char*>(workspace), static_cast<int64_t>(bytes));
  });
}

const char* cublasGetStatusName(cublasStatus_t status) {
  const StatusText* row = find_status(status);
  return row ? row->name : "unknown status";
}

const char* cublasGetStatusString(cublasStatus_t status) {
  const StatusText* row = find_status(status);
  return row ? row->text : "unknown status";
}

#define COTANGENT_CUBLAS(L, T, N, suffix)                                                                          \
  cublasStatus_t cublas##L##gemv##suffix(cublasHandle_t handle, cublasOperation_t trans, N m, N n, const T* alpha, \
                                         const T* a, N lda, const T* x, N incx, const T* beta, T* y, N incy) {     \
    return gemv<T>(handle, trans, m, n, alpha, a, lda, x, incx, beta, y, incy);                                    \
  }                                                                                                                \
  cublasStatus_t cublas##L##dot##suffix(cublasHandle_t handle, N n, const T* x, N incx, const T* y, N incy,        \
                                        T* result) {                                                               \
    return dot<T>(handle, n, x, incx, y, incy, result);                                                            \
  }                                                                                                                \
  cublasStatus_t cublas##L##nrm2##suffix(cublasHandle_t handle, N n, const T* x, N incx, T* result) {              \
    return nrm2<T>(handle, n, x, incx, result);                                                                    \
  }                                                                                                                \
  cublasStatus_t cublas##L##axpy##suffix(cublasHandle_t handle, N n, const T* alpha, const T* x, N incx, T* y,     \
                                         N incy) {                                                                 \
    return axpy<T>(handle, n, alpha, x, incx, y, incy);                                                            \
  }                                                                                                                \
  cublasStatus_t cublas##L##scal##suffix(cublasHandle_t handle, N n, const T* alpha, T* x, N incx) {               \
    return scal<T>(handle, n, alpha, x, incx);                                                                     \
  }

COTANGENT_CUBLAS(S, float, int, )
COTANGENT_CUBLAS(D, double, int, )
COTANGENT_CUBLAS(S, float, int64_t, _64)
COTANGENT_CUBLAS(D, double, int64_t, _64)
#undef COTANGENT_CUBLAS

}  // extern "C"
