// cuBLAS: the operations of matrices, single, strided-batched and batched by arrays of pointers.
#include "native/emulation/libraries/cublas_handle.h"
#include "native/emulation/libraries/fortran.h"

namespace cotangent::emulation {
namespace {

// C is not read where beta is 0, and may hold NaN.
template <class T>
void clear(T* c, int64_t m, int64_t n, int64_t ldc) {
  for (int64_t j = 0; j < n; ++j) std::fill_n(c + j * ldc, m, T{0});
}

// Sizes and flags of a product, and its check.
struct Product {
  cublasOperation_t transa, transb;
  int64_t m, n, k, lda, ldb, ldc;

  int64_t rows_a() const { return transa == CUBLAS_OP_N ? m : k; }
  int64_t columns_a() const { return transa == CUBLAS_OP_N ? k : m; }
  int64_t rows_b() const { return transb == CUBLAS_OP_N ? k : n; }
  int64_t columns_b() const { return transb == CUBLAS_OP_N ? n : k; }

  cublasStatus_t check(cublasHandle_t handle, const void* alpha, const void* beta, int64_t batch) const {
    if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (!valid(transa) || !valid(transb) || m < 0 || n < 0 || k < 0 || batch < 0 || !leads(lda, rows_a()) ||
        !leads(ldb, rows_b()) || !leads(ldc, m) || !alpha || !beta) {
      return CUBLAS_STATUS_INVALID_VALUE;
    }
    return fits(m, n, k, lda, ldb, ldc) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
  }

  template <class T>
  void run(T alpha, const T* a, const T* b, T beta, T* c) const {
    if (beta == 0) clear(c, m, n, ldc);
    fortran::gemm(letter(transa), letter(transb), narrow(m), narrow(n), narrow(k), alpha, a, narrow(lda), b,
                  narrow(ldb), beta, c, narrow(ldc));
  }
};

template <class T>
cublasStatus_t gemm(cublasHandle_t handle, const Product& p, const T* alpha, const T* a, long long stride_a, const T* b,
                    long long stride_b, const T* beta, T* c, long long stride_c, int64_t batch) {
  if (const cublasStatus_t status = p.check(handle, alpha, beta, batch)) return status;
  if (stride_a < 0 || stride_b < 0 || stride_c < 0) return CUBLAS_STATUS_INVALID_VALUE;
  if (p.m == 0 || p.n == 0 || batch == 0) return CUBLAS_STATUS_SUCCESS;
  const Scalar<T> alpha_value(alpha, handle->on_device()), beta_value(beta, handle->on_device());
  return submit_blas(handle, [=] {
    Operands operands("cublas gemm");
    const T alpha_now = alpha_value(operands, "alpha"), beta_now = beta_value(operands, "beta");
    operands.matrices("A", a, p.rows_a(), p.columns_a(), p.lda, stride_a, batch);
    operands.matrices("B", b, p.rows_b(), p.columns_b(), p.ldb, stride_b, batch);
    operands.matrices("C", c, p.m, p.n, p.ldc, stride_c, batch);
    operands.distinct("C", c, "A", a);
    if (!operands.distinct("C", c, "B", b)) return;
    for (int64_t i = 0; i < batch; ++i)
      p.run(alpha_now, a + i * stride_a, b + i * stride_b, beta_now, c + i * stride_c);
  });
}

template <class T>
cublasStatus_t gemm_batched(cublasHandle_t handle, const Product& p, const T* alpha, const T* const a[],
                            const T* const b[], const T* beta, T* const c[], int64_t batch) {
  if (const cublasStatus_t status = p.check(handle, alpha, beta, batch)) return status;
  if (p.m == 0 || p.n == 0 || batch == 0) return CUBLAS_STATUS_SUCCESS;
  const Scalar<T> alpha_value(alpha, handle->on_device()), beta_value(beta, handle->on_device());
  return submit_blas(handle, [=] {
    Operands operands("cublas gemmBatched");
    const T alpha_now = alpha_value(operands, "alpha"), beta_now = beta_value(operands, "beta");
    operands.vector("A", a, batch);
    operands.vector("B", b, batch);
    if (!operands.vector("C", c, batch)) return;
    for (int64_t i = 0; i < batch; ++i) {
      operands.matrix("A[i]", a[i], p.rows_a(), p.columns_a(), p.lda);
      operands.matrix("B[i]", b[i], p.rows_b(), p.columns_b(), p.ldb);
      operands.matrix("C[i]", c[i], p.m, p.n, p.ldc);
      operands.distinct("C[i]", c[i], "A[i]", a[i]);
      if (!operands.distinct("C[i]", c[i], "B[i]", b[i])) return;
      p.run(alpha_now, a[i], b[i], beta_now, c[i]);
    }
  });
}

struct Solve {
  cublasSideMode_t side;
  cublasFillMode_t uplo;
  cublasOperation_t trans;
  cublasDiagType_t diag;
  int64_t m, n, lda, ldb;

  int64_t order() const { return side == CUBLAS_SIDE_LEFT ? m : n; }

  cublasStatus_t check(cublasHandle_t handle, const void* alpha) const {
    if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (!valid(side) || !valid(uplo) || !valid(trans) || !valid(diag) || m < 0 || n < 0 || !leads(lda, order()) ||
        !leads(ldb, m) || !alpha) {
      return CUBLAS_STATUS_INVALID_VALUE;
    }
    return fits(m, n, lda, ldb) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
  }

  template <class T>
  void run(T alpha, const T* a, T* b) const {
    fortran::trsm(letter(side), letter(uplo), letter(trans), letter(diag), narrow(m), narrow(n), alpha, a, narrow(lda),
                  b, narrow(ldb));
  }
};

template <class T>
cublasStatus_t trsm(cublasHandle_t handle, const Solve& s, const T* alpha, const T* a, T* b) {
  if (const cublasStatus_t status = s.check(handle, alpha)) return status;
  if (s.m == 0 || s.n == 0) return CUBLAS_STATUS_SUCCESS;
  const Scalar<T> alpha_value(alpha, handle->on_device());
  return submit_blas(handle, [=] {
    Operands operands("cublas trsm");
    const T alpha_now = alpha_value(operands, "alpha");
    operands.matrix("A", a, s.order(), s.order(), s.lda);
    if (operands.matrix("B", b, s.m, s.n, s.ldb)) s.run(alpha_now, a, b);
  });
}

template <class T>
cublasStatus_t trsm_batched(cublasHandle_t handle, const Solve& s, const T* alpha, const T* const a[], T* const b[],
                            int64_t batch) {
  if (const cublasStatus_t status = s.check(handle, alpha)) return status;
  if (batch < 0) return CUBLAS_STATUS_INVALID_VALUE;
  if (s.m == 0 || s.n == 0 || batch == 0) return CUBLAS_STATUS_SUCCESS;
  const Scalar<T> alpha_value(alpha, handle->on_device());
  return submit_blas(handle, [=] {
    Operands operands("cublas trsmBatched");
    const T alpha_now = alpha_value(operands, "alpha");
    operands.vector("A", a, batch);
    if (!operands.vector("B", b, batch)) return;
    for (int64_t i = 0; i < batch; ++i) {
      operands.matrix("A[i]", a[i], s.order(), s.order(), s.lda);
      if (!operands.matrix("B[i]", b[i], s.m, s.n, s.ldb)) return;
      s.run(alpha_now, a[i], b[i]);
    }
  });
}

template <class T>
cublasStatus_t syrk(cublasHandle_t handle, cublasFillMode_t uplo, cublasOperation_t trans, int64_t n, int64_t k,
                    const T* alpha, const T* a, int64_t lda, const T* beta, T* c, int64_t ldc) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  const int64_t rows = trans == CUBLAS_OP_N ? n : k, columns = trans == CUBLAS_OP_N ? k : n;
  if (!valid(uplo) || !valid(trans) || n < 0 || k < 0 || !leads(lda, rows) || !leads(ldc, n) || !alpha || !beta) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (!fits(n, k, lda, ldc)) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (n == 0) return CUBLAS_STATUS_SUCCESS;
  const Scalar<T> alpha_value(alpha, handle->on_device()), beta_value(beta, handle->on_device());
  return submit_blas(handle, [=] {
    Operands operands("cublas syrk");
    const T alpha_now = alpha_value(operands, "alpha"), beta_now = beta_value(operands, "beta");
    operands.matrix("A", a, rows, columns, lda);
    if (!operands.matrix("C", c, n, n, ldc)) return;
    if (beta_now == 0) {  // the triangle alone: the other one is not touched
      for (int64_t j = 0; j < n; ++j) {
        const bool lower = uplo == CUBLAS_FILL_MODE_LOWER;
        std::fill(c + j * ldc + (lower ? j : 0), c + j * ldc + (lower ? n : j + 1), T{0});
      }
    }
    fortran::syrk(letter(uplo), letter(trans), narrow(n), narrow(k), alpha_now, a, narrow(lda), beta_now, c,
                  narrow(ldc));
  });
}

template <class T>
cublasStatus_t geam(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int64_t m, int64_t n,
                    const T* alpha, const T* a, int64_t lda, const T* beta, const T* b, int64_t ldb, T* c,
                    int64_t ldc) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  const bool ta = transa != CUBLAS_OP_N, tb = transb != CUBLAS_OP_N;
  if (!valid(transa) || !valid(transb) || m < 0 || n < 0 || !leads(lda, ta ? n : m) || !leads(ldb, tb ? n : m) ||
      !leads(ldc, m) || !alpha || !beta) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  // In place is allowed without a transpose only.
  if ((a == c && (ta || lda != ldc)) || (b == c && (tb || ldb != ldc))) return CUBLAS_STATUS_INVALID_VALUE;
  if (m == 0 || n == 0) return CUBLAS_STATUS_SUCCESS;
  const Scalar<T> alpha_value(alpha, handle->on_device()), beta_value(beta, handle->on_device());
  return submit_blas(handle, [=] {
    Operands operands("cublas geam");
    const T alpha_now = alpha_value(operands, "alpha"), beta_now = beta_value(operands, "beta");
    // An operand with factor 0 is not read.
    if (alpha_now != 0) operands.matrix("A", a, ta ? n : m, ta ? m : n, lda);
    if (beta_now != 0) operands.matrix("B", b, tb ? n : m, tb ? m : n, ldb);
    if (!operands.matrix("C", c, m, n, ldc)) return;
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t i = 0; i < m; ++i) {
        T sum = 0;
        if (alpha_now != 0) sum += alpha_now * a[ta ? j + i * lda : i + j * lda];
        if (beta_now != 0) sum += beta_now * b[tb ? j + i * ldb : i + j * ldb];
        c[i + j * ldc] = sum;
      }
    }
  });
}

template <class T>
cublasStatus_t dgmm(cublasHandle_t handle, cublasSideMode_t side, int64_t m, int64_t n, const T* a, int64_t lda,
                    const T* x, int64_t incx, T* c, int64_t ldc) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!valid(side) || m < 0 || n < 0 || !leads(lda, m) || !leads(ldc, m)) return CUBLAS_STATUS_INVALID_VALUE;
  return submit_blas(handle, [=] {
    Operands operands("cublas dgmm");
    const int64_t count = side == CUBLAS_SIDE_LEFT ? m : n;
    operands.matrix("A", a, m, n, lda);
    operands.vector("x", x, count, incx);
    if (!operands.matrix("C", c, m, n, ldc)) return;
    const T* first = incx < 0 ? x - (count - 1) * incx : x;
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t i = 0; i < m; ++i) {
        c[i + j * ldc] = a[i + j * lda] * first[(side == CUBLAS_SIDE_LEFT ? i : j) * incx];
      }
    }
  });
}

}  // namespace
}  // namespace cotangent::emulation

using namespace cotangent::emulation;

extern "C" {

#define COTANGENT_CUBLAS(L, T, N, suffix)                                                                            \
  cublasStatus_t cublas##L##gemm##suffix(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb,  \
                                         N m, N n, N k, const T* alpha, const T* a, N lda, const T* b, N ldb,        \
                                         const T* beta, T* c, N ldc) {                                               \
    return gemm<T>(handle, {transa, transb, m, n, k, lda, ldb, ldc}, alpha, a, 0, b, 0, beta, c, 0, 1);              \
  }                                                                                                                  \
  cublasStatus_t cublas##L##gemmStridedBatched##suffix(                                                              \
      cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, N m, N n, N k, const T* alpha,      \
      const T* a, N lda, long long stride_a, const T* b, N ldb, long long stride_b, const T* beta, T* c, N ldc,      \
      long long stride_c, N batch) {                                                                                 \
    return gemm<T>(handle, {transa, transb, m, n, k, lda, ldb, ldc}, alpha, a, stride_a, b, stride_b, beta, c,       \
                   stride_c, batch);                                                                                 \
  }                                                                                                                  \
  cublasStatus_t cublas##L##gemmBatched##suffix(                                                                     \
      cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, N m, N n, N k, const T* alpha,      \
      const T* const a[], N lda, const T* const b[], N ldb, const T* beta, T* const c[], N ldc, N batch) {           \
    return gemm_batched<T>(handle, {transa, transb, m, n, k, lda, ldb, ldc}, alpha, a, b, beta, c, batch);           \
  }                                                                                                                  \
  cublasStatus_t cublas##L##trsm##suffix(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo,        \
                                         cublasOperation_t trans, cublasDiagType_t diag, N m, N n, const T* alpha,   \
                                         const T* a, N lda, T* b, N ldb) {                                           \
    return trsm<T>(handle, {side, uplo, trans, diag, m, n, lda, ldb}, alpha, a, b);                                  \
  }                                                                                                                  \
  cublasStatus_t cublas##L##trsmBatched##suffix(                                                                     \
      cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo, cublasOperation_t trans,                  \
      cublasDiagType_t diag, N m, N n, const T* alpha, const T* const a[], N lda, T* const b[], N ldb, N batch) {    \
    return trsm_batched<T>(handle, {side, uplo, trans, diag, m, n, lda, ldb}, alpha, a, b, batch);                   \
  }                                                                                                                  \
  cublasStatus_t cublas##L##syrk##suffix(cublasHandle_t handle, cublasFillMode_t uplo, cublasOperation_t trans, N n, \
                                         N k, const T* alpha, const T* a, N lda, const T* beta, T* c, N ldc) {       \
    return syrk<T>(handle, uplo, trans, n, k, alpha, a, lda, beta, c, ldc);                                          \
  }                                                                                                                  \
  cublasStatus_t cublas##L##geam##suffix(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb,  \
                                         N m, N n, const T* alpha, const T* a, N lda, const T* beta, const T* b,     \
                                         N ldb, T* c, N ldc) {                                                       \
    return geam<T>(handle, transa, transb, m, n, alpha, a, lda, beta, b, ldb, c, ldc);                               \
  }                                                                                                                  \
  cublasStatus_t cublas##L##dgmm##suffix(cublasHandle_t handle, cublasSideMode_t side, N m, N n, const T* a, N lda,  \
                                         const T* x, N incx, T* c, N ldc) {                                          \
    return dgmm<T>(handle, side, m, n, a, lda, x, incx, c, ldc);                                                     \
  }

COTANGENT_CUBLAS(S, float, int, )
COTANGENT_CUBLAS(D, double, int, )
COTANGENT_CUBLAS(S, float, int64_t, _64)
COTANGENT_CUBLAS(D, double, int64_t, _64)
#undef COTANGENT_CUBLAS

}  // extern "C"
