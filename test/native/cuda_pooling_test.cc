// The pooling of the CUDA backend beside the CPU's, bit for bit: sums too are in the CPU's order.
#include "test/native/cuda_testing.h"

namespace cotangent::testing {
namespace {

struct Axis {
  int64_t source, window, stride, low, high, dilation;
  int64_t result() const {
    const int64_t room = source + low + high - (window - 1) * dilation;
    return room < 1 ? 0 : (room - 1) / stride + 1;
  }
};

void pools(CudaComparison& both, int32_t dtype, const Dims& leading, const std::vector<Axis>& axes, Random& random) {
  Dims from = leading, to = leading;
  std::vector<double> params;
  int64_t sources = 1;
  for (const Axis& axis : axes) from.push_back(axis.source), to.push_back(axis.result()), sources *= axis.source;
  for (const auto field : {&Axis::window, &Axis::stride, &Axis::low, &Axis::dilation}) {
    for (const Axis& axis : axes) params.push_back(static_cast<double>(axis.*field));
  }
  Value x = random_value(dtype, from, random);
  for (double& v : x.data) {
    const int kind = random.below(30);
    v = kind == 0 ? std::nan("") : kind == 1 ? -HUGE_VAL : kind < 20 ? random.below(5) : v;  // ties, too
  }
  both.check("maxPool", {x}, {type_of(dtype, to), type_of(CT_INT32, to)}, params);

  // Places in the plane, some of them outside; some shared by all lanes of a warp.
  const double d = static_cast<double>(axes.size());
  for (const int kind : {0, 1, 2}) {
    Value index = random_value(CT_INT32, to, random);
    for (double& q : index.data) {
      const int64_t range = kind == 0 ? sources + 4 : kind == 1 ? 3 : std::max<int64_t>(1, sources / 2);
      q = static_cast<double>(random.below(static_cast<int>(range)) - (kind == 0 ? 2 : 0));
    }
    const Value y = random_value(dtype, to, random), source = random_value(dtype, from, random);
    both.check("poolGather", {source, index}, {type_of(dtype, to)}, {d});
    both.check("poolScatter", {y, index}, {type_of(dtype, from)}, {d});
  }
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent;
  using namespace cotangent::testing;
  CudaComparison both;
  Random random(5);
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    pools(both, dtype, {}, {{9, 3, 2, 0, 0, 1}}, random);
    pools(both, dtype, {}, {{1, 1, 1, 0, 0, 1}}, random);
    pools(both, dtype, {2}, {{700, 5, 3, 2, 2, 2}}, random);
    pools(both, dtype, {3, 2}, {{8, 2, 2, 0, 0, 1}, {10, 3, 1, 1, 1, 1}}, random);
    pools(both, dtype, {2}, {{13, 3, 2, 1, 1, 1}, {33, 3, 2, 1, 1, 1}}, random);
    pools(both, dtype, {2, 2}, {{4, 2, 1, 0, 0, 1}, {5, 2, 2, 1, 0, 2}, {7, 3, 1, 1, 1, 1}}, random);
    pools(both, dtype, {2}, {{3, 2, 5, 9, 9, 3}}, random);     // windows that cover nothing
    pools(both, dtype, {2}, {{12, 4, 1, -2, -3, 1}}, random);  // padding that cuts
    pools(both, dtype, {0}, {{5, 2, 1, 0, 0, 1}}, random);
    pools(both, dtype, {2}, {{2, 4, 1, 0, 0, 1}}, random);  // no result
    pools(both, dtype, {1}, {{60, 3, 1, 1, 1, 1}, {60, 3, 1, 1, 1, 1}}, random);
  }
  return failures ? 1 : 0;
}
