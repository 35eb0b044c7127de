// lu, qr, eigh, svd and their shorter kin by what defines their results: residuals in long double, orthogonality,
// order, signs and info; small and in pieces, batched, failing and empty.
#include <algorithm>
#include <cfloat>
#include <limits>

#include "native/kernels/linalg/divided_difference.h"
#include "test/native/kernel_testing.h"

namespace cotangent::testing {
namespace {

const double kNaN = std::numeric_limits<double>::quiet_NaN();
const double kInfinity = std::numeric_limits<double>::infinity();

// Householder reflections, Gaussian elimination with pivots and divide and conquer are backward stable: the residual is
// a few eps |A|, and |A| is below 1.2 sqrt(n) for random entries below 1; roundings of n steps add up as their root.
double allowed(int32_t dtype, int64_t n) {
  return 8 * (dtype == CT_FLOAT32 ? FLT_EPSILON : DBL_EPSILON) * static_cast<double>(1 + n);
}

// Matrix `index` of a batch.
struct Matrix {
  Matrix(const Value& value, int64_t index, int64_t rows, int64_t columns)
      : rows(rows), columns(columns), data(value.data.data() + index * rows * columns) {}
  double operator()(int64_t i, int64_t j) const { return data[i * columns + j]; }
  int64_t rows, columns;
  const double* data;
};

double worse(double worst, long double error) {
  return std::isnan(error) ? kInfinity : std::max(worst, static_cast<double>(std::abs(error)));
}

// Largest |sum over p of x(i, p) y(p, j) - z(i, j)|.
template <class X, class Y, class Z>
double residual(int64_t rows, int64_t inner, int64_t columns, X x, Y y, Z z) {
  double worst = 0;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      long double sum = -static_cast<long double>(z(i, j));
      for (int64_t p = 0; p < inner; ++p) sum += static_cast<long double>(x(i, p)) * y(p, j);
      worst = worse(worst, sum);
    }
  }
  return worst;
}

// |Q^T Q - I| of the columns of a matrix.
double skewness(const Matrix& q) {
  return residual(
      q.columns, q.rows, q.columns, [&](int64_t i, int64_t p) { return q(p, i); },
      [&](int64_t p, int64_t j) { return q(p, j); }, [](int64_t i, int64_t j) { return i == j ? 1.0 : 0.0; });
}

// Of the components of at least 0.9 of the largest magnitude the first is positive; the roundings of normalisation
// decide about one that is just there.
void check_orientation(const Matrix& v, double tolerance, const char* what) {
  for (int64_t j = 0; j < v.columns; ++j) {
    double largest = 0;
    for (int64_t i = 0; i < v.rows; ++i) largest = std::max(largest, std::abs(v(i, j)));
    for (int64_t i = 0; i < v.rows; ++i) {
      const double surplus = std::abs(v(i, j)) - 0.9 * largest;
      if (surplus < -tolerance) continue;
      CHECK(v(i, j) > 0 || surplus < tolerance, "%s: column %d points the other way: %g of %g", what,
            static_cast<int>(j), v(i, j), largest);
      break;
    }
  }
}

void check_all_nan(const Value& value, int64_t index, int64_t size, const char* what) {
  for (int64_t k = 0; k < size; ++k) {
    CHECK(std::isnan(value.data[static_cast<size_t>(index * size + k)]), "%s of a failing matrix is not NaN", what);
  }
}

void check_lu(int32_t dtype, int64_t batch, int64_t n, int cut, Random& random) {
  const Value a = random_value(dtype, {batch, n, n}, random);
  const std::vector<Value> out = run_kernel(
      "lu", {a}, {a.type, type_of(CT_INT32, {batch, n}), type_of(CT_INT32, {batch}), type_of(CT_INT32, {batch})}, {},
      cut);
  for (int64_t b = 0; b < batch; ++b) {
    const Matrix matrix(a, b, n, n), factors(out[0], b, n, n);
    const double* const permutation = out[1].data.data() + b * n;
    std::vector<int> seen(static_cast<size_t>(n));
    double sign = 1;
    for (int64_t i = 0; i < n; ++i) {
      ++seen[static_cast<size_t>(permutation[i])];
      for (int64_t j = 0; j < i; ++j) {
        if (permutation[j] > permutation[i]) sign = -sign;
        CHECK(std::abs(factors(i, j)) <= 1, "n %d: an entry of L is above 1: no partial pivoting", static_cast<int>(n));
      }
    }
    CHECK(std::all_of(seen.begin(), seen.end(), [](int count) { return count == 1; }), "not a permutation");
    CHECK(out[2].data[static_cast<size_t>(b)] == sign, "n %d: sign", static_cast<int>(n));
    CHECK(out[3].data[static_cast<size_t>(b)] == 0, "n %d: info", static_cast<int>(n));
    const double worst = residual(
        n, n, n, [&](int64_t i, int64_t p) { return i == p  ? 1.0
                                                    : p < i ? factors(i, p)
                                                            : 0.0; },
        [&](int64_t p, int64_t j) { return p <= j ? factors(p, j) : 0.0; },
        [&](int64_t i, int64_t j) { return matrix(static_cast<int64_t>(permutation[i]), j); });
    CHECK(worst <= allowed(dtype, n), "lu %s n %d: residual %g", dtype_name(dtype), static_cast<int>(n), worst);
  }
}

void check_lu_failures(int32_t dtype, int64_t n, int cut, Random& random) {
  Value a = random_value(dtype, {3, n, n}, random);
  for (int64_t i = 0; i < n; ++i) a.data[static_cast<size_t>(i * n + n / 2)] = 0;  // a column of zeros: singular
  a.data[static_cast<size_t>(n * n)] = kNaN;
  const std::vector<Value> out = run_kernel(
      "lu", {a}, {a.type, type_of(CT_INT32, {3, n}), type_of(CT_INT32, {3}), type_of(CT_INT32, {3})}, {}, cut);
  CHECK(out[3].data[0] == static_cast<double>(n / 2 + 1), "info of a singular matrix: %g", out[3].data[0]);
  CHECK(out[3].data[1] == static_cast<double>(n), "info of a matrix with NaN: %g", out[3].data[1]);
  CHECK(out[3].data[2] == 0, "the matrix beside it fails");
  check_all_nan(out[0], 1, n * n, "lu");
}

void check_qr(int32_t dtype, int64_t batch, int64_t m, int64_t n, int cut, Random& random) {
  const int64_t k = std::min(m, n);
  Value a = random_value(dtype, {batch, m, n}, random);
  const bool failing = batch > 1 && k > 0;
  if (failing) a.data[static_cast<size_t>(m * n)] = kInfinity;
  const std::vector<Value> out =
      run_kernel("qr", {a}, {type_of(dtype, {batch, m, k}), type_of(dtype, {batch, k, n})}, {}, cut);
  for (int64_t b = 0; b < batch; ++b) {
    if (failing && b == 1) {
      check_all_nan(out[0], 1, m * k, "Q");
      check_all_nan(out[1], 1, k * n, "R");
      continue;
    }
    const Matrix matrix(a, b, m, n), q(out[0], b, m, k), r(out[1], b, k, n);
    const double off = skewness(q), worst = residual(m, k, n, q, r, matrix);
    CHECK(off <= allowed(dtype, k), "qr %d x %d: Q is off by %g", static_cast<int>(m), static_cast<int>(n), off);
    CHECK(worst <= allowed(dtype, n), "qr %d x %d: residual %g", static_cast<int>(m), static_cast<int>(n), worst);
    for (int64_t i = 0; i < k; ++i) {
      CHECK(r(i, i) >= 0, "a negative diagonal");
      for (int64_t j = 0; j < i; ++j) CHECK(r(i, j) == 0, "R is not triangular");
    }
  }
}

void check_eigh(int32_t dtype, int64_t batch, int64_t n, int cut, Random& random) {
  Value a = random_value(dtype, {batch, n, n}, random);  // its symmetric part counts
  const bool failing = batch > 1 && n > 0;
  if (failing) a.data[static_cast<size_t>(n * n)] = kNaN;
  const ct_type w_type = type_of(dtype, {batch, n}), info_type = type_of(CT_INT32, {batch});
  const std::vector<Value> out = run_kernel("eigh", {a}, {w_type, a.type, info_type}, {}, cut);
  const std::vector<Value> alone = run_kernel("eigenvalues", {a}, {w_type, info_type}, {}, cut);
  for (int64_t b = 0; b < batch; ++b) {
    const double info = out[2].data[static_cast<size_t>(b)], other = alone[1].data[static_cast<size_t>(b)];
    if (failing && b == 1) {
      CHECK(info > 0 && other > 0, "info of a matrix with NaN: %g and %g", info, other);
      check_all_nan(out[0], 1, n, "w");
      check_all_nan(out[1], 1, n * n, "V");
      check_all_nan(alone[0], 1, n, "w alone");
      continue;
    }
    CHECK(info == 0 && other == 0, "n %d: info %g and %g", static_cast<int>(n), info, other);
    const Matrix matrix(a, b, n, n), v(out[1], b, n, n);
    const double* const w = out[0].data.data() + b * n;
    const double off = skewness(v);
    const double worst = residual(
        n, n, n, [&](int64_t i, int64_t p) { return (matrix(i, p) + matrix(p, i)) / 2; },
        [&](int64_t p, int64_t j) { return v(p, j); }, [&](int64_t i, int64_t j) { return w[j] * v(i, j); });
    CHECK(off <= allowed(dtype, n), "eigh %d: V is off by %g", static_cast<int>(n), off);
    CHECK(worst <= allowed(dtype, n), "eigh %d: residual %g", static_cast<int>(n), worst);
    check_orientation(v, allowed(dtype, n), "eigh");
    for (int64_t i = 0; i < n; ++i) {
      CHECK(i == 0 || w[i - 1] <= w[i], "not ascending");
      CHECK(std::abs(w[i] - alone[0].data[static_cast<size_t>(b * n + i)]) <= allowed(dtype, n), "eigenvalues differ");
    }
  }
}

void check_svd(int32_t dtype, int64_t batch, int64_t m, int64_t n, int cut, Random& random) {
  const int64_t k = std::min(m, n);
  Value a = random_value(dtype, {batch, m, n}, random);
  const bool failing = batch > 1 && k > 0;
  if (failing) a.data[static_cast<size_t>(m * n)] = kNaN;
  const ct_type s_type = type_of(dtype, {batch, k}), info_type = type_of(CT_INT32, {batch});
  const std::vector<Value> out = run_kernel(
      "svd", {a}, {type_of(dtype, {batch, m, k}), s_type, type_of(dtype, {batch, k, n}), info_type}, {}, cut);
  const std::vector<Value> alone = run_kernel("singularValues", {a}, {s_type, info_type}, {}, cut);
  for (int64_t b = 0; b < batch; ++b) {
    const double info = out[3].data[static_cast<size_t>(b)], other = alone[1].data[static_cast<size_t>(b)];
    if (failing && b == 1) {
      CHECK(info > 0 && other > 0, "info of a matrix with NaN: %g and %g", info, other);
      check_all_nan(out[0], 1, m * k, "U");
      check_all_nan(out[1], 1, k, "s");
      check_all_nan(out[2], 1, k * n, "V^T");
      continue;
    }
    CHECK(info == 0 && other == 0, "%d x %d: info %g and %g", static_cast<int>(m), static_cast<int>(n), info, other);
    const Matrix matrix(a, b, m, n), u(out[0], b, m, k), vt(out[2], b, k, n);
    const double* const s = out[1].data.data() + b * k;
    const double u_off = skewness(u);
    const double v_off = residual(
        k, n, k, vt, [&](int64_t p, int64_t j) { return vt(j, p); },
        [](int64_t i, int64_t j) { return i == j ? 1.0 : 0.0; });
    const double worst = residual(m, k, n, [&](int64_t i, int64_t p) { return u(i, p) * s[p]; }, vt, matrix);
    CHECK(u_off <= allowed(dtype, m), "svd %d x %d: U is off by %g", static_cast<int>(m), static_cast<int>(n), u_off);
    CHECK(v_off <= allowed(dtype, n), "svd %d x %d: V is off by %g", static_cast<int>(m), static_cast<int>(n), v_off);
    CHECK(worst <= allowed(dtype, std::max(m, n)), "svd %d x %d: residual %g", static_cast<int>(m), static_cast<int>(n),
          worst);
    check_orientation(u, allowed(dtype, m), "svd");
    for (int64_t i = 0; i < k; ++i) {
      CHECK(s[i] >= 0 && (i == 0 || s[i - 1] >= s[i]), "not descending");
      CHECK(std::abs(s[i] - alone[0].data[static_cast<size_t>(b * k + i)]) <= allowed(dtype, std::max(m, n)),
            "singular values differ");
    }
  }
}

// Differences of the exponential at points further apart than the logarithm of the largest double: sums of
// exp(x_i) / prod over j of (x_i - x_j), of which one term counts.
void check_wide_differences() {
  const auto exp = SpectralFunction::kExp;
  const double two[] = {-800, 0}, shifted[] = {-300, -1300}, three[] = {-1000, 0, -1000},
               four[] = {-1000, -3000, 0, -2000};
  const double received[] = {divided_difference<2>(exp, two), divided_difference<2>(exp, shifted),
                             divided_difference<3>(exp, three), divided_difference<4>(exp, four)};
  const double expected[] = {1 / 800.0, std::exp(-300.0) / 1000, 1e-6, 1 / 6e9};
  for (int k = 0; k < 4; ++k) {
    CHECK(std::abs(received[k] / expected[k] - 1) <= 4 * DBL_EPSILON, "case %d: expected %g, received %g", k,
          expected[k], received[k]);
  }
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    const Value w = value(dtype, {2}, {-1000, 0}), v = value(dtype, {2, 2}, {1, 0, 0, 1});
    const Value a = value(dtype, {2, 2}, {-1000, 0, 0, 0}), h = value(dtype, {2, 2}, {1, 2, 2, 3});
    const Value d = run_one("spectralFunction", {a, w, v, h}, a.type, {static_cast<double>(exp)});
    check_equal(d, {0, round_to(dtype, 2e-3), round_to(dtype, 2e-3), 3}, "the derivative of exp");
  }
}

// No more scratches than matrices that are worked on at a time.
void check_workspaces(int32_t dtype) {
  const auto bytes = [&](int64_t batch, int threads) {
    const ct_type a = type_of(dtype, {batch, 40, 30});
    return prepare_kernel("qr", {{a, {}}}, {a, type_of(dtype, {batch, 30, 30})}, {})->workspace_bytes(threads);
  };
  CHECK(bytes(1, 1) > 0, "no workspace");
  CHECK(bytes(1, 64) == bytes(1, 1), "one matrix: %g bytes", static_cast<double>(bytes(1, 64)));
  CHECK(bytes(3, 64) == 3 * bytes(1, 1) && bytes(100, 4) == 4 * bytes(1, 1), "a scratch for each part");
}

void refusals() {
  const ct_type a = type_of(CT_FLOAT64, {3, 3}), flat = type_of(CT_FLOAT64, {3, 4}), line = type_of(CT_FLOAT64, {3});
  const ct_type info = type_of(CT_INT32, {}), places = type_of(CT_INT32, {3});
  check_refused("lu", {flat}, {flat, places, info, info}, {}, CT_SHAPE);
  check_refused("lu", {a}, {a, places, info, places}, {}, CT_SHAPE);
  check_refused("qr", {flat}, {flat, flat}, {}, CT_SHAPE);
  check_refused("qr", {line}, {line, line}, {}, CT_SHAPE);
  check_refused("eigh", {flat}, {line, flat, info}, {}, CT_SHAPE);
  check_refused("eigh", {a}, {line, a}, {}, CT_INTERNAL);
  check_refused("eigenvalues", {type_of(CT_INT32, {3, 3})}, {line, info}, {}, CT_DTYPE);
  check_refused("svd", {flat}, {a, line, a, info}, {}, CT_SHAPE);
  check_refused("singularValues", {flat}, {type_of(CT_FLOAT64, {4}), info}, {}, CT_SHAPE);
}

void all() {
  Random random(5);
  check_wide_differences();
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    check_workspaces(dtype);
    for (const int64_t n : {0, 1, 2, 9, 65}) {
      check_lu(dtype, 4, n, kAnyCut, random);
      check_eigh(dtype, 4, n, kAnyCut, random);
      for (const int64_t m : {0, 1, 7, 40}) {
        check_qr(dtype, 3, m, n, kAnyCut, random);
        check_svd(dtype, 3, m, n, kAnyCut, random);
      }
    }
    check_lu(dtype, 0, 3, kAnyCut, random);
    check_qr(dtype, 0, 3, 2, kAnyCut, random);
    check_eigh(dtype, 0, 3, kAnyCut, random);
    check_svd(dtype, 0, 3, 2, kAnyCut, random);
    for (const int64_t n : {1, 8, 70}) check_lu_failures(dtype, n, kAnyCut, random);
    // A single large matrix is cut into pieces and parts.
    for (const int cut : {1, 2, 5}) {
      check_lu(dtype, 1, 300, cut, random);
      check_lu_failures(dtype, 300, cut, random);
      check_eigh(dtype, 1, 170, cut, random);
      check_eigh(dtype, 2, 161, cut, random);
      check_svd(dtype, 1, 170, 190, cut, random);
      check_svd(dtype, 1, 190, 170, cut, random);
    }
    check_qr(dtype, 1, 200, 120, kAnyCut, random);
    check_svd(dtype, 1, 300, 50, kAnyCut, random);
  }
  refusals();
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  cotangent::testing::all();
  return cotangent::testing::failures ? 1 : 0;
}
