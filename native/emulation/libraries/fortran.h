// The host's BLAS and LAPACK: Fortran symbols, called by value and overloaded by type.
#ifndef COTANGENT_EMULATION_LIBRARIES_FORTRAN_H
#define COTANGENT_EMULATION_LIBRARIES_FORTRAN_H

#include <cstddef>

// Fortran passes everything by reference and appends the lengths of character arguments.
#define COTANGENT_FORTRAN(p, T)                                                                                        \
  extern "C" {                                                                                                         \
  void p##gemm_(const char*, const char*, const int*, const int*, const int*, const T*, const T*, const int*,          \
                const T*, const int*, const T*, T*, const int*, size_t, size_t);                                       \
  void p##gemv_(const char*, const int*, const int*, const T*, const T*, const int*, const T*, const int*, const T*,   \
                T*, const int*, size_t);                                                                               \
  void p##trsm_(const char*, const char*, const char*, const char*, const int*, const int*, const T*, const T*,        \
                const int*, T*, const int*, size_t, size_t, size_t, size_t);                                           \
  void p##potrf_(const char*, const int*, T*, const int*, int*, size_t);                                               \
  void p##potri_(const char*, const int*, T*, const int*, int*, size_t);                                               \
  void p##getrf_(const int*, const int*, T*, const int*, int*, int*);                                                  \
  void p##geqrf_(const int*, const int*, T*, const int*, T*, T*, const int*, int*);                                    \
  void p##orgqr_(const int*, const int*, const int*, T*, const int*, const T*, T*, const int*, int*);                  \
  void p##syevd_(const char*, const char*, const int*, T*, const int*, T*, T*, const int*, int*, const int*, int*,     \
                 size_t, size_t);                                                                                      \
  void p##gesvd_(const char*, const char*, const int*, const int*, T*, const int*, T*, T*, const int*, T*, const int*, \
                 T*, const int*, int*, size_t, size_t);                                                                \
  }                                                                                                                    \
  namespace cotangent::emulation::fortran {                                                                            \
  inline void gemm(char ta, char tb, int m, int n, int k, T alpha, const T* a, int lda, const T* b, int ldb, T beta,   \
                   T* c, int ldc) {                                                                                    \
    p##gemm_(&ta, &tb, &m, &n, &k, &alpha, a, &lda, b, &ldb, &beta, c, &ldc, 1, 1);                                    \
  }                                                                                                                    \
  inline void gemv(char t, int m, int n, T alpha, const T* a, int lda, const T* x, int incx, T beta, T* y, int incy) { \
    p##gemv_(&t, &m, &n, &alpha, a, &lda, x, &incx, &beta, y, &incy, 1);                                               \
  }                                                                                                                    \
  inline void trsm(char side, char uplo, char t, char diag, int m, int n, T alpha, const T* a, int lda, T* b,          \
                   int ldb) {                                                                                          \
    p##trsm_(&side, &uplo, &t, &diag, &m, &n, &alpha, a, &lda, b, &ldb, 1, 1, 1, 1);                                   \
  }                                                                                                                    \
  inline int potrf(char uplo, int n, T* a, int lda) {                                                                  \
    int info = 0;                                                                                                      \
    p##potrf_(&uplo, &n, a, &lda, &info, 1);                                                                           \
    return info;                                                                                                       \
  }                                                                                                                    \
  inline int potri(char uplo, int n, T* a, int lda) {                                                                  \
    int info = 0;                                                                                                      \
    p##potri_(&uplo, &n, a, &lda, &info, 1);                                                                           \
    return info;                                                                                                       \
  }                                                                                                                    \
  inline int getrf(int m, int n, T* a, int lda, int* pivots) {                                                         \
    int info = 0;                                                                                                      \
    p##getrf_(&m, &n, a, &lda, pivots, &info);                                                                         \
    return info;                                                                                                       \
  }                                                                                                                    \
  inline int geqrf(int m, int n, T* a, int lda, T* tau, T* work, int size) {                                           \
    int info = 0;                                                                                                      \
    p##geqrf_(&m, &n, a, &lda, tau, work, &size, &info);                                                               \
    return info;                                                                                                       \
  }                                                                                                                    \
  inline int orgqr(int m, int n, int k, T* a, int lda, const T* tau, T* work, int size) {                              \
    int info = 0;                                                                                                      \
    p##orgqr_(&m, &n, &k, a, &lda, tau, work, &size, &info);                                                           \
    return info;                                                                                                       \
  }                                                                                                                    \
  inline int syevd(char job, char uplo, int n, T* a, int lda, T* w, T* work, int size, int* integers,                  \
                   int integer_size) {                                                                                 \
    int info = 0;                                                                                                      \
    p##syevd_(&job, &uplo, &n, a, &lda, w, work, &size, integers, &integer_size, &info, 1, 1);                         \
    return info;                                                                                                       \
  }                                                                                                                    \
  inline int gesvd(char job_u, char job_vt, int m, int n, T* a, int lda, T* s, T* u, int ldu, T* vt, int ldvt,         \
                   T* work, int size) {                                                                                \
    int info = 0;                                                                                                      \
    p##gesvd_(&job_u, &job_vt, &m, &n, a, &lda, s, u, &ldu, vt, &ldvt, work, &size, &info, 1, 1);                      \
    return info;                                                                                                       \
  }                                                                                                                    \
  }

COTANGENT_FORTRAN(s, float)
COTANGENT_FORTRAN(d, double)
#undef COTANGENT_FORTRAN

#endif
