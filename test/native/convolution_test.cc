// conv, convInputGradient and convWeightGradient against plain loops over the trilinear form, in double: strides,
// dilations and padding of every sign in one to three dimensions, groups, empty operands.
#include <cfloat>

#include "test/native/kernel_testing.h"

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

// f(x index, w index, y index) for every triple of the form.
template <class F>
void for_each_triple(const Geometry& g, F&& f) {
  for_each_index(g.y(), [&](const Dims& y) {
    for_each_index(g.w(), [&](const Dims& w) {
      if (w[0] != y[1]) return;
      Dims x{y[0], y[1] / g.out_channels * g.in_channels + w[1]};
      for (size_t k = 0; k < g.axes.size(); ++k) {
        const Axis& axis = g.axes[k];
        const int64_t scaled = y[k + 2] * axis.stride + w[k + 2] * axis.kernel_dilation - axis.low;
        if (scaled < 0 || scaled % axis.input_dilation != 0 || scaled / axis.input_dilation >= axis.input) return;
        x.push_back(scaled / axis.input_dilation);
      }
      f(offset_of(g.x(), x), offset_of(g.w(), w), offset_of(g.y(), y));
    });
  });
}

void check_close(const Value& received, const std::vector<double>& expected, const std::vector<double>& scale,
                 double budget, const std::string& what) {
  const double eps = received.type.dtype == CT_FLOAT32 ? FLT_EPSILON : DBL_EPSILON;
  for (size_t i = 0; i < expected.size(); ++i) {
    CHECK(std::abs(received.data[i] - expected[i]) <= eps * budget * scale[i],
          "%s: element %zu: expected %.9g, received %.9g", what.c_str(), i, expected[i], received.data[i]);
  }
}

void check_geometry(int32_t dtype, const Geometry& g, Random& random) {
  const Value x = random_value(dtype, g.x(), random), w = random_value(dtype, g.w(), random),
              y = random_value(dtype, g.y(), random);
  std::vector<double> sums[3], scales[3], terms[3];
  for (int k = 0; k < 3; ++k) {
    const size_t size = (k == 0 ? y : k == 1 ? x : w).data.size();
    sums[k].assign(size, 0), scales[k].assign(size, 0), terms[k].assign(size, 0);
  }
  for_each_triple(g, [&](size_t i, size_t j, size_t k) {
    const double a = x.data[i], b = w.data[j], c = y.data[k];
    const double products[3] = {a * b, b * c, a * c};
    const size_t at[3] = {k, i, j};
    for (int m = 0; m < 3; ++m) {
      sums[m][at[m]] += products[m];
      scales[m][at[m]] += std::abs(products[m]);
      terms[m][at[m]] += 1;
    }
  });
  const std::string what = text_of(g.x()) + " " + text_of(g.w()) + " " + text_of(g.y());
  // Each term is rounded at most twice; n roundings of either sign add up like a random walk, to their root.
  const auto budget = [&](int k) {
    double most = 0;
    for (const double count : terms[k]) most = std::max(most, count);
    return 2 + 2 * std::sqrt(most);
  };
  for (const int cut : {1, 2, 5}) {
    check_close(run_one("conv", {x, w}, y.type, g.params(), cut), sums[0], scales[0], budget(0), "conv " + what);
    check_close(run_one("convInputGradient", {y, w}, x.type, g.params(), cut), sums[1], scales[1], budget(1),
                "convInputGradient " + what);
    check_close(run_one("convWeightGradient", {x, y}, w.type, g.params(), cut), sums[2], scales[2], budget(2),
                "convWeightGradient " + what);
  }
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

void refusals() {
  const auto f = [](const Dims& dims) { return type_of(CT_FLOAT32, dims); };
  const std::vector<double> plain{1, 1, 1, 0, 0, 1, 1, 1, 1};
  const auto with = [&](size_t at, double value) {
    std::vector<double> changed = plain;
    changed[at] = value;
    return changed;
  };
  const ct_type x = f({2, 3, 5, 5}), w = f({4, 3, 3, 3}), y = f({2, 4, 3, 3});
  check_refused("conv", {x, f({4, 2, 3, 3})}, {y}, plain, CT_SHAPE);
  check_refused("conv", {x, w}, {f({2, 5, 3, 3})}, plain, CT_SHAPE);
  check_refused("conv", {x, w}, {f({1, 4, 3, 3})}, plain, CT_SHAPE);
  check_refused("conv", {x, f({4, 3, 3})}, {y}, plain, CT_SHAPE);
  check_refused("conv", {f({2, 3}), f({4, 3})}, {f({2, 4})}, {1}, CT_SHAPE);
  check_refused("conv", {x, w}, {y}, with(0, 3), CT_SHAPE);
  check_refused("conv", {x, w}, {y}, with(1, 0), CT_SHAPE);
  check_refused("conv", {x, w}, {y}, with(5, 0), CT_SHAPE);
  check_refused("conv", {x, w}, {y}, with(7, -1), CT_SHAPE);
  check_refused("conv", {x, w}, {y}, {1}, CT_INTERNAL);
  check_refused("conv", {x, type_of(CT_FLOAT64, {4, 3, 3, 3})}, {y}, plain, CT_DTYPE);
  check_refused("convInputGradient", {y, w}, {f({2, 4, 5, 5})}, plain, CT_SHAPE);
  check_refused("convWeightGradient", {x, y}, {f({4, 2, 3, 3})}, plain, CT_SHAPE);
}

void all() {
  Random random(7);
  const std::vector<Geometry> fixed{
      {2, 1, 1, 6, {{28, 5, 28, 1, 2}, {28, 5, 28, 1, 2}}},
      {2, 1, 6, 16, {{14, 5, 10}, {14, 5, 10}}},
      {1, 1, 3, 33, {{17, 3, 9, 2, 1}, {19, 3, 10, 2, 1}}},
      {1, 8, 1, 1, {{20, 3, 20, 1, 1}, {20, 3, 20, 1, 1}}},
      {3, 1, 40, 24, {{6, 1, 6}, {7, 1, 7}}},
      {1, 1, 2, 2, {{300, 9, 292}}},
      {1, 2, 2, 3, {{9, 3, 7}, {9, 3, 7}, {9, 3, 7}}},
      {1, 1, 2, 3, {{4, 3, 0}, {5, 3, 3}}},
      {0, 1, 2, 3, {{4, 3, 2}}},
      {2, 1, 0, 3, {{4, 3, 2}}},
      {2, 1, 3, 0, {{4, 3, 2}}},
      {2, 1, 2, 3, {{4, 0, 5}}},
      {2, 1, 2, 3, {{0, 3, 2, 1, 2}}},
      {1, 1, 1, 1, {{3, 1, 200, 1, 100}}},               // mostly padding
      {1, 1, 2, 2, {{5, 2, 6, 1, 0, 6, 4}, {4, 3, 3}}},  // most taps meet nothing
      {1, 1, 1, 2, {{400, 3, 398}, {300, 3, 298}}},      // several bands
      {2, 70, 2, 2, {{5, 3, 5, 1, 1}}},
  };
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    for (const Geometry& geometry : fixed) check_geometry(dtype, geometry, random);
    for (int round = 0; round < 150; ++round) check_geometry(dtype, random_geometry(random), random);
  }
  refusals();
}

}  // namespace
}  // namespace cotangent::testing

int main() { return cotangent::testing::on_every_target(cotangent::testing::all); }
