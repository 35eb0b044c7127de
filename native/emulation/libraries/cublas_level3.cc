// cuBLAS: products of matrices, single and strided-batched; triangular solves, single and batched by arrays of
// pointers.
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
  int m, n, k, lda, ldb, ldc;

  int rows_a() const { return transa == CUBLAS_OP_N ? m : k; }
  int columns_a() const { return transa == CUBLAS_OP_N ? k : m; }
  int rows_b() const { return transb == CUBLAS_OP_N ? k : n; }
  int columns_b() const { return transb == CUBLAS_OP_N ? n : k; }

  cublasStatus_t check(cublasHandle_t handle, const void* alpha, const void* beta, int batch) const {
    if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (!valid(transa) || !valid(transb) || m < 0 || n < 0 || k < 0 || batch < 0 || !leads(lda, rows_a()) ||
        !leads(ldb, rows_b()) || !leads(ldc, m) || !alpha || !beta) {
      return CUBLAS_STATUS_INVALID_VALUE;
    }
    return CUBLAS_STATUS_SUCCESS;
  }

  template <class T>
  void run(T alpha, const T* a, const T* b, T beta, T* c) const {
    if (beta == 0) clear(c, m, n, ldc);
    fortran::gemm(letter(transa), letter(transb), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  }
};

template <class T>
cublasStatus_t gemm(cublasHandle_t handle, const Product& p, const T* alpha, const T* a, long long stride_a, const T* b,
                    long long stride_b, const T* beta, T* c, long long stride_c, int batch) {
  if (const cublasStatus_t status = p.check(handle, alpha, beta, batch)) return status;
  if (stride_a < 0 || stride_b < 0 || stride_c < 0) return CUBLAS_STATUS_INVALID_VALUE;
  if (p.m == 0 || p.n == 0 || batch == 0) return CUBLAS_STATUS_SUCCESS;
  return submit_blas(handle, [=, alpha_value = *alpha, beta_value = *beta] {
    Operands operands("cublas gemm");
    operands.matrices("A", a, p.rows_a(), p.columns_a(), p.lda, stride_a, batch);
    operands.matrices("B", b, p.rows_b(), p.columns_b(), p.ldb, stride_b, batch);
    operands.matrices("C", c, p.m, p.n, p.ldc, stride_c, batch);
    operands.distinct("C", c, "A", a);
    if (!operands.distinct("C", c, "B", b)) return;
    for (int i = 0; i < batch; ++i)
      p.run(alpha_value, a + i * stride_a, b + i * stride_b, beta_value, c + i * stride_c);
  });
}

struct Solve {
  cublasSideMode_t side;
  cublasFillMode_t uplo;
  cublasOperation_t trans;
  cublasDiagType_t diag;
  int m, n, lda, ldb;

  int order() const { return side == CUBLAS_SIDE_LEFT ? m : n; }

  cublasStatus_t check(cublasHandle_t handle, const void* alpha) const {
    if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (!valid(side) || !valid(uplo) || !valid(trans) || !valid(diag) || m < 0 || n < 0 || !leads(lda, order()) ||
        !leads(ldb, m) || !alpha) {
      return CUBLAS_STATUS_INVALID_VALUE;
    }
    return CUBLAS_STATUS_SUCCESS;
  }

  template <class T>
  void run(T alpha, const T* a, T* b) const {
    fortran::trsm(letter(side), letter(uplo), letter(trans), letter(diag), m, n, alpha, a, lda, b, ldb);
  }
};

template <class T>
cublasStatus_t trsm(cublasHandle_t handle, const Solve& s, const T* alpha, const T* a, T* b) {
  if (const cublasStatus_t status = s.check(handle, alpha)) return status;
  if (s.m == 0 || s.n == 0) return CUBLAS_STATUS_SUCCESS;
  return submit_blas(handle, [=, alpha_value = *alpha] {
    Operands operands("cublas trsm");
    operands.matrix("A", a, s.order(), s.order(), s.lda);
    if (operands.matrix("B", b, s.m, s.n, s.ldb)) s.run(alpha_value, a, b);
  });
}

template <class T>
cublasStatus_t trsm_batched(cublasHandle_t handle, const Solve& s, const T* alpha, const T* const a[], T* const b[],
                            int batch) {
  if (const cublasStatus_t status = s.check(handle, alpha)) return status;
  if (batch < 0) return CUBLAS_STATUS_INVALID_VALUE;
  if (s.m == 0 || s.n == 0 || batch == 0) return CUBLAS_STATUS_SUCCESS;
  return submit_blas(handle, [=, alpha_value = *alpha] {
    Operands operands("cublas trsmBatched");
    operands.vector("A", a, batch);
    if (!operands.vector("B", b, batch)) return;
    for (int i = 0; i < batch; ++i) {
      operands.matrix("A[i]", a[i], s.order(), s.order(), s.lda);
      if (!operands.matrix("B[i]", b[i], s.m, s.n, s.ldb)) return;
      s.run(alpha_value, a[i], b[i]);
    }
  });
}

}  // namespace
}  // namespace cotangent::emulation

using namespace cotangent::emulation;

extern "C" {

#define COTANGENT_CUBLAS(L, T)                                                                                        \
  cublasStatus_t cublas##L##gemm(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m,    \
                                 int n, int k, const T* alpha, const T* a, int lda, const T* b, int ldb,              \
                                 const T* beta, T* c, int ldc) {                                                      \
    return gemm<T>(handle, {transa, transb, m, n, k, lda, ldb, ldc}, alpha, a, 0, b, 0, beta, c, 0, 1);               \
  }                                                                                                                   \
  cublasStatus_t cublas##L##gemmStridedBatched(                                                                       \
      cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n, int k, const T* alpha, \
      const T* a, int lda, long long stride_a, const T* b, int ldb, long long stride_b, const T* beta, T* c, int ldc, \
      long long stride_c, int batch) {                                                                                \
    return gemm<T>(handle, {transa, transb, m, n, k, lda, ldb, ldc}, alpha, a, stride_a, b, stride_b, beta, c,        \
                   stride_c, batch);                                                                                  \
  }                                                                                                                   \
  cublasStatus_t cublas##L##trsm(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo,                 \
                                 cublasOperation_t trans, cublasDiagType_t diag, int m, int n, const T* alpha,        \
                                 const T* a, int lda, T* b, int ldb) {                                                \
    return trsm<T>(handle, {side, uplo, trans, diag, m, n, lda, ldb}, alpha, a, b);                                   \
  }                                                                                                                   \
  cublasStatus_t cublas##L##trsmBatched(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo,          \
                                        cublasOperation_t trans, cublasDiagType_t diag, int m, int n, const T* alpha, \
                                        const T* const a[], int lda, T* const b[], int ldb, int batch) {              \
    return trsm_batched<T>(handle, {side, uplo, trans, diag, m, n, lda, ldb}, alpha, a, b, batch);                    \
  }

COTANGENT_CUBLAS(S, float)
COTANGENT_CUBLAS(D, double)
#undef COTANGENT_CUBLAS

}  // extern "C"
