// cuSOLVER: symmetric eigenvalue problems and singular values, with the library's limits on shapes.
#include <vector>

#include "native/emulation/libraries/cusolver_handle.h"
#include "native/emulation/libraries/fortran.h"

struct syevjInfo {};
struct gesvdjInfo {};

namespace cotangent::emulation {
namespace {

constexpr cusolverStatus_t kInvalid = CUSOLVER_STATUS_INVALID_VALUE;
constexpr int kMostBatchedRows = 32;  // of gesvdjBatched

int64_t eigen_work(int64_t n) { return 1 + 6 * n + 2 * n * n; }
int64_t singular_work(int64_t m, int64_t n) { return std::max(int64_t{1}, 5 * std::max(m, n) + 64 * (m + n)); }

// Eigenvalues ascending. 0, or not converged. Works in memory of the host: the callers' workspaces differ in size.
template <class T>
int eigen(cusolverEigMode_t job, cublasFillMode_t uplo, int n, T* a, int lda, T* w) {
  if (n == 0) return 0;
  std::vector<T> work(static_cast<size_t>(eigen_work(n)));
  std::vector<int> integers(static_cast<size_t>(3 + 5 * n));
  const bool vectors = job == CUSOLVER_EIG_MODE_VECTOR;
  const int info = fortran::syevd(vectors ? 'V' : 'N', letter(uplo), n, a, lda, w, work.data(),
                                  static_cast<int>(work.size()), integers.data(), static_cast<int>(integers.size()));
  return info;
}

template <class T>
cusolverStatus_t syev(const char* function, cusolverDnHandle_t handle, cusolverEigMode_t job, cublasFillMode_t uplo,
                      int n, T* a, int lda, T* w, T* work, int size, int* infos, int batch) {
  if (handle == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  if (!valid(job) || !valid(uplo) || n < 0 || batch < 0 || !leads(lda, n) || size < eigen_work(n)) return kInvalid;
  return submit_solver(handle, [=] {
    Operands operands(function);
    const int64_t stride = int64_t{lda} * n;
    operands.matrices("A", a, n, n, lda, stride, batch);
    operands.vector("W", w, int64_t{n} * batch);
    operands.vector("work", work, size);
    if (!operands.vector("info", infos, batch)) return;
    for (int i = 0; i < batch; ++i) infos[i] = eigen(job, uplo, n, a + i * stride, lda, w + int64_t{i} * n);
  });
}

template <class T>
cusolverStatus_t gesvd(cusolverDnHandle_t handle, signed char job_u, signed char job_vt, int m, int n, T* a, int lda,
                       T* s, T* u, int ldu, T* vt, int ldvt, T* work, int size, int* info) {
  if (handle == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  const auto known = [](signed char job) { return job == 'A' || job == 'S' || job == 'O' || job == 'N'; };
  if (!known(job_u) || !known(job_vt) || (job_u == 'O' && job_vt == 'O') || n < 0 || m < 0 || !leads(lda, m) ||
      size < singular_work(m, n)) {
    return kInvalid;
  }
  if (m < n) return kInvalid;  // the library's gesvd takes tall matrices only
  const int k = std::min(m, n);
  if (((job_u == 'A' || job_u == 'S') && !leads(ldu, m)) || (job_vt == 'A' && !leads(ldvt, n)) ||
      (job_vt == 'S' && !leads(ldvt, k))) {
    return kInvalid;
  }
  return submit_solver(handle, [=] {
    Operands operands("cusolver gesvd");
    operands.matrix("A", a, m, n, lda);
    operands.vector("S", s, k);
    if (job_u == 'A' || job_u == 'S') operands.matrix("U", u, m, job_u == 'A' ? m : k, ldu);
    if (job_vt == 'A' || job_vt == 'S') operands.matrix("VT", vt, job_vt == 'A' ? n : k, n, ldvt);
    operands.vector("work", work, size);
    if (!operands.vector("info", info, 1)) return;
    *info = 0;
    if (k == 0) return;
    *info = fortran::gesvd(static_cast<char>(job_u), static_cast<char>(job_vt), m, n, a, lda, s, u, std::max(ldu, 1),
                           vt, std::max(ldvt, 1), work, size);
  });
}

// A = U diag(s) V^T with V itself, not its transpose, as the Jacobi functions give it.
template <class T>
int singular(cusolverEigMode_t job, int m, int n, T* a, int lda, T* s, T* u, int ldu, T* v, int ldv) {
  if (m == 0 || n == 0) return 0;
  const bool vectors = job == CUSOLVER_EIG_MODE_VECTOR;
  std::vector<T> work(static_cast<size_t>(singular_work(m, n)));
  std::vector<T> vt(static_cast<size_t>(vectors ? int64_t{n} * n : 1));
  const char letter = vectors ? 'A' : 'N';
  const int info = fortran::gesvd(letter, letter, m, n, a, lda, s, u, vectors ? ldu : 1, vt.data(), vectors ? n : 1,
                                  work.data(), static_cast<int>(work.size()));
  for (int j = 0; vectors && j < n; ++j) {
    for (int i = 0; i < n; ++i) v[i + int64_t{j} * ldv] = vt[static_cast<size_t>(j + int64_t{i} * n)];
  }
  return info;
}

struct Shape {
  cusolverEigMode_t job;
  int m, n, lda, ldu, ldv;

  bool check() const {
    if (!valid(job) || m < 0 || n < 0 || !leads(lda, m)) return false;
    return job == CUSOLVER_EIG_MODE_NOVECTOR || (leads(ldu, m) && leads(ldv, n));
  }
};

template <class T>
cusolverStatus_t gesvdj_batched(cusolverDnHandle_t handle, const Shape& p, T* a, T* s, T* u, T* v, T* work, int size,
                                int* infos, gesvdjInfo_t parameters, int batch) {
  if (handle == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  if (!p.check() || batch < 0 || parameters == nullptr || size < singular_work(p.m, p.n)) return kInvalid;
  return submit_solver(handle, [=] {
    Operands operands("cusolver gesvdjBatched");
    const int k = std::min(p.m, p.n);
    const int64_t stride_a = int64_t{p.lda} * p.n, stride_u = int64_t{p.ldu} * p.m, stride_v = int64_t{p.ldv} * p.n;
    operands.matrices("A", a, p.m, p.n, p.lda, stride_a, batch);
    operands.vector("S", s, int64_t{k} * batch);
    if (p.job == CUSOLVER_EIG_MODE_VECTOR) {
      operands.matrices("U", u, p.m, p.m, p.ldu, stride_u, batch);
      operands.matrices("V", v, p.n, p.n, p.ldv, stride_v, batch);
    }
    operands.vector("work", work, size);
    if (!operands.vector("info", infos, batch)) return;
    for (int i = 0; i < batch; ++i) {
      infos[i] = singular(p.job, p.m, p.n, a + i * stride_a, p.lda, s + int64_t{i} * k, u + i * stride_u, p.ldu,
                          v + i * stride_v, p.ldv);
    }
  });
}

template <class Info>
cusolverStatus_t create(Info** info) {
  if (info == nullptr) return kInvalid;
  *info = new Info;
  return CUSOLVER_STATUS_SUCCESS;
}

}  // namespace
}  // namespace cotangent::emulation

using namespace cotangent::emulation;

extern "C" {

cusolverStatus_t cusolverDnCreateSyevjInfo(syevjInfo_t* info) { return create(info); }
cusolverStatus_t cusolverDnDestroySyevjInfo(syevjInfo_t info) {
  delete info;
  return CUSOLVER_STATUS_SUCCESS;
}
cusolverStatus_t cusolverDnCreateGesvdjInfo(gesvdjInfo_t* info) { return create(info); }
cusolverStatus_t cusolverDnDestroyGesvdjInfo(gesvdjInfo_t info) {
  delete info;
  return CUSOLVER_STATUS_SUCCESS;
}

#define COTANGENT_CUSOLVER(L, T)                                                                                       \
  cusolverStatus_t cusolverDn##L##syevd_bufferSize(cusolverDnHandle_t handle, cusolverEigMode_t job,                   \
                                                   cublasFillMode_t uplo, int n, const T*, int lda, const T*,          \
                                                   int* size) {                                                        \
    return answer(handle, valid(job) && valid(uplo) && n >= 0 && leads(lda, n), eigen_work(n), size);                  \
  }                                                                                                                    \
  cusolverStatus_t cusolverDn##L##syevd(cusolverDnHandle_t handle, cusolverEigMode_t job, cublasFillMode_t uplo,       \
                                        int n, T* a, int lda, T* w, T* work, int size, int* info) {                    \
    return syev<T>("cusolver syevd", handle, job, uplo, n, a, lda, w, work, size, info, 1);                            \
  }                                                                                                                    \
  cusolverStatus_t cusolverDn##L##syevjBatched_bufferSize(cusolverDnHandle_t handle, cusolverEigMode_t job,            \
                                                          cublasFillMode_t uplo, int n, const T*, int lda, const T*,   \
                                                          int* size, syevjInfo_t parameters, int batch) {              \
    return answer(handle, parameters && batch >= 0 && valid(job) && valid(uplo) && n >= 0 && leads(lda, n),            \
                  eigen_work(n), size);                                                                                \
  }                                                                                                                    \
  cusolverStatus_t cusolverDn##L##syevjBatched(cusolverDnHandle_t handle, cusolverEigMode_t job,                       \
                                               cublasFillMode_t uplo, int n, T* a, int lda, T* w, T* work, int size,   \
                                               int* infos, syevjInfo_t parameters, int batch) {                        \
    if (parameters == nullptr) return kInvalid;                                                                        \
    return syev<T>("cusolver syevjBatched", handle, job, uplo, n, a, lda, w, work, size, infos, batch);                \
  }                                                                                                                    \
  cusolverStatus_t cusolverDn##L##gesvd_bufferSize(cusolverDnHandle_t handle, int m, int n, int* size) {               \
    return answer(handle, n >= 0 && m >= n, singular_work(m, n), size);                                                \
  }                                                                                                                    \
  cusolverStatus_t cusolverDn##L##gesvd(cusolverDnHandle_t handle, signed char job_u, signed char job_vt, int m,       \
                                        int n, T* a, int lda, T* s, T* u, int ldu, T* vt, int ldvt, T* work, int size, \
                                        T*, int* info) {                                                               \
    return gesvd<T>(handle, job_u, job_vt, m, n, a, lda, s, u, ldu, vt, ldvt, work, size, info);                       \
  }                                                                                                                    \
  cusolverStatus_t cusolverDn##L##gesvdjBatched_bufferSize(                                                            \
      cusolverDnHandle_t handle, cusolverEigMode_t job, int m, int n, const T*, int lda, const T*, const T*, int ldu,  \
      const T*, int ldv, int* size, gesvdjInfo_t parameters, int batch) {                                              \
    const Shape shape{job, m, n, lda, ldu, ldv};                                                                       \
    return answer(handle, parameters && batch >= 0 && shape.check() && std::max(m, n) <= kMostBatchedRows,             \
                  singular_work(m, n), size);                                                                          \
  }                                                                                                                    \
  cusolverStatus_t cusolverDn##L##gesvdjBatched(cusolverDnHandle_t handle, cusolverEigMode_t job, int m, int n, T* a,  \
                                                int lda, T* s, T* u, int ldu, T* v, int ldv, T* work, int size,        \
                                                int* infos, gesvdjInfo_t parameters, int batch) {                      \
    if (std::max(m, n) > kMostBatchedRows) return kInvalid;                                                            \
    return gesvdj_batched<T>(handle, {job, m, n, lda, ldu, ldv}, a, s, u, v, work, size, infos, parameters, batch);    \
  }

COTANGENT_CUSOLVER(S, float)
COTANGENT_CUSOLVER(D, double)
#undef COTANGENT_CUSOLVER

}  // extern "C"
