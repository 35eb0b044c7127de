// The BLAS and LAPACK entry points in use: Fortran symbols called directly (an lapacke may bring a second BLAS along),
// overloaded by type. Everything is column-major here, except `gemm`. The kernels cut the work; a call itself runs on
// one thread.
#ifndef COTANGENT_BACKEND_CPU_BLAS_H
#define COTANGENT_BACKEND_CPU_BLAS_H

#include <string>
#include <vector>

namespace cotangent::cpu::blas {

// Makes BLAS use only the calling thread. Every function below does so itself, once a thread.
void force_single_thread();

// Library, version and the processor kernels it chose.
std::string description();

// Computes products, solves and factorisations of several shapes with BLAS and with plain loops; one message per entry
// point and shape that differs. Empty when BLAS computes correctly on this processor. Takes some tens of milliseconds.
std::vector<std::string> self_check();

// Row-major C = alpha op(A) op(B) + beta C, op(A) [m, k], op(B) [k, n]; lda, ldb and ldc are the lengths of stored
// rows.
void gemm(bool transpose_a, bool transpose_b, int m, int n, int k, float alpha, const float* a, int lda, const float* b,
          int ldb, float beta, float* c, int ldc);
void gemm(bool transpose_a, bool transpose_b, int m, int n, int k, double alpha, const double* a, int lda,
          const double* b, int ldb, double beta, double* c, int ldc);

// y = alpha op(A) x + beta y; A has m rows and n columns.
void gemv(char trans, int m, int n, float alpha, const float* a, int lda, const float* x, float beta, float* y);
void gemv(char trans, int m, int n, double alpha, const double* a, int lda, const double* x, double beta, double* y);

// The `uplo` triangle of C [n, n] = alpha op(A) op(A)^T + beta C; op(A) is [n, k].
void syrk(char uplo, char trans, int n, int k, float alpha, const float* a, int lda, float beta, float* c, int ldc);
void syrk(char uplo, char trans, int n, int k, double alpha, const double* a, int lda, double beta, double* c, int ldc);

// B [m, n] = op(A)^-1 B (side L) or B op(A)^-1 (side R).
void trsm(char side, char uplo, char trans, char diag, int m, int n, const float* a, int lda, float* b, int ldb);
void trsm(char side, char uplo, char trans, char diag, int m, int n, const double* a, int lda, double* b, int ldb);

// x = op(A)^-1 x.
void trsv(char uplo, char trans, char diag, int n, const float* a, int lda, float* x);
void trsv(char uplo, char trans, char diag, int n, const double* a, int lda, double* x);

// Cholesky factorisation in place. 0, or the order of the leading minor that is not positive definite.
int potrf(char uplo, int n, float* a, int lda);
int potrf(char uplo, int n, double* a, int lda);

}  // namespace cotangent::cpu::blas

#endif
