// The LAPACK entry points in use beside `potrf`, as in blas.h: Fortran symbols, overloaded by type, column-major, on
// the calling thread. `work` arguments hold what the matching `..._work` function says, in elements.
#ifndef COTANGENT_BACKEND_CPU_LAPACK_H
#define COTANGENT_BACKEND_CPU_LAPACK_H

namespace cotangent::cpu::blas {

// Elements and integers of work that syevd and stedc may use.
inline long eigen_work(int n) { return 1 + 6L * n + 2L * n * n; }
inline long eigen_integers(int n) { return 3 + 5L * n; }

#define COTANGENT_LAPACK_TYPE(T)                                                                                      \
  /* P A = L U of A [m, n] in place; pivots are counted from 1. 0, or the order of the first zero pivot. */           \
  int getrf(int m, int n, T* a, int lda, int* pivots);                                                                \
  /* Swaps rows first .. last (counted from 1) of A with those that the pivots name. */                               \
  void laswp(int n, T* a, int lda, int first, int last, const int* pivots);                                           \
  /* A = L Q of A [m, n] in place (L below, reflectors above), and the first `rows` rows of Q from them, in place. */ \
  void gelqf(int m, int n, T* a, int lda, T* tau, T* work, int work_size);                                            \
  void orglq(int rows, int n, int reflectors, T* a, int lda, const T* tau, T* work, int work_size);                   \
  /* Eigenvalues, ascending, and (`vectors`) orthonormal eigenvectors as the columns of A, whose lower triangle is */ \
  /* read. 0, or not converged. */                                                                                    \
  int syevd(bool vectors, int n, T* a, int lda, T* w, T* work, int* integers);                                        \
  /* A = Q T Q^T in place: T tridiagonal with diagonal d and off-diagonal e, Q as reflectors below. */                \
  void sytrd(int n, T* a, int lda, T* d, T* e, T* tau, T* work, int work_size);                                       \
  /* Eigenvalues d and eigenvectors z of a tridiagonal matrix by divide and conquer. 0, or not converged. */          \
  int stedc(int n, T* d, T* e, T* z, int ldz, T* work, int* integers);                                                \
  /* C [n, columns] := Q C with the reflectors of sytrd. */                                                           \
  void ormtr(int n, int columns, const T* a, int lda, const T* tau, T* c, int ldc, T* work, int work_size);           \
  /* A [m, n] = U diag(s) V^T, reduced: U [m, k], V^T [k, n]; s alone without `vectors`. 0, or not converged. */      \
  int gesdd(bool vectors, int m, int n, T* a, int lda, T* s, T* u, int ldu, T* vt, int ldvt, T* work, int work_size,  \
            int* integers);                                                                                           \
  /* A = Q B P^T in place: B bidiagonal (upper for m >= n) with diagonal d and off-diagonal e. */                     \
  void gebrd(int m, int n, T* a, int lda, T* d, T* e, T* tau_q, T* tau_p, T* work, int work_size);                    \
  /* Singular values d and vectors of a bidiagonal matrix by divide and conquer. 0, or not converged. */              \
  int bdsdc(bool upper, int n, T* d, T* e, T* u, int ldu, T* vt, int ldvt, T* work, int* integers);                   \
  /* C [m, columns] := Q C, or C [rows, n] := C P^T, with the reflectors of gebrd of a matrix [m, n]. */              \
  void ormbr_q(int m, int n, int columns, const T* a, int lda, const T* tau, T* c, int ldc, T* work, int work_size);  \
  void ormbr_p(int m, int n, int rows, const T* a, int lda, const T* tau, T* c, int ldc, T* work, int work_size);     \
  /* The upper triangle of (U^T U)^-1 in place of U. 0, or the order of a zero on the diagonal. */                    \
  int potri(int n, T* a, int lda);

COTANGENT_LAPACK_TYPE(float)
COTANGENT_LAPACK_TYPE(double)
#undef COTANGENT_LAPACK_TYPE

}  // namespace cotangent::cpu::blas

#endif
