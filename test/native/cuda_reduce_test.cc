// The reductions of the CUDA backend beside the CPU's. Integers, extremes and places are the same bits; sums and
// products differ in the order of their additions.
#include <cfloat>

#include "test/native/cuda_testing.h"

namespace cotangent::testing {
namespace {

double eps_of(int32_t dtype) { return dtype == CT_FLOAT32 ? FLT_EPSILON : dtype == CT_FLOAT64 ? DBL_EPSILON : 0; }

// Every set of axes of these: rows shorter and longer than a warp, a block and a chunk, with and without alignment to
// 16 bytes; columns fewer and more than a tile; groups that alternate.
const std::vector<Dims> shapes = {{1},          {0},       {7},        {0, 5000},    {33},        {2047},
                                  {2049},       {20000},   {40001},    {5, 3},       {0, 4},      {4, 0},
                                  {3, 2050},    {1, 9000}, {300, 3},   {700, 40},    {2, 600, 5}, {33, 2, 35},
                                  {3, 4, 5, 6}, {2, 0, 3}, {9, 40, 1}, {40, 3, 200}, {3, 400, 33}};

std::vector<std::vector<double>> subsets(size_t rank) {
  std::vector<std::vector<double>> all;
  for (unsigned mask = 0; mask < 1u << rank; ++mask) {
    std::vector<double> axes;
    for (size_t k = 0; k < rank; ++k) {
      if (mask >> k & 1) axes.push_back(static_cast<double>(k));
    }
    all.push_back(axes);
  }
  return all;
}

Dims without(const Dims& dims, const std::vector<double>& axes) {
  Dims left;
  for (size_t k = 0; k < dims.size(); ++k) {
    if (std::find(axes.begin(), axes.end(), static_cast<double>(k)) == axes.end()) left.push_back(dims[k]);
  }
  return left;
}

Value extremes(int32_t dtype, const Dims& dims, Random& random) {
  Value x = random_value(dtype, dims, random);
  for (double& v : x.data) {
    const int kind = dtype <= CT_FLOAT64 ? random.below(400) : 9;
    if (kind == 0) v = std::nan("");
    if (kind == 1) v = HUGE_VAL;
    if (kind == 2) v = -HUGE_VAL;
    if (kind == 3) v = -0.0;
    if (kind == 4) v = 0.0;
    if (dtype == CT_INT32 && random.below(50) == 0) v = static_cast<int32_t>(random.bits());
    if (dtype == CT_UINT32 && random.below(50) == 0) v = static_cast<uint32_t>(random.bits());
  }
  return x;
}

void reductions(CudaComparison& both, int32_t dtype, Random& random) {
  for (const Dims& dims : shapes) {
    const Value x = random_value(dtype, dims, random), wild = extremes(dtype, dims, random);
    Value near_one = x;  // products stay in range
    for (double& v : near_one.data) v = dtype <= CT_FLOAT64 ? round_to(dtype, 1 + 0.01 * v) : v;
    for (const std::vector<double>& axes : subsets(dims.size())) {
      const ct_type out = type_of(dtype, without(dims, axes));
      both.check("reduceMax", {wild}, {out}, axes);
      both.check("reduceMin", {wild}, {out}, axes);
      if (dtype == CT_BOOL) continue;
      const double length = static_cast<double>(count_of(dims));  // at least of what a result sums
      // |x| <= 1. The CPU's error: 20 eps sum|x| a stage, of which there are at most two; the GPU's is below it.
      both.check("reduceSum", {x}, {out}, axes, {0, 44 * eps_of(dtype) * length});
      // Each of n factors is rounded once. In float32 the CPU's partial products are of at most 64 factors.
      const double roundings = dtype == CT_FLOAT32 ? std::min(length, 64.0) + 3 : 2 * length;
      both.check("reduceProd", {near_one}, {out}, axes, {roundings * eps_of(dtype), 0});
    }
  }
}

// NaN and infinities pass through sums and products.
void specials(CudaComparison& both) {
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    for (const double special : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
      for (const int64_t n : {3, 70, 9000}) {
        for (const int64_t at : {int64_t{0}, n / 2, n - 1}) {
          Value x = value(dtype, {n}, std::vector<double>(static_cast<size_t>(n), 1));
          x.data[static_cast<size_t>(at)] = special;
          both.check("reduceSum", {x}, {type_of(dtype, {})}, {0});
          both.check("reduceProd", {x}, {type_of(dtype, {})}, {0});
        }
      }
    }
  }
}

// float32 accumulates in double: n additions of what is not representable lose nothing that shows in float32.
void accuracy(CudaComparison& both) {
  const int64_t n = 100000;
  const Value x = value(CT_FLOAT32, {n}, std::vector<double>(static_cast<size_t>(n), static_cast<double>(0.1f)));
  const Value sum = both.cuda().run("reduceSum", {x}, {type_of(CT_FLOAT32, {})}, {0})[0];
  const double exact = static_cast<double>(static_cast<float>(static_cast<double>(0.1f) * static_cast<double>(n)));
  CHECK(sum.data[0] == exact, "expected %.9g, received %.9g", exact, sum.data[0]);
}

void places(CudaComparison& both, int32_t dtype, Random& random) {
  for (const Dims& dims : shapes) {
    for (const bool ties : {false, true}) {
      Value x = extremes(dtype, dims, random);
      if (ties) {
        for (double& v : x.data) v = dtype == CT_BOOL ? random.below(2) : random.below(3);
      }
      for (size_t axis = 0; axis < dims.size(); ++axis) {
        if (dims[axis] == 0) continue;
        const ct_type out = type_of(CT_INT32, without(dims, {static_cast<double>(axis)}));
        both.check("argMax", {x}, {out}, {static_cast<double>(axis)});
        both.check("argMin", {x}, {out}, {static_cast<double>(axis)});
      }
    }
  }
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent;
  using namespace cotangent::testing;
  CudaComparison both;
  Random random(20240611);
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64, CT_INT32, CT_UINT32, CT_BOOL}) {
    reductions(both, dtype, random);
    places(both, dtype, random);
  }
  specials(both);
  accuracy(both);
  return failures ? 1 : 0;
}
