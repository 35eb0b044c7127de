// cholesky, choleskyInverse and triangularSolve by their residuals in long double, small and blocked, batched, failing
// and empty.
#include <algorithm>
#include <cfloat>
#include <limits>

#include "test/native/kernel_testing.h"

namespace cotangent::testing {
namespace {

const double kNaN = std::numeric_limits<double>::quiet_NaN();

double epsilon(int32_t dtype) { return dtype == CT_FLOAT32 ? FLT_EPSILON : DBL_EPSILON; }

Dims with(Dims dims, const Dims& more) {
  dims.insert(dims.end(), more.begin(), more.end());
  return dims;
}

// Symmetric, entries below 1/n off the diagonal and about 2 on it: eigenvalues near 2.
Value positive(int32_t dtype, int64_t batch, int64_t n, Random& random) {
  Value a = random_value(dtype, {batch, n, n}, random);
  for (int64_t i = 0; i < batch; ++i) {
    for (int64_t r = 0; r < n; ++r) {
      for (int64_t c = 0; c <= r; ++c) {
        double& x = a.data[static_cast<size_t>((i * n + r) * n + c)];
        x = round_to(dtype, r == c ? 2 + 0.5 * x : x / static_cast<double>(n));
        // What lies above the diagonal must not be read.
        if (r != c) a.data[static_cast<size_t>((i * n + c) * n + r)] = kNaN;
      }
    }
  }
  return a;
}

void check_factor(int32_t dtype, int64_t batch, int64_t n, int cut, Random& random) {
  const Value a = positive(dtype, batch, n, random);
  const std::vector<Value> out = run_kernel("cholesky", {a}, {a.type, type_of(CT_INT32, {batch})}, {}, cut);
  const std::vector<double>& l = out[0].data;
  double worst = 0;
  for (int64_t i = 0; i < batch; ++i) {
    CHECK(out[1].data[static_cast<size_t>(i)] == 0, "info %g", out[1].data[static_cast<size_t>(i)]);
    const double* const matrix = l.data() + i * n * n;
    for (int64_t r = 0; r < n; ++r) {
      for (int64_t c = 0; c < n; ++c) {
        if (c > r) {
          CHECK(matrix[r * n + c] == 0, "n %d: upper part not zero", static_cast<int>(n));
          continue;
        }
        long double sum = -a.data[static_cast<size_t>((i * n + r) * n + c)];
        for (int64_t p = 0; p <= c; ++p) sum += static_cast<long double>(matrix[r * n + p]) * matrix[c * n + p];
        worst = std::max(worst, std::isnan(sum) ? 1 : static_cast<double>(std::abs(sum)));
      }
    }
  }
  // |A - L L^T| <= (n + 1) eps |L| |L^T| <= a few eps here, because all but the diagonal is small.
  CHECK(worst <= 8 * epsilon(dtype), "%s n %d: residual %g", dtype_name(dtype), static_cast<int>(n), worst);
}

void check_failures(int32_t dtype, int64_t n, int cut, Random& random, int64_t batch = 3) {
  struct Case {
    double value;
    int64_t row, column;
  };
  const double infinity = std::numeric_limits<double>::infinity();
  for (const Case& c : std::vector<Case>{{-1, n / 2, n / 2},
                                         {0, 0, 0},
                                         {kNaN, n - 1, n - 1},
                                         {kNaN, n - 1, 0},
                                         {infinity, n - 1, n / 2},
                                         {100, n - 1, n - 2}}) {
    if (c.row < c.column || c.column < 0) continue;
    Value a = positive(dtype, batch, n, random);
    a.data[static_cast<size_t>((n + c.row) * n + c.column)] = c.value;
    const std::vector<Value> out = run_kernel("cholesky", {a}, {a.type, type_of(CT_INT32, {batch})}, {}, cut);
    CHECK(out[1].data[0] == 0 && out[1].data[2] == 0, "the matrices beside it fail");
    CHECK(out[1].data[1] == static_cast<double>(c.row + 1), "n %d: expected info %d, received %g", static_cast<int>(n),
          static_cast<int>(c.row + 1), out[1].data[1]);
    for (int64_t k = 0; k < n * n; ++k) {
      CHECK(std::isnan(out[0].data[static_cast<size_t>(n * n + k)]), "a failing matrix is not NaN");
      CHECK(!std::isnan(out[0].data[static_cast<size_t>(k)]) &&
                !std::isnan(out[0].data[static_cast<size_t>(2 * n * n + k)]),
            "the matrices beside it are NaN");
    }
  }
}

void check_solve(int32_t dtype, const Dims& batch, int64_t n, int64_t k, int cut, Random& random, int step = 1) {
  const Value a = [&] {
    Value matrix = random_value(dtype, with(batch, {n, n}), random);
    for (size_t i = 0; i < matrix.data.size(); ++i) {
      const bool diagonal = n > 0 && i / static_cast<size_t>(n) % static_cast<size_t>(n) == i % static_cast<size_t>(n);
      matrix.data[i] = round_to(dtype, diagonal ? 2 + 0.5 * matrix.data[i] : matrix.data[i] / static_cast<double>(n));
    }
    return matrix;
  }();
  for (int variant = 0; variant < 16; variant += step) {
    const bool left = variant & 1, lower = variant & 2, transpose = variant & 4, unit = variant & 8;
    const Value b = random_value(dtype, with(batch, left ? Dims{n, k} : Dims{k, n}), random);
    Value masked = a;  // what lies outside the triangle must not be read, nor a unit diagonal
    for (size_t i = 0; i < masked.data.size(); ++i) {
      const size_t row = i / static_cast<size_t>(n) % static_cast<size_t>(n), column = i % static_cast<size_t>(n);
      if ((lower ? row < column : row > column) || (unit && row == column)) masked.data[i] = kNaN;
    }
    const Value x = run_one("triangularSolve", {masked, b}, b.type,
                            {double(left), double(lower), double(transpose), double(unit)}, cut);
    double worst = 0;
    for (int64_t i = 0; i < count_of(batch); ++i) {
      const double* const matrix = a.data.data() + i * n * n;
      const auto entry = [&](int64_t row, int64_t column) {  // of op(A)
        if (transpose) std::swap(row, column);
        if (row == column) return unit ? 1.0 : matrix[row * n + column];
        return (lower ? row < column : row > column) ? 0.0 : matrix[row * n + column];
      };
      const auto at = [&](int64_t row, int64_t side) {
        return static_cast<size_t>(i * n * k + (left ? row * k + side : side * n + row));
      };
      for (int64_t side = 0; side < k; side += std::max<int64_t>(1, k / 7)) {
        for (int64_t row = 0; row < n; ++row) {
          long double sum = -b.data[at(row, side)];
          for (int64_t p = 0; p < n; ++p)
            sum += static_cast<long double>(left ? entry(row, p) : entry(p, row)) * x.data[at(p, side)];
          worst = std::max(worst, std::isnan(sum) ? 1 : static_cast<double>(std::abs(sum)));
        }
      }
    }
    // Small entries off the diagonal: each row is a sum of terms that shrink with n, rounded at the size of b.
    CHECK(worst <= 12 * epsilon(dtype), "%s n %d k %d variant %d: residual %g", dtype_name(dtype), static_cast<int>(n),
          static_cast<int>(k), variant, worst);
  }
}

// (L L^T)^-1 of one matrix or three, the second of three (or the only one) with a zero on its diagonal if `pivot` >= 0.
void check_inverse(int32_t dtype, int64_t batch, int64_t n, int64_t pivot, int cut, Random& random) {
  Value l = positive(dtype, batch, n, random);
  const int64_t failing = pivot < 0 ? -1 : batch / 2;
  if (pivot >= 0) l.data[static_cast<size_t>((failing * n + pivot) * n + pivot)] = 0;
  const Value inverse = run_one("choleskyInverse", {l}, l.type, {}, cut);
  double worst = 0;
  for (int64_t i = 0; i < batch; ++i) {
    const double *const factor = l.data.data() + i * n * n, *const x = inverse.data.data() + i * n * n;
    if (i == failing) {
      for (int64_t k = 0; k < n * n; ++k) {
        CHECK(std::isnan(x[k]), "n %d, zero pivot %d, cut %d: element %d is not NaN", static_cast<int>(n),
              static_cast<int>(pivot), cut, static_cast<int>(k));
      }
      continue;
    }
    for (int64_t column = 0; column < n; column += std::max<int64_t>(1, n / 7)) {
      std::vector<long double> half(static_cast<size_t>(n));  // L^T X
      for (int64_t r = 0; r < n; ++r) {
        for (int64_t p = r; p < n; ++p)
          half[static_cast<size_t>(r)] += static_cast<long double>(factor[p * n + r]) * x[p * n + column];
        CHECK(same(x[r * n + column], x[column * n + r]), "not symmetric");
      }
      for (int64_t r = 0; r < n; ++r) {
        long double sum = r == column ? -1 : 0;
        for (int64_t p = 0; p <= r; ++p) sum += half[static_cast<size_t>(p)] * factor[r * n + p];
        worst = std::max(worst, std::isnan(sum) ? 1 : static_cast<double>(std::abs(sum)));
      }
    }
  }
  // As for the solves: L is nearly 2 times the identity.
  CHECK(worst <= 12 * epsilon(dtype), "%s inverse of %d: residual %g", dtype_name(dtype), static_cast<int>(n), worst);
}

void inverses(int32_t dtype, Random& random) {
  for (const int64_t n : {0, 1, 7, 70}) check_inverse(dtype, 3, n, -1, kAnyCut, random);
  for (const int64_t n : {1, 7, 70}) check_inverse(dtype, 3, n, n / 2, kAnyCut, random);
  // By blocks where there are more threads than matrices, else matrix by matrix.
  for (const int cut : {1, 2, 3, 5}) {
    for (const int64_t batch : {1, 3}) {
      check_inverse(dtype, batch, 259, -1, cut, random);
      for (const int64_t pivot : {0, 100, 258}) check_inverse(dtype, batch, 259, pivot, cut, random);
    }
  }
  const auto workspace = [&](int64_t n, int threads) {
    const Value l{type_of(dtype, {1, n, n}), {}};
    return prepare_kernel("choleskyInverse", {l}, {l.type}, {})->workspace_bytes(threads);
  };
  CHECK(workspace(70, 8) == 0 && workspace(259, 1) == 0, "a workspace that is not used");
  CHECK(workspace(259, 8) == static_cast<uint64_t>(byte_count(type_of(dtype, {259, 259}))), "one inverse of L");
}

void refusals() {
  const ct_type a = type_of(CT_FLOAT32, {3, 3}), flat = type_of(CT_FLOAT32, {3, 4}), info = type_of(CT_INT32, {});
  check_refused("cholesky", {flat}, {flat, info}, {}, CT_SHAPE);
  check_refused("cholesky", {a}, {flat, info}, {}, CT_SHAPE);
  check_refused("cholesky", {a}, {a, type_of(CT_INT32, {1})}, {}, CT_SHAPE);
  check_refused("cholesky", {a}, {a, type_of(CT_FLOAT32, {})}, {}, CT_DTYPE);
  check_refused("cholesky", {type_of(CT_INT32, {3, 3})}, {a, info}, {}, CT_DTYPE);
  check_refused("cholesky", {type_of(CT_FLOAT32, {3})}, {a, info}, {}, CT_SHAPE);
  check_refused("cholesky", {a}, {a}, {}, CT_INTERNAL);
  check_refused("triangularSolve", {a, flat}, {flat}, {0, 1, 0, 0}, CT_SHAPE);
  check_refused("triangularSolve", {a, flat}, {a}, {1, 1, 0, 0}, CT_SHAPE);
  check_refused("triangularSolve", {flat, a}, {a}, {1, 1, 0, 0}, CT_SHAPE);
  check_refused("triangularSolve", {a, flat}, {flat}, {1, 1, 0, 3}, CT_SHAPE);
  check_refused("triangularSolve", {a, type_of(CT_FLOAT64, {3, 4})}, {flat}, {1, 1, 0, 0}, CT_DTYPE);
}

void all() {
  Random random(4);
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    for (const int64_t n : {0, 1, 2, 7, 64, 130}) check_factor(dtype, 5, n, kAnyCut, random);
    check_factor(dtype, 0, 4, kAnyCut, random);
    for (const int64_t n : {1, 6, 70}) check_failures(dtype, n, kAnyCut, random);
    inverses(dtype, random);
    for (const int64_t n : {1, 2, 19, 140}) {
      for (const int64_t k : {1, 3}) check_solve(dtype, {}, n, k, kAnyCut, random);
    }
    check_solve(dtype, {3, 2}, 11, 5, kAnyCut, random);
    check_solve(dtype, {2}, 60, 1, kAnyCut, random);
    check_solve(dtype, {2}, 0, 3, kAnyCut, random);
    check_solve(dtype, {0}, 3, 2, kAnyCut, random);
    check_solve(dtype, {}, 3, 0, kAnyCut, random);
    // From here on the cut decides between algorithms, or moves the edges of BLAS's tiles.
    for (const int cut : {1, 2, 5}) {
      for (const int64_t n : {384, 515}) check_factor(dtype, 1, n, cut, random);
      check_factor(dtype, 2, 385, cut, random);
      check_failures(dtype, 390, cut, random);
      for (const int64_t k : {5, 70}) check_solve(dtype, {}, 270, k, cut, random);
      check_solve(dtype, {}, 140, 100, cut, random);
      check_solve(dtype, {2}, 256, 3, cut, random);
    }
  }
  for (const int cut : {1, 2}) check_solve(CT_FLOAT32, {}, 2060, 1, cut, random, 5);  // every direction once
  refusals();
}

// As many matrices as a vector has lanes are factored at once, and a few more than whole vectors.
void side_by_side() {
  Random random(6);
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    for (const int64_t n : {1, 2, 3, 4, 5, 11, 12, 13, 33, 64}) {
      for (const int64_t batch : {4, 16, 37}) check_factor(dtype, batch, n, kAnyCut, random);
    }
    for (const int64_t n : {1, 6, 32}) check_failures(dtype, n, kAnyCut, random, 21);
  }
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  if (const int failed = cotangent::testing::on_every_target(cotangent::testing::side_by_side)) return failed;
  cotangent::testing::all();
  return cotangent::testing::failures ? 1 : 0;
}
