#include "native/backend/cpu/lapack.h"

#include <cstddef>

#include "native/backend/cpu/blas.h"

// Fortran passes everything by reference and appends the lengths of character arguments.
#define COTANGENT_LAPACK_TYPE(p, T)                                                                   \
  void p##getrf_(const int*, const int*, T*, const int*, int*, int*);                                 \
  void p##gelqf_(const int*, const int*, T*, const int*, T*, T*, const int*, int*);                   \
  void p##orglq_(const int*, const int*, const int*, T*, const int*, const T*, T*, const int*, int*); \
  void p##laswp_(const int*, T*, const int*, const int*, const int*, const int*, const int*);

extern "C" {
COTANGENT_LAPACK_TYPE(s, float)
COTANGENT_LAPACK_TYPE(d, double)
}
#undef COTANGENT_LAPACK_TYPE

namespace cotangent::cpu::blas {

#define COTANGENT_LAPACK_TYPE(p, T)                                                                  \
  int getrf(int m, int n, T* a, int lda, int* pivots) {                                              \
    force_single_thread();                                                                           \
    int info = 0;                                                                                    \
    p##getrf_(&m, &n, a, &lda, pivots, &info);                                                       \
    return info;                                                                                     \
  }                                                                                                  \
  void gelqf(int m, int n, T* a, int lda, T* tau, T* work, int work_size) {                          \
    force_single_thread();                                                                           \
    int info = 0;                                                                                    \
    p##gelqf_(&m, &n, a, &lda, tau, work, &work_size, &info);                                        \
  }                                                                                                  \
  void orglq(int rows, int n, int reflectors, T* a, int lda, const T* tau, T* work, int work_size) { \
    force_single_thread();                                                                           \
    int info = 0;                                                                                    \
    p##orglq_(&rows, &n, &reflectors, a, &lda, tau, work, &work_size, &info);                        \
  }                                                                                                  \
  void laswp(int n, T* a, int lda, int first, int last, const int* pivots) {                         \
    force_single_thread();                                                                           \
    const int one = 1;                                                                               \
    p##laswp_(&n, a, &lda, &first, &last, pivots, &one);                                             \
  }

COTANGENT_LAPACK_TYPE(s, float)
COTANGENT_LAPACK_TYPE(d, double)
#undef COTANGENT_LAPACK_TYPE

}  // namespace cotangent::cpu::blas
