// conv, convInputGradient and convWeightGradient of the CUDA backend beside the CPU's: strides, dilations and padding
// of every sign in one to three dimensions, groups, empty operands, kernels of one element, several images, few and
// many positions.
#include <cfloat>

#include "test/native/cuda_testing.h"

namespace cotangent::testing {
namespace {

struct Axis {
  int64_t input, kernel, output, stride = 1, low = 0, input_dilation = 1, kernel_dilation = 1;
};

struct Geometry {
  int64_t batch, groups, in_channels, out_channels;  // channels of one group
  std::vector<Axis> axes;

  Dims dims(int64_t first, int64_t second, int64_t Axis::* length) const {
    Dims all{first, second};
    for (const Axis& axis : axes) all.push_back(axis.*length);
    return all;
  }
  Dims x() const { return dims(batch, groups * in_channels, &Axis::input); }
  Dims w() const { return dims(groups * out_channels, in_channels, &Axis::kernel); }
  Dims y() const { return dims(batch, groups * out_channels, &Axis::output); }

  std::vector<double> params() const {
    std::vector<double> all{static_cast<double>(groups)};
    for (const auto field : {&Axis::stride, &Axis::low, &Axis::input_dilation, &Axis::kernel_dilation}) {
      for (const Axis& axis : axes) all.push_back(static_cast<double>(axis.*field));
    }
    return all;
  }
};

void check_geometry(CudaComparison& both, int32_t dtype, const Geometry& g, Random& random, bool special = false) {
  Value x = random_value(dtype, g.x(), random), w = random_value(dtype, g.w(), random);
  Value y = random_value(dtype, g.y(), random);
  if (special) {  // must not meet what it belongs to no product with
    w.data[w.data.size() / 2] = INFINITY;
    x.data[x.data.size() / 2] = NAN;
    y.data[y.data.size() / 3] = -INFINITY;
  }
  // Terms are below 1; n roundings of sums of the size of sqrt(n) add up to eps n.
  const double eps = dtype == CT_FLOAT32 ? FLT_EPSILON : DBL_EPSILON;
  const auto budget = [&](int64_t terms) { return Tolerance{0, 2 * eps * (8 + static_cast<double>(terms))}; };
  const int64_t taps = count_of(g.w()) / std::max<int64_t>(1, g.groups * g.out_channels);
  both.check("conv", {x, w}, {y.type}, g.params(), budget(taps));
  both.check("convInputGradient", {y, w}, {x.type}, g.params(), budget(taps * g.out_channels));
  both.check("convWeightGradient", {x, y}, {w.type}, g.params(),
             budget(g.batch * count_of(g.y()) / std::max<int64_t>(1, g.batch * g.out_channels)));
}

// More positions than a product has columns for are cut, also where the image could be used as it is.
void image_beyond_int32_is_cut(CudaComparison& both) {
  constexpr int64_t kSide = 65536;
  const ct_type image = type_of(CT_FLOAT32, {1, 1, kSide, kSide}), kernel = type_of(CT_FLOAT32, {1, 1, 1, 1});
  const std::vector<double> params{1, 1, 1, 0, 0, 1, 1, 1, 1};
  const uint64_t bytes = both.cuda().workspace_bytes("convWeightGradient", {image, image}, {kernel}, params);
  CHECK(bytes <= uint64_t{1} << 20, "%.0f bytes of workspace", static_cast<double>(bytes));
}

Geometry random_geometry(Random& random) {
  Geometry g{1 + random.below(3), 1 + random.below(3), 1 + random.below(5), 1 + random.below(19), {}};
  const int rank = 1 + static_cast<int>(random.below(3));
  for (int k = 0; k < rank; ++k) {
    const int64_t most = rank == 1 ? 40 : rank == 2 ? 9 : 5;
    g.axes.push_back({1 + random.below(static_cast<int>(most)), 1 + random.below(4),
                      1 + random.below(static_cast<int>(most)), 1 + random.below(4), random.below(7) - 2,
                      1 + random.below(4), 1 + random.below(3)});
  }
  return g;
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent::testing;
  CudaComparison both;
  Random random(5);
  const std::vector<Geometry> fixed = {
      {2, 1, 3, 5, {{13, 3, 13, 1, 1}, {14, 3, 14, 1, 1}}},  // one group, wide: the product is the result
      {1, 3, 2, 4, {{9, 3, 9, 1, 1}, {8, 3, 8, 1, 1}}},      // one image, several groups
      {3, 1, 4, 6, {{5, 3, 5, 1, 1}, {5, 3, 5, 1, 1}}},      // narrow: images side by side
      {2, 2, 3, 5, {{7, 3, 4, 2, 1}, {7, 3, 4, 2, 1}}},      // strided: phases on the way back
      {2, 1, 6, 5, {{6, 1, 6}, {7, 1, 7}}},                  // kernels of one element
      {1, 2, 6, 5, {{6, 1, 6}, {7, 1, 7}}},
      {2, 1, 3, 4, {{36, 1, 36}, {36, 1, 36}}},                 // the same with long images
      {2, 1, 3, 4, {{8, 1, 4, 2}, {8, 1, 4, 2}}},               // strided ones: results that no tap reaches
      {2, 4, 1, 1, {{8, 3, 8, 1, 1}}},                          // depthwise
      {1, 1, 2, 3, {{5, 4, 13, 1, 3, 2}, {4, 2, 9, 1, 1, 2}}},  // transposed
      {0, 1, 2, 3, {{4, 3, 2}}},
      {2, 1, 0, 3, {{4, 3, 2}}},
      {2, 1, 2, 0, {{4, 3, 2}}},
      {2, 1, 2, 3, {{0, 3, 2, 1, 2}}},
      {2, 1, 2, 3, {{4, 0, 5}}},
      {2, 1, 2, 3, {{4, 3, 0}}},
      {1, 1, 1, 1, {{300, 40, 261}}},
      {1, 1, 20, 2, {{70, 3, 300, 1, 5, 4, 2}}},
  };
  for (const Geometry& geometry : fixed) {
    for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) check_geometry(both, dtype, geometry, random);
  }
  check_geometry(both, CT_FLOAT32, fixed[0], random, true);
  check_geometry(both, CT_FLOAT64, fixed[3], random, true);
  image_beyond_int32_is_cut(both);
  for (int k = 0; k < 60; ++k) check_geometry(both, k % 2 ? CT_FLOAT32 : CT_FLOAT64, random_geometry(random), random);
  return failures ? 1 : 0;
}
