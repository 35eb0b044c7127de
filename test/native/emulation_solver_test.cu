// The emulated cuSOLVER: factorisations and spectra must give the matrix again; and what it refuses.
#include <cusolverDn.h>

#include "test/native/emulation_libraries_testing.h"

namespace cotangent::testing {
namespace {

// The entry points that want a workspace: asked for its size, then called with it.
template <class T>
struct Workspace {
  Array<T> memory;
  int size;
  explicit Workspace(int size) : memory(static_cast<size_t>(size)), size(size) {}
};

template <class T>
void factorizations(cusolverDnHandle_t handle) {
  const int n = 6;
  int size = 0;
  const Array<int> info(std::vector<int>{-1});
  const Matrix<T> a = positive_definite<T>(n);
  {
    const Array<T> da(a.data);
    SOLVER(BY_TYPE(T, cusolverDn, potrf_bufferSize)(handle, CUBLAS_FILL_MODE_LOWER, n, da.data(), n, &size));
    const Workspace<T> work(size);
    SOLVER(BY_TYPE(T, cusolverDn, potrf)(handle, CUBLAS_FILL_MODE_LOWER, n, da.data(), n, work.memory.data(), size,
                                         info.data()));
    Matrix<T> l(n, n, da.get());
    for (int j = 0; j < n; ++j) std::fill_n(&l(0, j), j, T{0});
    CHECK(info.get()[0] == 0, "%d", info.get()[0]);
    close(multiply(l, l, false, true).data, a.data, "potrf");
    SOLVER(BY_TYPE(T, cusolverDn, potri_bufferSize)(handle, CUBLAS_FILL_MODE_LOWER, n, da.data(), n, &size));
    CHECK(size <= work.size, "%d elements", size);
    SOLVER(BY_TYPE(T, cusolverDn, potri)(handle, CUBLAS_FILL_MODE_LOWER, n, da.data(), n, work.memory.data(), size,
                                         info.data()));
    Matrix<T> inverse(n, n, da.get()), identity(n, n);
    for (int j = 0; j < n; ++j) {
      identity(j, j) = 1;
      for (int i = 0; i < j; ++i) inverse(i, j) = inverse(j, i);
    }
    close(multiply(inverse, a).data, identity.data, "potri");
    CHECK(BY_TYPE(T, cusolverDn, potrf)(handle, CUBLAS_FILL_MODE_LOWER, n, da.data(), n, work.memory.data(), size - 1,
                                        info.data()) == CUSOLVER_STATUS_INVALID_VALUE,
          "a workspace that is too small");
  }
  {
    // The second of two matrices has no Cholesky factor from its third row on.
    std::vector<T> two = a.data;
    Matrix<T> bad = a;
    bad(2, 2) = -1;
    two.insert(two.end(), bad.data.begin(), bad.data.end());
    const Array<T> da(two);
    const Array<T*> pointers(std::vector<T*>{da.data(), da.data() + n * n});
    const Array<int> infos(2);
    SOLVER(
        BY_TYPE(T, cusolverDn, potrfBatched)(handle, CUBLAS_FILL_MODE_LOWER, n, pointers.data(), n, infos.data(), 2));
    CHECK((infos.get() == std::vector<int>{0, 3}), "%d %d", infos.get()[0], infos.get()[1]);
  }
  {
    const Array<T> da(a.data);
    const Array<int> pivots(n);
    SOLVER(BY_TYPE(T, cusolverDn, getrf_bufferSize)(handle, n, n, da.data(), n, &size));
    const Workspace<T> work(size);
    SOLVER(BY_TYPE(T, cusolverDn, getrf)(handle, n, n, da.data(), n, work.memory.data(), pivots.data(), info.data()));
    close(multiply_factors(Matrix<T>(n, n, da.get())).data, permute(a, pivots.get()).data, "getrf");
    CHECK(BY_TYPE(T, cusolverDn, getrf)(handle, n, n, da.data(), n, work.memory.data(), nullptr, info.data()) ==
              CUSOLVER_STATUS_NOT_SUPPORTED,
          "without pivots");
  }
  {
    const int rows = 9;
    const Matrix<T> tall = random_matrix<T>(rows, n);
    const Array<T> da(tall.data), tau(n);
    SOLVER(BY_TYPE(T, cusolverDn, geqrf_bufferSize)(handle, rows, n, da.data(), rows, &size));
    const Workspace<T> work(size);
    SOLVER(BY_TYPE(T, cusolverDn, geqrf)(handle, rows, n, da.data(), rows, tau.data(), work.memory.data(), size,
                                         info.data()));
    const Matrix<T> packed(rows, n, da.get());
    Matrix<T> r(n, n), identity(n, n);
    for (int j = 0; j < n; ++j) {
      identity(j, j) = 1;
      for (int i = 0; i <= j; ++i) r(i, j) = packed(i, j);
    }
    SOLVER(BY_TYPE(T, cusolverDn, orgqr_bufferSize)(handle, rows, n, n, da.data(), rows, tau.data(), &size));
    CHECK(size <= work.size, "%d elements", size);
    SOLVER(BY_TYPE(T, cusolverDn, orgqr)(handle, rows, n, n, da.data(), rows, tau.data(), work.memory.data(), size,
                                         info.data()));
    const Matrix<T> q(rows, n, da.get());
    close(multiply(q, q, true).data, identity.data, "orthogonal");
    close(multiply(q, r).data, tall.data, "geqrf, orgqr");
  }
}

template <class T>
void spectra(cusolverDnHandle_t handle) {
  const int n = 5;
  int size = 0;
  const Array<int> infos(2);
  const Matrix<T> a = positive_definite<T>(n), b = positive_definite<T>(n);
  // V diag(w) V^T, which must be the matrix again; and the order of w.
  const auto check_eigen = [&](const Matrix<T>& matrix, const Matrix<T>& v, const std::vector<T>& w, const char* what) {
    Matrix<T> scaled = v;
    for (int j = 0; j < n; ++j) {
      for (int i = 0; i < n; ++i) scaled(i, j) *= w[static_cast<size_t>(j)];
    }
    close(multiply(scaled, v, false, true).data, matrix.data, what);
    CHECK(std::is_sorted(w.begin(), w.end()), "%s: not ascending", what);
  };
  const auto job = CUSOLVER_EIG_MODE_VECTOR;
  const auto lower = CUBLAS_FILL_MODE_LOWER;
  {
    const Array<T> da(a.data), w(n);
    SOLVER(BY_TYPE(T, cusolverDn, syevd_bufferSize)(handle, job, lower, n, da.data(), n, w.data(), &size));
    const Workspace<T> work(size);
    SOLVER(BY_TYPE(T, cusolverDn, syevd)(handle, job, lower, n, da.data(), n, w.data(), work.memory.data(), size,
                                         infos.data()));
    check_eigen(a, Matrix<T>(n, n, da.get()), w.get(), "syevd");
  }
  {
    std::vector<T> two = a.data;
    two.insert(two.end(), b.data.begin(), b.data.end());
    const Array<T> da(two), w(2 * n);
    syevjInfo_t parameters;
    SOLVER(cusolverDnCreateSyevjInfo(&parameters));
    SOLVER(BY_TYPE(T, cusolverDn, syevjBatched_bufferSize)(handle, job, lower, n, da.data(), n, w.data(), &size,
                                                           parameters, 2));
    const Workspace<T> work(size);
    SOLVER(BY_TYPE(T, cusolverDn, syevjBatched)(handle, job, lower, n, da.data(), n, w.data(), work.memory.data(), size,
                                                infos.data(), parameters, 2));
    const std::vector<T> v = da.get(), values = w.get();
    check_eigen(b, Matrix<T>(n, n, std::vector<T>(v.begin() + n * n, v.end())),
                std::vector<T>(values.begin() + n, values.end()), "syevjBatched");
    SOLVER(cusolverDnDestroySyevjInfo(parameters));
  }
  const int rows = 7;
  const Matrix<T> tall = random_matrix<T>(rows, n);
  // U has n columns or more.
  const auto check_singular = [&](const Matrix<T>& u, const std::vector<T>& s, const Matrix<T>& vt, const char* what) {
    Matrix<T> scaled(rows, n);
    for (int j = 0; j < n; ++j) {
      for (int i = 0; i < rows; ++i) scaled(i, j) = u(i, j) * s[static_cast<size_t>(j)];
    }
    close(multiply(scaled, vt).data, tall.data, what);
    CHECK(std::is_sorted(s.rbegin(), s.rend()) && s.back() >= 0, "%s: not descending", what);
  };
  {
    const Array<T> da(tall.data), s(n), u(rows * n), vt(n * n);
    SOLVER(BY_TYPE(T, cusolverDn, gesvd_bufferSize)(handle, rows, n, &size));
    const Workspace<T> work(size);
    SOLVER(BY_TYPE(T, cusolverDn, gesvd)(handle, 'S', 'S', rows, n, da.data(), rows, s.data(), u.data(), rows,
                                         vt.data(), n, work.memory.data(), size, static_cast<T*>(nullptr),
                                         infos.data()));
    check_singular(Matrix<T>(rows, n, u.get()), s.get(), Matrix<T>(n, n, vt.get()), "gesvd");
    CHECK(BY_TYPE(T, cusolverDn, gesvd_bufferSize)(handle, n, rows, &size) == CUSOLVER_STATUS_INVALID_VALUE,
          "a wide matrix");
  }
  {
    std::vector<T> two = random_values<T>(static_cast<size_t>(rows * n));
    two.insert(two.end(), tall.data.begin(), tall.data.end());
    const Array<T> da(two), s(2 * n), u(2 * rows * rows), v(2 * n * n);
    gesvdjInfo_t parameters;
    SOLVER(cusolverDnCreateGesvdjInfo(&parameters));
    SOLVER(BY_TYPE(T, cusolverDn, gesvdjBatched_bufferSize)(handle, job, rows, n, da.data(), rows, s.data(), u.data(),
                                                            rows, v.data(), n, &size, parameters, 2));
    const Workspace<T> work(size);
    SOLVER(BY_TYPE(T, cusolverDn, gesvdjBatched)(handle, job, rows, n, da.data(), rows, s.data(), u.data(), rows,
                                                 v.data(), n, work.memory.data(), size, infos.data(), parameters, 2));
    const std::vector<T> us = u.get(), ss = s.get(), vs = v.get();
    const Matrix<T> columns(n, n, std::vector<T>(vs.begin() + n * n, vs.end()));
    Matrix<T> vt(n, n);
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < n; ++j) vt(i, j) = columns(j, i);
    }
    check_singular(Matrix<T>(rows, rows, std::vector<T>(us.begin() + rows * rows, us.end())),
                   std::vector<T>(ss.begin() + n, ss.end()), vt, "gesvdjBatched");
    CHECK((infos.get() == std::vector<int>{0, 0}), "%d %d", infos.get()[0], infos.get()[1]);
    CHECK(BY_TYPE(T, cusolverDn, gesvdjBatched_bufferSize)(handle, job, 33, 2, da.data(), 33, s.data(), u.data(), 33,
                                                           v.data(), 2, &size, parameters,
                                                           1) == CUSOLVER_STATUS_INVALID_VALUE,
          "33 rows in a batch");
    SOLVER(cusolverDnDestroyGesvdjInfo(parameters));
  }
}

int main() {
  cusolverDnHandle_t handle;
  SOLVER(cusolverDnCreate(&handle));
  factorizations<float>(handle);
  factorizations<double>(handle);
  spectra<float>(handle);
  spectra<double>(handle);
  SOLVER(cusolverDnDestroy(handle));
  return finish();
}

}  // namespace
}  // namespace cotangent::testing

int main() { return cotangent::testing::main(); }
