// matmul of the CUDA backend beside the CPU's: every transposition, vectors, inner products, batches, empty operands,
// sums around a product.
#include <cfloat>

#include "test/native/cuda_testing.h"

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

// Terms are below 1: k additions round partial sums of the size of sqrt(k), and the roundings add up to eps k, on
// either side.
Tolerance budget(int32_t dtype, int64_t k) {
  const double eps = dtype == CT_FLOAT32 ? FLT_EPSILON : DBL_EPSILON;
  return {0, 2 * eps * (8 + static_cast<double>(k))};
}

void products(CudaComparison& both, int32_t dtype, const Shape& s, Random& random) {
  for (int flags = 0; flags < 4; ++flags) {
    const bool ta = flags & 1, tb = flags & 2;
    const Value a = random_value(dtype, ta ? matrix_dims(s.batch, s.k, s.m) : matrix_dims(s.batch, s.m, s.k), random);
    const Value b = random_value(dtype, tb ? matrix_dims(s.batch, s.n, s.k) : matrix_dims(s.batch, s.k, s.n), random);
    const Value c = random_value(dtype, matrix_dims(s.batch, s.m, s.n), random);
    const std::vector<double> params{static_cast<double>(ta), static_cast<double>(tb)};
    both.check("matmul", {a, b}, {c.type}, params, budget(dtype, s.k));
    if (s.k > 0 && (s.m == 1 || s.n == 1)) continue;  // vectors have no sums
    both.check("matmul", {a, b, c}, {c.type}, {params[0], params[1], -1.5, 1}, budget(dtype, 2 * s.k));
    both.check("matmul", {a, b, c}, {c.type}, {params[0], params[1], 2, -0.25}, budget(dtype, 2 * s.k));
  }
}

// What C holds counts only with its own factor, and NaN and infinity pass through products.
void special_values(CudaComparison& both) {
  Random random(2);
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    Value a = random_value(dtype, {5, 4}, random), b = random_value(dtype, {4, 3}, random);
    Value x = random_value(dtype, {1, 4}, random), y = random_value(dtype, {4, 1}, random);
    a.data[6] = NAN;
    b.data[2] = INFINITY;
    x.data[1] = -INFINITY;
    both.check("matmul", {a, b}, {type_of(dtype, {5, 3})}, {0, 0}, budget(dtype, 4));
    both.check("matmul", {x, b}, {type_of(dtype, {1, 3})}, {0, 0}, budget(dtype, 4));
    both.check("matmul", {a, y}, {type_of(dtype, {5, 1})}, {0, 0}, budget(dtype, 4));
    both.check("matmul", {x, y}, {type_of(dtype, {1, 1})}, {0, 0}, budget(dtype, 4));
  }
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent::testing;
  CudaComparison both;
  Random random(1);
  const std::vector<Shape> shapes = {
      {{}, 1, 1, 1},     {{}, 3, 4, 5},   {{}, 33, 65, 17},  {{}, 1, 7, 9},    {{}, 7, 1, 9},     {{2}, 1, 7, 9},
      {{3}, 7, 1, 33},   {{}, 1, 1, 7},   {{}, 1, 1, 4099},  {{5}, 1, 1, 31},  {{3}, 1, 1, 8195}, {{4}, 1, 1, 64},
      {{2, 3}, 4, 5, 6}, {{0}, 3, 3, 3},  {{}, 0, 4, 5},     {{}, 4, 0, 5},    {{}, 4, 5, 0},     {{2}, 1, 1, 0},
      {{}, 1, 5, 0},     {{70}, 2, 3, 4}, {{}, 1, 1, 20000}, {{}, 5, 1, 3000}, {{300}, 1, 1, 3},  {{70000}, 2, 2, 1}};
  for (const Shape& shape : shapes) {
    for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) products(both, dtype, shape, random);
  }
  special_values(both);
  return failures ? 1 : 0;
}
