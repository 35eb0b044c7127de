#include "native/backend/cpu/blas.h"

#include <dlfcn.h>

#include <cstddef>
#include <mutex>

// Fortran passes everything by reference and appends the lengths of character arguments.
#define COTANGENT_BLAS_TYPE(p, T)                                                                                    \
  void p##gemm_(const char*, const char*, const int*, const int*, const int*, const T*, const T*, const int*,        \
                const T*, const int*, const T*, T*, const int*, size_t, size_t);                                     \
  void p##gemv_(const char*, const int*, const int*, const T*, const T*, const int*, const T*, const int*, const T*, \
                T*, const int*, size_t);                                                                             \
  void p##syrk_(const char*, const char*, const int*, const int*, const T*, const T*, const int*, const T*, T*,      \
                const int*, size_t, size_t);                                                                         \
  void p##trsm_(const char*, const char*, const char*, const char*, const int*, const int*, const T*, const T*,      \
                const int*, T*, const int*, size_t, size_t, size_t, size_t);                                         \
  void p##trsv_(const char*, const char*, const char*, const int*, const T*, const int*, T*, const int*, size_t,     \
                size_t, size_t);                                                                                     \
  void p##potrf_(const char*, const int*, T*, const int*, int*, size_t);

extern "C" {
COTANGENT_BLAS_TYPE(s, float)
COTANGENT_BLAS_TYPE(d, double)
}
#undef COTANGENT_BLAS_TYPE

namespace cotangent::cpu::blas {
namespace {

// Looked up by name so that a BLAS without it links as well.
template <class F>
F* optional_symbol(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_DEFAULT, name));
}

void set_one_thread() {
  static std::mutex mutex;  // the setters write a global without a lock
  const std::lock_guard<std::mutex> lock(mutex);
  if (auto* set = optional_symbol<void(int)>("openblas_set_num_threads")) set(1);
  if (auto* set = optional_symbol<int(int)>("MKL_Set_Num_Threads_Local")) set(1);
  if (auto* set = optional_symbol<void(long)>("bli_thread_set_num_threads")) set(1);
}

}  // namespace

void force_single_thread() {
  // Per thread: a BLAS built with OpenMP keeps its thread count per thread.
  thread_local bool done = false;
  if (done) return;
  set_one_thread();
  done = true;
}

std::string description() {
  if (auto* config = optional_symbol<char*()>("openblas_get_config")) {
    std::string text = config();
    while (!text.empty() && text.back() == ' ') text.pop_back();
    auto* core = optional_symbol<char*()>("openblas_get_corename");
    const std::string name = core ? core() : "";
    if (!name.empty() && text.find(name) == std::string::npos) text += " " + name;
    return text;
  }
  return "BLAS without a description (not OpenBLAS)";
}

#define COTANGENT_BLAS_TYPE(p, T)                                                                                    \
  void gemm(bool transpose_a, bool transpose_b, int m, int n, int k, T alpha, const T* a, int lda, const T* b,       \
            int ldb, T beta, T* c, int ldc) {                                                                        \
    force_single_thread();                                                                                           \
    /* Row-major C is column-major C^T = op(B)^T op(A)^T. */                                                         \
    p##gemm_(transpose_b ? "T" : "N", transpose_a ? "T" : "N", &n, &m, &k, &alpha, b, &ldb, a, &lda, &beta, c, &ldc, \
             1, 1);                                                                                                  \
  }                                                                                                                  \
  void gemv(char trans, int m, int n, T alpha, const T* a, int lda, const T* x, T beta, T* y) {                      \
    force_single_thread();                                                                                           \
    const int one = 1;                                                                                               \
    p##gemv_(&trans, &m, &n, &alpha, a, &lda, x, &one, &beta, y, &one, 1);                                           \
  }                                                                                                                  \
  void syrk(char uplo, char trans, int n, int k, T alpha, const T* a, int lda, T beta, T* c, int ldc) {              \
    force_single_thread();                                                                                           \
    p##syrk_(&uplo, &trans, &n, &k, &alpha, a, &lda, &beta, c, &ldc, 1, 1);                                          \
  }                                                                                                                  \
  void trsm(char side, char uplo, char trans, char diag, int m, int n, const T* a, int lda, T* b, int ldb) {         \
    force_single_thread();                                                                                           \
    const T one = 1;                                                                                                 \
    p##trsm_(&side, &uplo, &trans, &diag, &m, &n, &one, a, &lda, b, &ldb, 1, 1, 1, 1);                               \
  }                                                                                                                  \
  void trsv(char uplo, char trans, char diag, int n, const T* a, int lda, T* x) {                                    \
    force_single_thread();                                                                                           \
    const int one = 1;                                                                                               \
    p##trsv_(&uplo, &trans, &diag, &n, a, &lda, x, &one, 1, 1, 1);                                                   \
  }                                                                                                                  \
  int potrf(char uplo, int n, T* a, int lda) {                                                                       \
    force_single_thread();                                                                                           \
    int info = 0;                                                                                                    \
    p##potrf_(&uplo, &n, a, &lda, &info, 1);                                                                         \
    return info;                                                                                                     \
  }

COTANGENT_BLAS_TYPE(s, float)
COTANGENT_BLAS_TYPE(d, double)
#undef COTANGENT_BLAS_TYPE

}  // namespace cotangent::cpu::blas
