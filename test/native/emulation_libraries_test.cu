// The emulated cuBLAS, cuSOLVER and cuSPARSE against plain loops, and what they refuse.
#include <cublas_v2.h>
#include <cusolverDn.h>
#include <cusparse.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <type_traits>

#include "test/native/emulation_testing.h"

namespace cotangent::testing {
namespace {

std::mt19937 generator(1);

template <class T>
std::vector<T> random_values(size_t count) {
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<T> values(count);
  for (T& value : values) value = static_cast<T>(uniform(generator));
  return values;
}

// Column-major.
template <class T>
struct Matrix {
  int rows, columns;
  std::vector<T> data;
  Matrix(int rows, int columns) : rows(rows), columns(columns), data(static_cast<size_t>(rows * columns)) {}
  Matrix(int rows, int columns, std::vector<T> values) : rows(rows), columns(columns), data(std::move(values)) {}
  T& operator()(int i, int j) { return data[static_cast<size_t>(i + j * rows)]; }
  T operator()(int i, int j) const { return data[static_cast<size_t>(i + j * rows)]; }
};

template <class T>
Matrix<T> random_matrix(int rows, int columns) {
  return {rows, columns, random_values<T>(static_cast<size_t>(rows * columns))};
}

template <class T>
Matrix<T> multiply(const Matrix<T>& a, const Matrix<T>& b, bool ta = false, bool tb = false) {
  const int m = ta ? a.columns : a.rows, k = ta ? a.rows : a.columns, n = tb ? b.rows : b.columns;
  Matrix<T> c(m, n);
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) {
      double sum = 0;
      for (int l = 0; l < k; ++l) {
        sum += static_cast<double>(ta ? a(l, i) : a(i, l)) * static_cast<double>(tb ? b(j, l) : b(l, j));
      }
      c(i, j) = static_cast<T>(sum);
    }
  }
  return c;
}

// Sums of a few dozen products of numbers below 1, and factorisations of well-conditioned matrices: some hundred units
// of rounding.
template <class T>
constexpr double kTolerance = std::is_same_v<T, float> ? 3e-5 : 3e-14;

template <class T>
void close(const std::vector<T>& values, const std::vector<T>& expected, const char* what) {
  double error = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double difference = std::abs(static_cast<double>(values[i]) - static_cast<double>(expected[i]));
    error = difference <= error ? error : difference;  // NaN is an error, too
  }
  CHECK(error <= kTolerance<T> && values.size() == expected.size(), "%s: off by %g", what, error);
}

// A symmetric matrix with eigenvalues of 1 and more.
template <class T>
Matrix<T> positive_definite(int n) {
  const Matrix<T> r = random_matrix<T>(n, n);
  Matrix<T> a = multiply(r, r, false, true);
  for (int i = 0; i < n; ++i) a(i, i) += 1;
  return a;
}

#define BLAS(call) CHECK((call) == CUBLAS_STATUS_SUCCESS, "%s", emulation::last_fault().c_str())
#define SOLVER(call) CHECK((call) == CUSOLVER_STATUS_SUCCESS, "%s", emulation::last_fault().c_str())
#define SPARSE(call) CHECK((call) == CUSPARSE_STATUS_SUCCESS, "%s", emulation::last_fault().c_str())

// The entry point of the type.
#define BY_TYPE(T, prefix, name)              \
  ([] {                                       \
    if constexpr (std::is_same_v<T, float>) { \
      return prefix##S##name;                 \
    } else {                                  \
      return prefix##D##name;                 \
    }                                         \
  }())

template <class T>
void products(cublasHandle_t handle) {
  const int m = 5, n = 7, k = 3;
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      const Matrix<T> a = ta ? random_matrix<T>(k, m) : random_matrix<T>(m, k);
      const Matrix<T> b = tb ? random_matrix<T>(n, k) : random_matrix<T>(k, n);
      const Array<T> da(a.data), db(b.data), dc(35);  // c is poison: beta 0 must not read it
      const T one = 1, zero = 0, two = 2;
      const auto oa = ta ? CUBLAS_OP_T : CUBLAS_OP_N, ob = tb ? CUBLAS_OP_T : CUBLAS_OP_N;
      BLAS(BY_TYPE(T, cublas, gemm)(handle, oa, ob, m, n, k, &one, da.data(), a.rows, db.data(), b.rows, &zero,
                                    dc.data(), m));
      Matrix<T> c = multiply(a, b, ta, tb);
      close(dc.get(), c.data, "gemm");
      BLAS(BY_TYPE(T, cublas, gemm_64)(handle, oa, ob, m, n, k, &one, da.data(), a.rows, db.data(), b.rows, &two,
                                       dc.data(), m));
      for (T& value : c.data) value *= 3;
      close(dc.get(), c.data, "gemm with beta");
    }
  }
  // Batches: by strides (one A for all), and by pointers with scalars on the device.
  const Matrix<T> a = random_matrix<T>(m, k), b = random_matrix<T>(k, n * 3);
  const Array<T> da(a.data), db(b.data), dc(105), dd(105);
  const T one = 1, zero = 0;
  BLAS(BY_TYPE(T, cublas, gemmStridedBatched_64)(handle, CUBLAS_OP_N, CUBLAS_OP_N, m, n, k, &one, da.data(), m, 0,
                                                 db.data(), k, k * n, &zero, dc.data(), m, m * n, 3));
  close(dc.get(), multiply(a, b).data, "gemmStridedBatched");
  const Array<const T*> as(std::vector<const T*>(3, da.data()));
  const Array<const T*> bs(std::vector<const T*>{db.data(), db.data() + k * n, db.data() + 2 * k * n});
  const Array<T*> ds(std::vector<T*>{dd.data(), dd.data() + m * n, dd.data() + 2 * m * n});
  const Array<T> scalars(std::vector<T>{1, 0});
  BLAS(cublasSetPointerMode(handle, CUBLAS_POINTER_MODE_DEVICE));
  BLAS(BY_TYPE(T, cublas, gemmBatched)(handle, CUBLAS_OP_N, CUBLAS_OP_N, m, n, k, scalars.data(), as.data(), m,
                                       bs.data(), k, scalars.data() + 1, ds.data(), m, 3));
  BLAS(cublasSetPointerMode(handle, CUBLAS_POINTER_MODE_HOST));
  close(dd.get(), multiply(a, b).data, "gemmBatched");
}

template <class T>
void vectors(cublasHandle_t handle) {
  const Matrix<T> a = random_matrix<T>(4, 6), x = random_matrix<T>(6, 1), z = random_matrix<T>(4, 1);
  const Array<T> da(a.data), dx(x.data), dy(4), dz(z.data);
  const T one = 1, zero = 0, minus_two = -2;
  BLAS(BY_TYPE(T, cublas, gemv)(handle, CUBLAS_OP_N, 4, 6, &one, da.data(), 4, dx.data(), 1, &zero, dy.data(), 1));
  Matrix<T> y = multiply(a, x);
  close(dy.get(), y.data, "gemv");
  T dot = 0, norm = 0, expected_dot = 0, expected_norm = 0;
  BLAS(BY_TYPE(T, cublas, axpy)(handle, 4, &minus_two, dz.data(), 1, dy.data(), 1));
  for (int i = 0; i < 4; ++i) {
    y(i, 0) -= 2 * z(i, 0);
    expected_dot += y(i, 0) * z(3 - i, 0);
    expected_norm += z(i, 0) * z(i, 0);
  }
  close(dy.get(), y.data, "axpy");
  BLAS(BY_TYPE(T, cublas, dot)(handle, 4, dy.data(), 1, dz.data(), -1, &dot));
  BLAS(BY_TYPE(T, cublas, nrm2)(handle, 4, dz.data(), 1, &norm));
  close(std::vector<T>{dot, norm}, std::vector<T>{expected_dot, std::sqrt(expected_norm)}, "dot and nrm2");
  // C = A^T - 2 B, and rows scaled.
  const Matrix<T> b = random_matrix<T>(6, 4);
  const Array<T> db(b.data), dc(24);
  BLAS(BY_TYPE(T, cublas, geam)(handle, CUBLAS_OP_T, CUBLAS_OP_N, 6, 4, &one, da.data(), 4, &minus_two, db.data(), 6,
                                dc.data(), 6));
  Matrix<T> c(6, 4);
  for (int i = 0; i < 6; ++i) {
    for (int j = 0; j < 4; ++j) c(i, j) = a(j, i) - 2 * b(i, j);
  }
  close(dc.get(), c.data, "geam");
  BLAS(BY_TYPE(T, cublas, dgmm)(handle, CUBLAS_SIDE_LEFT, 6, 4, dc.data(), 6, dx.data(), 1, dc.data(), 6));
  for (int i = 0; i < 6; ++i) {
    for (int j = 0; j < 4; ++j) c(i, j) *= x(i, 0);
  }
  close(dc.get(), c.data, "dgmm");
}

template <class T>
void triangular(cublasHandle_t handle) {
  Matrix<T> a = random_matrix<T>(4, 4);
  for (int i = 0; i < 4; ++i) {
    a(i, i) = static_cast<T>(2 + i);
    for (int j = i + 1; j < 4; ++j) a(i, j) = 0;
  }
  const Matrix<T> x = random_matrix<T>(4, 3);
  const T one = 1;
  const Array<T> da(a.data), left(multiply(a, x).data), right(multiply(x, a, true, true).data);
  BLAS(BY_TYPE(T, cublas, trsm)(handle, CUBLAS_SIDE_LEFT, CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_N, CUBLAS_DIAG_NON_UNIT, 4,
                                3, &one, da.data(), 4, left.data(), 4));
  close(left.get(), x.data, "trsm");
  const Array<const T*> as(std::vector<const T*>{da.data()});
  const Array<T*> bs(std::vector<T*>{right.data()});
  BLAS(BY_TYPE(T, cublas, trsmBatched)(handle, CUBLAS_SIDE_RIGHT, CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_T,
                                       CUBLAS_DIAG_NON_UNIT, 3, 4, &one, as.data(), 4, bs.data(), 3, 1));
  Matrix<T> transposed(3, 4);
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 4; ++j) transposed(i, j) = x(j, i);
  }
  close(right.get(), transposed.data, "trsmBatched");
}

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
  const Matrix<T> a = positive_definite<T>(n), x = random_matrix<T>(n, 2), b = multiply(a, x);
  {
    const Array<T> da(a.data), db(b.data);
    SOLVER(BY_TYPE(T, cusolverDn, potrf_bufferSize)(handle, CUBLAS_FILL_MODE_LOWER, n, da.data(), n, &size));
    const Workspace<T> work(size);
    SOLVER(BY_TYPE(T, cusolverDn, potrf)(handle, CUBLAS_FILL_MODE_LOWER, n, da.data(), n, work.memory.data(), size,
                                         info.data()));
    Matrix<T> l(n, n, da.get());
    for (int j = 0; j < n; ++j) std::fill_n(&l(0, j), j, T{0});
    CHECK(info.get()[0] == 0, "%d", info.get()[0]);
    close(multiply(l, l, false, true).data, a.data, "potrf");
    SOLVER(
        BY_TYPE(T, cusolverDn, potrs)(handle, CUBLAS_FILL_MODE_LOWER, n, 2, da.data(), n, db.data(), n, info.data()));
    close(db.get(), x.data, "potrs");
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
    const Array<T> da(a.data), db(b.data);
    const Array<int> pivots(n);
    SOLVER(BY_TYPE(T, cusolverDn, getrf_bufferSize)(handle, n, n, da.data(), n, &size));
    const Workspace<T> work(size);
    SOLVER(BY_TYPE(T, cusolverDn, getrf)(handle, n, n, da.data(), n, work.memory.data(), pivots.data(), info.data()));
    SOLVER(BY_TYPE(T, cusolverDn, getrs)(handle, CUBLAS_OP_N, n, 2, da.data(), n, pivots.data(), db.data(), n,
                                         info.data()));
    close(db.get(), x.data, "getrf, getrs");
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
    // Q^T A = R by the reflectors, then Q itself.
    const Array<T> dc(tall.data);
    SOLVER(BY_TYPE(T, cusolverDn, ormqr)(handle, CUBLAS_SIDE_LEFT, CUBLAS_OP_T, rows, n, n, da.data(), rows, tau.data(),
                                         dc.data(), rows, work.memory.data(), size, info.data()));
    const Matrix<T> rotated(rows, n, dc.get());
    Matrix<T> top(n, n);
    for (int j = 0; j < n; ++j) {
      for (int i = 0; i < n; ++i) top(i, j) = rotated(i, j);
    }
    close(top.data, r.data, "ormqr");
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
    const Array<T> da(tall.data), s(n), u(rows * n), v(n * n);
    gesvdjInfo_t parameters;
    SOLVER(cusolverDnCreateGesvdjInfo(&parameters));
    SOLVER(BY_TYPE(T, cusolverDn, gesvdj_bufferSize)(handle, job, 1, rows, n, da.data(), rows, s.data(), u.data(), rows,
                                                     v.data(), n, &size, parameters));
    const Workspace<T> work(size);
    SOLVER(BY_TYPE(T, cusolverDn, gesvdj)(handle, job, 1, rows, n, da.data(), rows, s.data(), u.data(), rows, v.data(),
                                          n, work.memory.data(), size, infos.data(), parameters));
    Matrix<T> vt(n, n);
    const Matrix<T> columns(n, n, v.get());
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < n; ++j) vt(i, j) = columns(j, i);
    }
    check_singular(Matrix<T>(rows, n, u.get()), s.get(), vt, "gesvdj");
    CHECK(BY_TYPE(T, cusolverDn, gesvdjBatched_bufferSize)(handle, job, 33, 2, da.data(), 33, s.data(), u.data(), 33,
                                                           v.data(), 2, &size, parameters,
                                                           1) == CUSOLVER_STATUS_INVALID_VALUE,
          "33 rows in a batch");
    SOLVER(cusolverDnDestroyGesvdjInfo(parameters));
  }
}

template <class T>
void sparse(cusparseHandle_t handle) {
  // [[1, 0, 2], [0, 0, 3]]
  const cudaDataType type = std::is_same_v<T, float> ? CUDA_R_32F : CUDA_R_64F;
  const Array<int> offsets(std::vector<int>{0, 2, 3}), indices(std::vector<int>{0, 2, 2});
  const Array<T> values(std::vector<T>{1, 2, 3}), x(std::vector<T>{1, 10, 100}), y(2);
  const Array<T> b(std::vector<T>{1, 2, 3, 4}), c(std::vector<T>{1, 1, 1, 1, 1, 1});
  cusparseConstSpMatDescr_t a;
  cusparseConstDnVecDescr_t dx;
  cusparseDnVecDescr_t dy;
  cusparseConstDnMatDescr_t db;
  cusparseDnMatDescr_t dc;
  SPARSE(cusparseCreateConstCsr(&a, 2, 3, 3, offsets.data(), indices.data(), values.data(), CUSPARSE_INDEX_32I,
                                CUSPARSE_INDEX_32I, CUSPARSE_INDEX_BASE_ZERO, type));
  SPARSE(cusparseCreateConstDnVec(&dx, 3, x.data(), type));
  SPARSE(cusparseCreateDnVec(&dy, 2, y.data(), type));
  SPARSE(cusparseCreateConstDnMat(&db, 2, 2, 2, b.data(), type, CUSPARSE_ORDER_ROW));
  SPARSE(cusparseCreateDnMat(&dc, 3, 2, 2, c.data(), type, CUSPARSE_ORDER_ROW));
  const T one = 1, zero = 0, ten = 10;
  size_t bytes = 0;
  const auto plain = CUSPARSE_OPERATION_NON_TRANSPOSE, transposed = CUSPARSE_OPERATION_TRANSPOSE;
  SPARSE(cusparseSpMV_bufferSize(handle, plain, &one, a, dx, &zero, dy, type, CUSPARSE_SPMV_ALG_DEFAULT, &bytes));
  const Array<char> buffer(bytes);
  SPARSE(cusparseSpMV(handle, plain, &one, a, dx, &zero, dy, type, CUSPARSE_SPMV_ALG_DEFAULT, buffer.data()));
  CHECK((y.get() == std::vector<T>{201, 300}), "%g", static_cast<double>(y.get()[0]));
  SPARSE(
      cusparseSpMM(handle, transposed, plain, &one, a, db, &ten, dc, type, CUSPARSE_SPMM_ALG_DEFAULT, buffer.data()));
  CHECK((c.get() == std::vector<T>{11, 12, 10, 10, 21, 26}), "%g", static_cast<double>(c.get()[4]));
  CHECK(cusparseSpMM(handle, plain, plain, &one, a, db, &ten, dc, type, CUSPARSE_SPMM_ALG_DEFAULT, buffer.data()) ==
            CUSPARSE_STATUS_INVALID_VALUE,
        "shapes that do not fit");
  cusparseDestroySpMat(a);
  cusparseDestroyDnVec(dx);
  cusparseDestroyDnVec(dy);
  cusparseDestroyDnMat(db);
  cusparseDestroyDnMat(dc);
}

// Work is queued on the handle's stream, and an operand that reaches past its allocation is a fault.
void queue_and_faults(cublasHandle_t handle, cudaStream_t stream) {
  const float one = 1, zero = 0;
  {
    const Array<float> a(std::vector<float>(64, 1.0f)), b(std::vector<float>(64, 1.0f)), c(64);
    float* result = nullptr;
    OK(cudaMallocHost(&result, 4));
    *result = 0;
    BLAS(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, 8, 8, 8, &one, a.data(), 8, b.data(), 8, &zero, c.data(), 8));
    OK(cudaMemcpyAsync(result, c.data(), 4, cudaMemcpyDeviceToHost, stream));
    CHECK(*result == 0.0f, "ran before anybody waited");
    OK(cudaStreamSynchronize(stream));
    CHECK(*result == 8.0f, "%g", static_cast<double>(*result));
    OK(cudaFreeHost(result));
    CHECK(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, 8, 8, 8, &one, a.data(), 7, b.data(), 8, &zero, c.data(), 8) ==
              CUBLAS_STATUS_INVALID_VALUE,
          "a leading dimension that is too small");
    BLAS(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, 8, 9, 8, &one, a.data(), 8, b.data(), 8, &zero, c.data(), 8));
    CHECK(cudaStreamSynchronize(stream) == cudaErrorIllegalAddress, "not seen");
    CHECK_FAULT("cublas gemm: operand B of 288 bytes");
  }
  OK(cudaDeviceReset());
  BLAS(cublasSetStream(handle, nullptr));
  const Array<float> a(std::vector<float>(64, 1.0f)), b(std::vector<float>(64, 1.0f));
  BLAS(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, 8, 8, 8, &one, a.data(), 8, b.data(), 8, &zero, a.data(), 8));
  CHECK(cudaDeviceSynchronize() == cudaErrorLaunchFailure, "not seen");
  CHECK_FAULT("cublas gemm: C is in place of A");
}

int main() {
  cudaStream_t stream;
  cublasHandle_t blas;
  cusolverDnHandle_t solver;
  cusparseHandle_t sparse_handle;
  OK(cudaStreamCreateWithFlags(&stream, cudaStreamDefault));
  BLAS(cublasCreate(&blas));
  BLAS(cublasSetStream(blas, stream));
  SOLVER(cusolverDnCreate(&solver));
  SOLVER(cusolverDnSetStream(solver, stream));
  SPARSE(cusparseCreate(&sparse_handle));
  SPARSE(cusparseSetStream(sparse_handle, stream));
  products<float>(blas);
  products<double>(blas);
  vectors<float>(blas);
  vectors<double>(blas);
  triangular<float>(blas);
  triangular<double>(blas);
  factorizations<float>(solver);
  factorizations<double>(solver);
  spectra<float>(solver);
  spectra<double>(solver);
  sparse<float>(sparse_handle);
  sparse<double>(sparse_handle);
  queue_and_faults(blas, stream);
  BLAS(cublasDestroy(blas));
  SOLVER(cusolverDnDestroy(solver));
  SPARSE(cusparseDestroy(sparse_handle));
  return finish();
}

}  // namespace
}  // namespace cotangent::testing

int main() { return cotangent::testing::main(); }
