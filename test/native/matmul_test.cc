// matmul against plain loops in double: every transposition, odd and long shapes, batches, vectors, empty operands.
#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>

#include "native/kernels/matmul/gemm.h"
#include "test/native/kernel_testing.h"

namespace cotangent::testing {
namespace {

struct Shape {
  Dims batch;
  int64_t m, n, k;
};

Dims matrix_dims(const Dims& batch, int64_t rows, int64_t columns) {
  Dims dims = batch;
  dims.insert(dims.end(), {rows, columns});
  return dims;
}

void check_product(int32_t dtype, const Shape& s, bool ta, bool tb, int cut, Random& random) {
  const Value a = random_value(dtype, ta ? matrix_dims(s.batch, s.k, s.m) : matrix_dims(s.batch, s.m, s.k), random);
  const Value b = random_value(dtype, tb ? matrix_dims(s.batch, s.n, s.k) : matrix_dims(s.batch, s.k, s.n), random);
  const ct_type type = type_of(dtype, matrix_dims(s.batch, s.m, s.n));
  // Our own loops round alike everywhere. BLAS does not at the edges of its tiles, nor do its products with vectors.
  if (cpu::own_gemm() && s.m > 1 && s.n > 1) cut = kAnyCut;
  const Value c = run_one("matmul", {a, b}, type, {static_cast<double>(ta), static_cast<double>(tb)}, cut);
  const double eps = dtype == CT_FLOAT32 ? FLT_EPSILON : DBL_EPSILON;
  // Terms are below 1 and signs random: each of k additions rounds a partial sum of the size of sqrt(k), and the
  // roundings add up as their root, to eps k.
  const double allowed = eps * (8 + static_cast<double>(s.k));
  for (int64_t i = 0; i < count_of(s.batch); ++i) {
    for (int64_t r = 0; r < s.m; ++r) {
      for (int64_t q = 0; q < s.n; ++q) {
        double sum = 0;
        for (int64_t p = 0; p < s.k; ++p) {
          sum += a.data[static_cast<size_t>(i * s.m * s.k + (ta ? p * s.m + r : r * s.k + p))] *
                 b.data[static_cast<size_t>(i * s.k * s.n + (tb ? q * s.k + p : p * s.n + q))];
        }
        const double received = c.data[static_cast<size_t>((i * s.m + r) * s.n + q)];
        CHECK(std::abs(received - sum) <= allowed, "%s m %d n %d k %d %d%d: expected %.17g, received %.17g",
              dtype_name(dtype), static_cast<int>(s.m), static_cast<int>(s.n), static_cast<int>(s.k), ta, tb, sum,
              received);
      }
    }
  }
}

// alpha A B + beta C, in place of C and beside it.
void check_sum(int32_t dtype, const Shape& s, double alpha, double beta, int cut, Random& random) {
  const Value a = random_value(dtype, matrix_dims(s.batch, s.m, s.k), random);
  const Value b = random_value(dtype, matrix_dims(s.batch, s.k, s.n), random);
  const Value c = random_value(dtype, matrix_dims(s.batch, s.m, s.n), random);
  const ct_type type = type_of(dtype, matrix_dims(s.batch, s.m, s.n));
  const Value product = run_one("matmul", {a, b}, type, {0, 0}, cut);
  const double eps = dtype == CT_FLOAT32 ? FLT_EPSILON : DBL_EPSILON;
  const double allowed = eps * std::abs(alpha) * (8 + 2 * static_cast<double>(s.k)) + 4 * eps;
  const Value sum = run_one("matmul", {a, b, c}, type, {0, 0, alpha, beta}, cut);
  for (size_t i = 0; i < sum.data.size(); ++i) {
    const double wanted = alpha * product.data[i] + beta * c.data[i];
    CHECK(std::abs(sum.data[i] - wanted) <= allowed, "%s: expected %.17g, received %.17g", dtype_name(dtype), wanted,
          sum.data[i]);
  }
}

// The loops of this target, whether or not products use them: every height and width of a tile, a part of a larger C.
template <class T>
void check_loops(const GemmLoops<T>& loops, Random& random) {
  const auto numbers = [&](int64_t count) {
    std::vector<T> values(static_cast<size_t>(count));
    for (T& x : values) x = static_cast<T>(random.uniform(-1, 1));
    return values;
  };
  for (const int64_t m : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 25, 241}) {
    for (const int64_t n : {1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 70}) {
      for (const int64_t k : {1, 15, 40, 257, 600}) {
        if (m * n * k > 700000) continue;
        for (int variant = 0; variant < 4; ++variant) {
          const bool ta = variant & 1, tb = variant & 2;
          const std::vector<T> a = numbers(m * k), b = numbers(k * n);
          const int64_t ldc = n + 5;
          std::vector<T> c = numbers(m * ldc);
          const std::vector<T> before = c;
          const T alpha = variant == 1 ? T(-0.5) : T(1), beta = variant == 2 ? T(1) : variant == 3 ? T(0.25) : T(0);
          if (beta == 0) {  // must not be read
            for (int64_t i = 0; i < m; ++i) std::fill_n(c.begin() + i * ldc, n, static_cast<T>(NAN));
          }
          Buffer workspace(loops.room(m, n, k) * static_cast<int64_t>(sizeof(T)));
          loops.multiply({m, n, k, a.data(), ta ? m : k, ta, b.data(), tb ? k : n, tb, alpha, beta, c.data(), ldc},
                         workspace.template as<T>());
          CHECK(workspace.intact(), "m %d n %d k %d: wrote behind the workspace", static_cast<int>(m),
                static_cast<int>(n), static_cast<int>(k));
          for (int64_t i = 0; i < m; ++i) {
            for (int64_t j = 0; j < ldc; ++j) {
              const size_t at = static_cast<size_t>(i * ldc + j);
              if (j >= n) {
                CHECK(c[at] == before[at], "m %d n %d: wrote beside the result", static_cast<int>(m),
                      static_cast<int>(n));
                continue;
              }
              double sum = 0;
              for (int64_t p = 0; p < k; ++p) {
                sum += static_cast<double>(a[static_cast<size_t>(ta ? p * m + i : i * k + p)]) *
                       static_cast<double>(b[static_cast<size_t>(tb ? j * k + p : p * n + j)]);
              }
              const double wanted = static_cast<double>(alpha) * sum +
                                    (beta == 0 ? 0 : static_cast<double>(beta) * static_cast<double>(before[at]));
              const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
              CHECK(std::abs(static_cast<double>(c[at]) - wanted) <= eps * (8 + static_cast<double>(k)),
                    "m %d n %d k %d variant %d at %d, %d: expected %.17g, received %.17g", static_cast<int>(m),
                    static_cast<int>(n), static_cast<int>(k), variant, static_cast<int>(i), static_cast<int>(j), wanted,
                    static_cast<double>(c[at]));
            }
          }
        }
      }
    }
  }
}

void refusals() {
  const ct_type f34 = type_of(CT_FLOAT32, {3, 4}), f45 = type_of(CT_FLOAT32, {4, 5}), f35 = type_of(CT_FLOAT32, {3, 5});
  check_refused("matmul", {f34, f35}, {f45}, {0, 0}, CT_SHAPE);
  check_refused("matmul", {f34, f45}, {f45}, {0, 0}, CT_SHAPE);
  check_refused("matmul", {f34, f45}, {f35}, {0, 1}, CT_SHAPE);
  check_refused("matmul", {f34, f45}, {f35}, {0, 2}, CT_SHAPE);
  check_refused("matmul", {f34, f45}, {f35}, {0}, CT_INTERNAL);
  check_refused("matmul", {f34, f45, f34}, {f35}, {0, 0, 1, 1}, CT_SHAPE);
  check_refused("matmul", {f34, f45, f35}, {f35}, {0, 0}, CT_INTERNAL);
  const ct_type row = type_of(CT_FLOAT32, {1, 4}), short_row = type_of(CT_FLOAT32, {1, 5});
  check_refused("matmul", {row, f45, short_row}, {short_row}, {0, 0, 1, 1}, CT_INTERNAL);
  check_refused("matmul", {f34, type_of(CT_FLOAT64, {4, 5})}, {f35}, {0, 0}, CT_DTYPE);
  check_refused("matmul", {f34, type_of(CT_FLOAT32, {1, 4, 5})}, {f35}, {0, 0}, CT_SHAPE);
  check_refused("matmul", {type_of(CT_FLOAT32, {4}), f45}, {f35}, {0, 0}, CT_SHAPE);
  const ct_type i = type_of(CT_INT32, {3, 3});
  check_refused("matmul", {i, i}, {i}, {0, 0}, CT_DTYPE);
}

void all() {
  Random random(3);
  check_loops(COTANGENT_SIMD_DISPATCH(gemm_loops_float32)(), random);
  check_loops(COTANGENT_SIMD_DISPATCH(gemm_loops_float64)(), random);
  const std::vector<Shape> shapes{
      {{}, 1, 1, 1},       {{}, 2, 3, 4},      {{}, 17, 33, 65},   {{}, 128, 10, 300}, {{}, 10, 200, 128},
      {{}, 130, 140, 150}, {{}, 0, 3, 4},      {{}, 3, 0, 4},      {{}, 3, 4, 0},      {{}, 1, 1, 0},
      {{}, 1, 1, 70001},   {{}, 1, 700, 900},  {{}, 900, 1, 700},  {{}, 3, 1, 60001},  {{}, 1, 5, 60001},
      {{}, 7, 6, 9001},    {{}, 90, 33, 3001}, {{5}, 3, 4, 5},     {{2}, 90, 80, 70},  {{3, 2}, 40, 50, 60},
      {{0}, 3, 4, 5},      {{9}, 1, 1, 17},    {{2}, 1, 1, 40001}, {{4}, 300, 1, 200}, {{}, 16, 1000, 3},
      {{}, 25, 2100, 30},  {{}, 251, 33, 300}, {{}, 12, 65, 513},  {{}, 5, 64, 16}};
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    for (const Shape& shape : shapes) {
      for (const bool ta : {false, true}) {
        for (const bool tb : {false, true}) {
          for (const int cut : {1, 2, 5}) check_product(dtype, shape, ta, tb, cut, random);
        }
      }
    }
  }
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    for (const Shape& shape :
         std::vector<Shape>{{{}, 2, 3, 4}, {{}, 130, 140, 150}, {{}, 7, 6, 9001}, {{3}, 20, 30, 10}, {{}, 3, 4, 0}}) {
      for (const int cut : {1, 2, 5}) {
        check_sum(dtype, shape, 1, 1, cut, random);
        check_sum(dtype, shape, -0.05, 1, cut, random);
        check_sum(dtype, shape, 2, -1, cut, random);
      }
    }
  }
  refusals();
}

}  // namespace
}  // namespace cotangent::testing

int main() { return cotangent::testing::on_every_target(cotangent::testing::all); }
