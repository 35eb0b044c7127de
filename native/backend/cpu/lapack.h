// The LAPACK entry points in use beside `potrf`, as in blas.h: Fortran symbols, overloaded by type, column-major, on
// the calling thread. `work` arguments hold what the matching `..._work` function says, in elements.
#ifndef COTANGENT_BACKEND_CPU_LAPACK_H
#define COTANGENT_BACKEND_CPU_LAPACK_H

namespace cotangent::cpu::blas {

#define COTANGENT_LAPACK_TYPE(T)                                                                                      \
  /* P A = L U of A [m, n] in place; pivots are counted from 1. 0, or the order of the first zero pivot. */           \
  int getrf(int m, int n, T* a, int lda, int* pivots);                                                                \
  /* Swaps rows first .. last (counted from 1) of A with those that the pivots name. */                               \
  void laswp(int n, T* a, int lda, int first, int last, const int* pivots);                                           \
  /* A = L Q of A [m, n] in place (L below, reflectors above), and the first `rows` rows of Q from them, in place. */ \
  void gelqf(int m, int n, T* a, int lda, T* tau, T* work, int work_size);                                            \
  void orglq(int rows, int n, int reflectors, T* a, int lda, const T* tau, T* work, int work_size);

COTANGENT_LAPACK_TYPE(float)
COTANGENT_LAPACK_TYPE(double)
#undef COTANGENT_LAPACK_TYPE

}  // namespace cotangent::cpu::blas

#endif
