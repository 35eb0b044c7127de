#include "native/backend/cpu/lapack.h"

#include <cstddef>

#include "native/backend/cpu/blas.h"

// Fortran passes everything by reference and appends the lengths of character arguments.
#define COTANGENT_LAPACK_TYPE(p, T)                                                                                 \
  void p##getrf_(const int*, const int*, T*, const int*, int*, int*);                                               \
  void p##gelqf_(const int*, const int*, T*, const int*, T*, T*, const int*, int*);                                 \
  void p##orglq_(const int*, const int*, const int*, T*, const int*, const T*, T*, const int*, int*);               \
  void p##syevd_(const char*, const char*, const int*, T*, const int*, T*, T*, const int*, int*, const int*, int*,  \
                 size_t, size_t);                                                                                   \
  void p##sytrd_(const char*, const int*, T*, const int*, T*, T*, T*, T*, const int*, int*, size_t);                \
  void p##stedc_(const char*, const int*, T*, T*, T*, const int*, T*, const int*, int*, const int*, int*, size_t);  \
  void p##ormtr_(const char*, const char*, const char*, const int*, const int*, const T*, const int*, const T*, T*, \
                 const int*, T*, const int*, int*, size_t, size_t, size_t);                                         \
  void p##gesdd_(const char*, const int*, const int*, T*, const int*, T*, T*, const int*, T*, const int*, T*,       \
                 const int*, int*, int*, size_t);                                                                   \
  void p##gebrd_(const int*, const int*, T*, const int*, T*, T*, T*, T*, T*, const int*, int*);                     \
  void p##bdsdc_(const char*, const char*, const int*, T*, T*, T*, const int*, T*, const int*, T*, int*, T*, int*,  \
                 int*, size_t, size_t);                                                                             \
  void p##ormbr_(const char*, const char*, const char*, const int*, const int*, const int*, const T*, const int*,   \
                 const T*, T*, const int*, T*, const int*, int*, size_t, size_t, size_t);                           \
  void p##potri_(const char*, const int*, T*, const int*, int*, size_t);                                            \
  void p##laswp_(const int*, T*, const int*, const int*, const int*, const int*, const int*);

extern "C" {
COTANGENT_LAPACK_TYPE(s, float)
COTANGENT_LAPACK_TYPE(d, double)
}
#undef COTANGENT_LAPACK_TYPE

namespace cotangent::cpu::blas {

#define COTANGENT_LAPACK_TYPE(p, T)                                                                                   \
  int getrf(int m, int n, T* a, int lda, int* pivots) {                                                               \
    force_single_thread();                                                                                            \
    int info = 0;                                                                                                     \
    p##getrf_(&m, &n, a, &lda, pivots, &info);                                                                        \
    return info;                                                                                                      \
  }                                                                                                                   \
  void gelqf(int m, int n, T* a, int lda, T* tau, T* work, int work_size) {                                           \
    force_single_thread();                                                                                            \
    int info = 0;                                                                                                     \
    p##gelqf_(&m, &n, a, &lda, tau, work, &work_size, &info);                                                         \
  }                                                                                                                   \
  void orglq(int rows, int n, int reflectors, T* a, int lda, const T* tau, T* work, int work_size) {                  \
    force_single_thread();                                                                                            \
    int info = 0;                                                                                                     \
    p##orglq_(&rows, &n, &reflectors, a, &lda, tau, work, &work_size, &info);                                         \
  }                                                                                                                   \
  int syevd(bool vectors, int n, T* a, int lda, T* w, T* work, int* integers) {                                       \
    force_single_thread();                                                                                            \
    const int work_size = static_cast<int>(eigen_work(n)), integer_count = static_cast<int>(eigen_integers(n));       \
    int info = 0;                                                                                                     \
    p##syevd_(vectors ? "V" : "N", "L", &n, a, &lda, w, work, &work_size, integers, &integer_count, &info, 1, 1);     \
    return info;                                                                                                      \
  }                                                                                                                   \
  void sytrd(int n, T* a, int lda, T* d, T* e, T* tau, T* work, int work_size) {                                      \
    force_single_thread();                                                                                            \
    int info = 0;                                                                                                     \
    p##sytrd_("L", &n, a, &lda, d, e, tau, work, &work_size, &info, 1);                                               \
  }                                                                                                                   \
  int stedc(int n, T* d, T* e, T* z, int ldz, T* work, int* integers) {                                               \
    force_single_thread();                                                                                            \
    const int work_size = static_cast<int>(eigen_work(n)), integer_count = static_cast<int>(eigen_integers(n));       \
    int info = 0;                                                                                                     \
    p##stedc_("I", &n, d, e, z, &ldz, work, &work_size, integers, &integer_count, &info, 1);                          \
    return info;                                                                                                      \
  }                                                                                                                   \
  void ormtr(int n, int columns, const T* a, int lda, const T* tau, T* c, int ldc, T* work, int work_size) {          \
    force_single_thread();                                                                                            \
    int info = 0;                                                                                                     \
    p##ormtr_("L", "L", "N", &n, &columns, a, &lda, tau, c, &ldc, work, &work_size, &info, 1, 1, 1);                  \
  }                                                                                                                   \
  int gesdd(bool vectors, int m, int n, T* a, int lda, T* s, T* u, int ldu, T* vt, int ldvt, T* work, int work_size,  \
            int* integers) {                                                                                          \
    force_single_thread();                                                                                            \
    int info = 0;                                                                                                     \
    p##gesdd_(vectors ? "S" : "N", &m, &n, a, &lda, s, u, &ldu, vt, &ldvt, work, &work_size, integers, &info, 1);     \
    return info;                                                                                                      \
  }                                                                                                                   \
  void gebrd(int m, int n, T* a, int lda, T* d, T* e, T* tau_q, T* tau_p, T* work, int work_size) {                   \
    force_single_thread();                                                                                            \
    int info = 0;                                                                                                     \
    p##gebrd_(&m, &n, a, &lda, d, e, tau_q, tau_p, work, &work_size, &info);                                          \
  }                                                                                                                   \
  int bdsdc(bool upper, int n, T* d, T* e, T* u, int ldu, T* vt, int ldvt, T* work, int* integers) {                  \
    force_single_thread();                                                                                            \
    int info = 0;                                                                                                     \
    p##bdsdc_(upper ? "U" : "L", "I", &n, d, e, u, &ldu, vt, &ldvt, nullptr, nullptr, work, integers, &info, 1, 1);   \
    return info;                                                                                                      \
  }                                                                                                                   \
  void ormbr_q(int m, int n, int columns, const T* a, int lda, const T* tau, T* c, int ldc, T* work, int work_size) { \
    force_single_thread();                                                                                            \
    int info = 0;                                                                                                     \
    p##ormbr_("Q", "L", "N", &m, &columns, &n, a, &lda, tau, c, &ldc, work, &work_size, &info, 1, 1, 1);              \
  }                                                                                                                   \
  void ormbr_p(int m, int n, int rows, const T* a, int lda, const T* tau, T* c, int ldc, T* work, int work_size) {    \
    force_single_thread();                                                                                            \
    int info = 0;                                                                                                     \
    p##ormbr_("P", "R", "T", &rows, &n, &m, a, &lda, tau, c, &ldc, work, &work_size, &info, 1, 1, 1);                 \
  }                                                                                                                   \
  int potri(int n, T* a, int lda) {                                                                                   \
    force_single_thread();                                                                                            \
    int info = 0;                                                                                                     \
    p##potri_("U", &n, a, &lda, &info, 1);                                                                            \
    return info;                                                                                                      \
  }                                                                                                                   \
  void laswp(int n, T* a, int lda, int first, int last, const int* pivots) {                                          \
    force_single_thread();                                                                                            \
    const int one = 1;                                                                                                \
    p##laswp_(&n, a, &lda, &first, &last, pivots, &one);                                                              \
  }

COTANGENT_LAPACK_TYPE(s, float)
COTANGENT_LAPACK_TYPE(d, double)
#undef COTANGENT_LAPACK_TYPE

}  // namespace cotangent::cpu::blas
