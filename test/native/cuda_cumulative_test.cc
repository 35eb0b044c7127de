// The scans of the CUDA backend beside the CPU's, along every axis, from either end.
#include <cfloat>

#include "test/native/cuda_testing.h"

namespace cotangent::testing {
namespace {

double eps_of(int32_t dtype) { return dtype == CT_FLOAT32 ? FLT_EPSILON : dtype == CT_FLOAT64 ? DBL_EPSILON : 0; }

// Lines walked by a thread, scanned by a warp and by a block, cut into chunks; with and without alignment.
const std::vector<Dims> shapes = {{1},      {0},        {5},       {32},      {33},      {128},  {131},
                                  {2048},   {9000},     {17001},   {6, 100},  {0, 5000}, {0, 3}, {3, 0},
                                  {100, 6}, {2, 50, 3}, {3, 1, 4}, {2, 2500}, {2100, 2}};

void scans(CudaComparison& both, int32_t dtype, Random& random) {
  for (const Dims& dims : shapes) {
    const Value x = random_value(dtype, dims, random);
    Value near_one = x, wild = x;
    for (double& v : near_one.data) v = dtype <= CT_FLOAT64 ? round_to(dtype, 1 + 0.01 * v) : v;
    for (double& v : wild.data) {
      const int kind = dtype <= CT_FLOAT64 ? random.below(1000) : 9;
      v = kind == 0 ? std::nan("") : kind == 1 ? HUGE_VAL : kind == 2 ? -HUGE_VAL : v;
    }
    const ct_type out = type_of(dtype, dims);
    for (size_t axis = 0; axis < dims.size(); ++axis) {
      const double n = static_cast<double>(dims[axis]);
      for (const double reverse : {0.0, 1.0}) {
        const std::vector<double> params = {static_cast<double>(axis), reverse};
        both.check("cumMax", {wild}, {out}, params);
        both.check("cumMin", {wild}, {out}, params);
        // Sums of float32 are double until they are stored: two roundings of partial sums that are below n in any case.
        const double double_error = 2 * n * n * DBL_EPSILON;
        both.check("cumSum", {x}, {out}, params, {eps_of(dtype), dtype <= CT_FLOAT64 ? double_error : 0});
        both.check("cumProd", {near_one}, {out}, params,
                   {eps_of(dtype) + (dtype <= CT_FLOAT64 ? 2 * n * DBL_EPSILON : 0), 0});
      }
    }
  }
}

// Columns enough for a thread each.
void many_columns(CudaComparison& both, Random& random) {
  const Value x = random_value(CT_INT32, {2, 40, 8200}, random);
  for (const double reverse : {0.0, 1.0}) both.check("cumSum", {x}, {x.type}, {1, reverse});
}

// Not finite from some element on: the same elements are.
void specials(CudaComparison& both) {
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    for (const double special : {std::nan(""), HUGE_VAL, 0.0}) {
      for (const int64_t at : {0, 1, 77, 9000}) {
        Value x = value(dtype, {9001}, std::vector<double>(9001, 1));
        x.data[static_cast<size_t>(at)] = special;
        both.check("cumSum", {x}, {x.type}, {0, 0});
        both.check("cumProd", {x}, {x.type}, {0, 0});
        both.check("linearRecurrence", {x, x}, {x.type}, {0, 0}, {2 * eps_of(dtype), 0});
      }
    }
  }
}

// The product of many lanes leaves the range of double, the products up to each element do not.
void products_in_range(CudaComparison& both) {
  const int64_t n = 20000;
  Value x = value(CT_FLOAT64, {n}, std::vector<double>(static_cast<size_t>(n), 1));
  for (int64_t k = 0; k < n; ++k) x.data[static_cast<size_t>(k)] = k % 1000 < 500 ? 0x1p-2 : 0x1p2;
  both.check("cumProd", {x}, {x.type}, {0, 0});
}

// Sums of what is not negative never decrease, across lanes, tiles and chunks.
void monotone(CudaComparison& both, Random& random) {
  for (const int64_t n : {1000, 30000}) {
    Value x = value(CT_FLOAT64, {n}, std::vector<double>(static_cast<size_t>(n)));
    for (double& v : x.data) v = random.below(3) ? 0 : std::ldexp(random.uniform(0, 1), random.below(60) - 50);
    for (const double reverse : {0.0, 1.0}) {
      const Value y = both.cuda().run("cumSum", {x}, {x.type}, {0, reverse})[0];
      for (size_t k = 1; k < y.data.size(); ++k) {
        const double before = reverse != 0 ? y.data[k] : y.data[k - 1],
                     after = reverse != 0 ? y.data[k - 1] : y.data[k];
        CHECK(after >= before, "sum %zu of %zu falls from %.17g to %.17g", k, y.data.size(), before, after);
      }
    }
  }
}

void recurrences(CudaComparison& both, int32_t dtype, Random& random) {
  for (const Dims& dims : shapes) {
    Value a = random_value(dtype, dims, random);
    const Value b = random_value(dtype, dims, random);
    for (double& v : a.data) v = round_to(dtype, 0.99 * v);
    for (size_t axis = 0; axis < dims.size(); ++axis) {
      for (const double reverse : {0.0, 1.0}) {
        // |y| < 100; an error made in one step dies away with |a| < 0.99.
        both.check("linearRecurrence", {a, b}, {b.type}, {static_cast<double>(axis), reverse},
                   {eps_of(dtype), 1000 * DBL_EPSILON});
      }
    }
  }
  // A product of factors that overflows, with nothing to multiply; and an infinite first factor.
  const size_t n = 9000;
  Value a = value(dtype, {static_cast<int64_t>(n)}, std::vector<double>(n, 4)), b = a;
  for (double& v : b.data) v = 0;
  b.data[n - 2] = 1;
  a.data[0] = HUGE_VAL;
  both.check("linearRecurrence", {a, b}, {b.type}, {0, 0});
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent;
  using namespace cotangent::testing;
  CudaComparison both;
  Random random(77);
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64, CT_INT32, CT_UINT32}) scans(both, dtype, random);
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) recurrences(both, dtype, random);
  many_columns(both, random);
  specials(both);
  products_in_range(both);
  monotone(both, random);
  return failures ? 1 : 0;
}
