// maxPool, poolGather and poolScatter against plain loops: windows of every kind, NaN, ties, large windows, refusals.
#include <limits>

#include "test/native/kernel_testing.h"

namespace cotangent::testing {
namespace {

struct Axis {
  int64_t source, window, result, stride, low = 0, dilation = 1;
};

void check_max_pool(int32_t dtype, const Dims& lead, const std::vector<Axis>& axes, Random& random) {
  Dims x_dims = lead, y_dims = lead, trailing, window;
  std::vector<double> params;
  for (const Axis& axis : axes) {
    x_dims.push_back(axis.source), y_dims.push_back(axis.result);
    trailing.push_back(axis.source), window.push_back(axis.window);
  }
  for (const auto field : {&Axis::window, &Axis::stride, &Axis::low, &Axis::dilation}) {
    for (const Axis& axis : axes) params.push_back(static_cast<double>(axis.*field));
  }
  Value x = random_value(dtype, x_dims, random);
  for (double& value : x.data) {
    const int kind = random.below(20);  // ties, too
    value = kind == 0 ? std::nan("") : kind == 1 ? -std::numeric_limits<double>::infinity() : random.below(5);
  }
  std::vector<double> best, place;
  for_each_index(y_dims, [&](const Dims& y) {
    double value = -std::numeric_limits<double>::infinity();
    int64_t where = -1;
    for_each_index(window, [&](const Dims& tap) {
      Dims position(y.begin(), y.begin() + static_cast<long>(lead.size())), inside;
      for (size_t k = 0; k < axes.size(); ++k) {
        const int64_t q = y[lead.size() + k] * axes[k].stride + tap[k] * axes[k].dilation - axes[k].low;
        if (q < 0 || q >= axes[k].source) return;
        position.push_back(q), inside.push_back(q);
      }
      const double now = x.data[offset_of(x_dims, position)];
      if (where >= 0 && !(now > value) && !(std::isnan(now) && !std::isnan(value))) return;
      value = now;
      where = static_cast<int64_t>(offset_of(trailing, inside));
    });
    best.push_back(value);
    place.push_back(static_cast<double>(where));
  });
  const std::vector<Value> got =
      run_kernel("maxPool", {x}, {type_of(dtype, y_dims), type_of(CT_INT32, y_dims)}, params);
  const std::string what = "maxPool " + text_of(x_dims) + " to " + text_of(y_dims);
  check_equal(got[0], best, what);
  check_equal(got[1], place, what + ", places");

  // Places of winners, and some that are outside.
  Value index = got[1];
  for (double& at : index.data) at = random.below(9) ? at : count_of(trailing) + random.below(3);
  const Value t = random_value(dtype, x_dims, random), ct = random_value(dtype, y_dims, random);
  const int64_t sources = count_of(trailing), results = count_of(y_dims) / std::max<int64_t>(1, count_of(lead));
  std::vector<double> gathered(ct.data.size(), 0), scattered(t.data.size(), 0);
  for (size_t i = 0; i < gathered.size(); ++i) {
    const int64_t at = static_cast<int64_t>(index.data[i]);
    if (at < 0 || at >= sources) continue;
    const size_t from = static_cast<size_t>(static_cast<int64_t>(i) / results * sources + at);
    gathered[i] = t.data[from];
    scattered[from] = round_to(dtype, scattered[from] + ct.data[i]);  // in this order, so that the bits agree
  }
  const std::vector<double> count{static_cast<double>(axes.size())};
  check_equal(run_one("poolGather", {t, index}, ct.type, count), gathered, "poolGather");
  check_equal(run_one("poolScatter", {ct, index}, t.type, count), scattered, "poolScatter");
}

// Many planes are cut into pieces.
void pieces(Random& random) {
  const int64_t planes = 2500, sources = 1500, results = 1400;
  const Value x = random_value(CT_FLOAT64, {planes, sources}, random);
  const Value y = random_value(CT_FLOAT64, {planes, results}, random);
  Value index = indices({planes, results}, std::vector<double>(y.data.size()));
  std::vector<double> gathered(y.data.size()), scattered(x.data.size(), 0);
  for (size_t i = 0; i < y.data.size(); ++i) {
    const int at = random.below(sources);
    const size_t from = i / results * sources + static_cast<size_t>(at);
    index.data[i] = at;
    gathered[i] = x.data[from];
    scattered[from] += y.data[i];
  }
  CHECK(prepare_kernel("poolGather", {x, index}, {y.type}, {1})->pieces(1) > 1, "poolGather in one piece");
  CHECK(prepare_kernel("poolScatter", {y, index}, {x.type}, {1})->pieces(1) > 1, "poolScatter in one piece");
  check_equal(run_one("poolGather", {x, index}, y.type, {1}), gathered, "poolGather in pieces");
  check_equal(run_one("poolScatter", {y, index}, x.type, {1}), scattered, "poolScatter in pieces");
}

void refusals() {
  const ct_type x = type_of(CT_FLOAT32, {2, 6}), y = type_of(CT_FLOAT32, {2, 3}), i = type_of(CT_INT32, {2, 3});
  check_refused("maxPool", {x}, {y, i}, {2, 2, 0}, CT_INTERNAL);
  check_refused("maxPool", {x}, {y, i}, {0, 2, 0, 1}, CT_SHAPE);
  check_refused("maxPool", {x}, {y, i}, {2, 0, 0, 1}, CT_SHAPE);
  check_refused("maxPool", {x}, {type_of(CT_FLOAT32, {1, 3}), i}, {2, 2, 0, 1}, CT_SHAPE);
  check_refused("maxPool", {x}, {y, type_of(CT_INT32, {2, 2})}, {2, 2, 0, 1}, CT_SHAPE);
  check_refused("maxPool", {type_of(CT_INT32, {2, 6})}, {i, i}, {2, 2, 0, 1}, CT_DTYPE);
  check_refused("maxPool", {x}, {y, y}, {2, 2, 0, 1}, CT_DTYPE);
  check_refused("poolGather", {x, i}, {x}, {1}, CT_SHAPE);
  check_refused("poolGather", {x, i}, {y}, {3}, CT_SHAPE);
  check_refused("poolGather", {x, y}, {y}, {1}, CT_DTYPE);
  check_refused("poolScatter", {y, i}, {type_of(CT_FLOAT32, {3, 6})}, {1}, CT_SHAPE);
  check_refused("poolScatter", {y, i}, {x}, {}, CT_INTERNAL);
}

void all() {
  Random random(11);
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    check_max_pool(dtype, {128, 6}, {{28, 2, 14, 2}, {28, 2, 14, 2}}, random);
    check_max_pool(dtype, {3}, {{10, 2, 5, 2}, {10, 2, 5, 2}}, random);
    check_max_pool(dtype, {2}, {{15, 3, 8, 2, 1}, {33, 3, 17, 2, 1}}, random);
    check_max_pool(dtype, {2, 3}, {{12, 12, 1, 12}, {13, 13, 1, 13}}, random);  // more taps than are taken at a time
    check_max_pool(dtype, {2}, {{40, 5, 36, 1}}, random);
    check_max_pool(dtype, {0}, {{4, 2, 2, 2}}, random);
    check_max_pool(dtype, {2}, {{4, 2, 2, 2}, {1, 2, 0, 2}}, random);
    for (int round = 0; round < 200; ++round) {
      std::vector<Axis> axes;
      const int rank = 1 + random.below(3), most = rank == 1 ? 40 : rank == 2 ? 12 : 6;
      for (int k = 0; k < rank; ++k) {
        axes.push_back({1 + random.below(most), 1 + random.below(4), 1 + random.below(most), 1 + random.below(4),
                        random.below(6) - 1, 1 + random.below(3)});
      }
      check_max_pool(dtype, {1 + random.below(3)}, axes, random);
    }
  }
  pieces(random);
  refusals();
}

}  // namespace
}  // namespace cotangent::testing

int main() { return cotangent::testing::on_every_target(cotangent::testing::all); }
