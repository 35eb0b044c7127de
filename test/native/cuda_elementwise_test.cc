// The elementwise kernels of the CUDA backend beside the CPU's. Exact formulas must agree; of the others, either side
// is allowed its own rounding: the host that emulates a GPU may lack the fused multiply-add that the CPU's kernel has.
#include <algorithm>
#include <cmath>
#include <limits>

#include "test/native/cuda_testing.h"
#include "test/native/random_chain.h"

namespace cotangent::testing {
namespace {

Value special_value(int32_t dtype, const Dims& dims, Random& random) {
  Value result = random_value(dtype, dims, random);
  const double specials[] = {0, -0.0, INFINITY, -INFINITY, NAN, 1};
  for (double& x : result.data) {
    if (dtype <= CT_FLOAT64) x = random.below(10) ? x * 4 : specials[random.below(6)];
    if (dtype == CT_INT32 && random.below(10) == 0) x = random.below(2) ? INT32_MIN : INT32_MAX;
    if (dtype == CT_UINT32 && random.below(10) == 0) x = UINT32_MAX;
    x = round_to(dtype, x);
  }
  return result;
}

void check_chain(CudaComparison& both, const Chain& chain, Random& random, Tolerance tolerance = {}) {
  std::vector<Value> in;
  uint64_t constants = 0;
  for (size_t k = 0; k < chain.in.size(); ++k) {
    in.push_back(special_value(chain.in[k].dtype, dims(chain.in[k]), random));
    if (chain.constants[k]) constants |= uint64_t{1} << k;
  }
  both.check("chain", in, chain.out(), chain.params(), tolerance, constants);
}

// clamp(x + row, -t, t) * mask, and whether it was clamped.
template <class T>
Chain clamped(const Dims& dims, const Dims& row_dims) {
  Chain chain(dims);
  const int x = chain.input(lane_dtype<T>(), dims), row = chain.input(lane_dtype<T>(), row_dims);
  const int t = chain.input(lane_dtype<T>(), {}), mask = chain.input(CT_BOOL, dims);
  const int sum = chain.apply("add", {x, row});
  const int value = chain.apply("max", {chain.apply("min", {sum, t}), chain.apply("neg", {t})});
  chain.output(chain.apply("select", {mask, value, x}));
  chain.output(chain.apply("ne", {value, sum}));
  return chain;
}

// More than a block, than a step of the grid, and sizes that no vector divides.
template <class T>
void sizes(CudaComparison& both) {
  Random random(21);
  for (const int64_t n : {0, 1, 2, 3, 4, 7, 8, 9, 511, 512, 513, 1000, 5003}) {
    check_chain(both, clamped<T>({n}, {n}), random);
  }
  check_chain(both, clamped<T>({}, {}), random);
}

template <class T>
void broadcasts(CudaComparison& both) {
  Random random(22);
  const std::vector<Dims> shapes = {{7},          {600},         {3, 5},       {5, 8},    {40, 33},    {3, 1, 7},
                                    {2, 3, 4, 5}, {2, 3, 2, 64}, {1, 1, 1, 1}, {2, 0, 3}, {50, 30, 2}, {300, 64}};
  for (const Dims& dims : shapes) {
    for (int a = 0; a < 1 << dims.size(); ++a) {
      const auto shrink = [&](int mask) {
        Dims shrunk = dims;
        for (size_t d = 0; d < dims.size(); ++d) shrunk[d] = mask >> d & 1 ? 1 : dims[d];
        return shrunk;
      };
      Chain chain(dims);
      const int b = random.below(1 << dims.size());
      const int x = chain.input(lane_dtype<T>(), shrink(a)), y = chain.input(lane_dtype<T>(), shrink(b));
      const int p = chain.input(CT_BOOL, shrink(a ^ b));
      chain.output(chain.apply("select", {p, chain.apply("sub", {x, y}), y}));
      chain.output(chain.apply("and", {p, chain.apply("lt", {x, y})}));
      check_chain(both, chain, random);
    }
  }
}

// Forty values alive at once are more than shared memory holds, and four hundred steps more than the kernel's argument.
template <class T>
void long_chains(CudaComparison& both) {
  Random random(23);
  for (const int64_t n : {5, 300, 20000}) {
    Chain chain({n});
    const int x = chain.input(lane_dtype<T>(), {n}), y = chain.input(lane_dtype<T>(), {n});
    std::vector<int> values;
    int last = x;
    for (int i = 0; i < 40; ++i) values.push_back(last = chain.apply(i % 2 ? "add" : "sub", {last, y}));
    int sum = y;
    for (int round = 0; round < 8; ++round) {
      for (size_t i = 0; i < values.size(); ++i) {
        sum = chain.apply("max", {chain.apply("neg", {sum}), values[values.size() - 1 - i]});
      }
    }
    chain.output(sum);
    for (int k = 0; k < 5; ++k) chain.output(values[static_cast<size_t>(k) * 7]);
    chain.output(sum);
    check_chain(both, chain, random);
  }
}

// Further than the grid reaches in one step.
void large(CudaComparison& both) {
  Random random(28);
  check_chain(both, clamped<float>({70001}, {70001}), random);
  check_chain(both, clamped<float>({1200, 1001}, {1, 1001}), random);
}

// The most operands there can be, all arrays.
void many_operands(CudaComparison& both) {
  Random random(24);
  Chain chain({130});
  std::vector<int> inputs;
  for (int k = 0; k < CT_MAX_OPERANDS; ++k) inputs.push_back(chain.input(CT_FLOAT32, {130}));
  for (int k = 0; k < CT_MAX_OPERANDS; ++k) {
    chain.output(chain.apply("sub", {inputs[static_cast<size_t>(k)], inputs[static_cast<size_t>(63 - k)]}));
  }
  check_chain(both, chain, random);
}

template <class T>
void random_chains(CudaComparison& both) {
  Random random(25);
  for (int i = 0; i < 60; ++i) check_chain(both, random_chain<T>(random), random);
}

// Every formula of floats. Both sides are within 12 units of the last place (formula_test.cc), relative or, beside the
// zeros of lgamma and digamma, absolute.
template <class T>
void formulas(CudaComparison& both) {
  Random random(26);
  const double bound = 24 * static_cast<double>(std::numeric_limits<T>::epsilon());
  for (int row = 0; row < formula::kFormulaCount; ++row) {
    const formula::FormulaInfo& info = formula::kFormulas[row];
    if (info.domain == formula::Domain::kBool || info.arity == 3) continue;
    Chain chain({403});
    std::vector<int> operands;
    for (int k = 0; k < info.arity; ++k) operands.push_back(chain.input(lane_dtype<T>(), {403}));
    chain.output(chain.apply(row, operands));
    std::vector<Value> in;
    for (int k = 0; k < info.arity; ++k) {
      Value x = special_value(lane_dtype<T>(), {403}, random);
      for (size_t i = 0; i < 40; ++i)
        x.data[i] = round_to(x.type.dtype, x.data[i] * std::pow(10.0, random.below(9) - 3));
      in.push_back(x);
    }
    both.check("chain", in, chain.out(), chain.params(), {bound, bound});
  }
}

void casts(CudaComparison& both) {
  Random random(27);
  for (const int32_t from : {CT_FLOAT32, CT_FLOAT64, CT_INT32, CT_UINT32, CT_BOOL}) {
    for (const int32_t to : {CT_FLOAT32, CT_FLOAT64, CT_INT32, CT_UINT32, CT_BOOL}) {
      for (const Dims& dims : std::vector<Dims>{{0}, {}, {1}, {3}, {4}, {5}, {1023}, {2, 700}}) {
        Value x = special_value(from, dims, random);
        if (from <= CT_FLOAT64) {
          for (double& value : x.data) value = round_to(from, random.below(3) ? value : value * 1e10);
        }
        both.check("cast", {x}, {type_of(to, dims)}, {});
      }
    }
  }
}

struct Reduced {
  int kind;  // as chainReduce numbers them
  int id;    // of the chain's value
};

// chainReduce: the chain's outputs as they are, and reductions over dims [axis, axis + count).
void check_reduced(CudaComparison& both, const Chain& chain, int axis, int count,
                   const std::vector<Reduced>& reductions, Random& random) {
  Dims kept = chain.dims;
  kept.erase(kept.begin() + axis, kept.begin() + axis + count);
  std::vector<ct_type> out = chain.out();
  std::vector<double> params{static_cast<double>(chain.dims.size())};
  params.insert(params.end(), chain.dims.begin(), chain.dims.end());
  params.insert(params.end(), {double(axis), double(count), double(reductions.size())});
  Chain everything = chain;
  for (const Reduced& r : reductions) {
    params.push_back(r.kind);
    everything.output(r.id);
    out.push_back(type_of(chain.dtypes[static_cast<size_t>(r.id)], kept));
  }
  const std::vector<double> inner = everything.params();
  params.insert(params.end(), inner.begin(), inner.end());
  std::vector<Value> in;
  bool single = true;
  for (const ct_type& type : chain.in) {
    in.push_back(random_value(type.dtype, dims(type), random));
    if (type.dtype <= CT_FLOAT64 && !in.back().data.empty() && random.below(4) == 0) {
      in.back().data[static_cast<size_t>(random.below(static_cast<int>(in.back().data.size())))] = NAN;
    }
    single = single && type.dtype != CT_FLOAT64;
  }
  // The elements are of order 1. The GPU adds in double; the CPU adds short runs in the element's type.
  const double n =
      static_cast<double>(std::max<int64_t>(1, count_of(chain.dims) / std::max<int64_t>(1, count_of(kept))));
  const double epsilon = single ? std::numeric_limits<float>::epsilon() : std::numeric_limits<double>::epsilon();
  const double bound = 4 * std::sqrt(n) * epsilon;
  both.check("chainReduce", in, out, params, {bound, bound});
}

template <class T>
void reductions(CudaComparison& both) {
  Random random(29);
  struct Shape {
    Dims dims;
    int axis, count;
  };
  const std::vector<Shape> shapes = {
      {{1}, 0, 1},        {{7}, 0, 1},          {{64}, 0, 1},       {{5000}, 0, 1},     {{9001}, 0, 1},
      {{40, 10}, 1, 1},   {{130, 8}, 1, 1},     {{5, 1030}, 1, 1},  {{2, 4100}, 1, 1},  {{40, 10}, 0, 1},
      {{300, 8}, 0, 1},   {{5000, 3}, 0, 1},    {{40, 1100}, 0, 1}, {{6, 20, 7}, 1, 1}, {{6, 20, 8}, 0, 2},
      {{6, 20, 8}, 1, 2}, {{3, 4, 5, 6}, 1, 2}, {{0, 5}, 0, 1},     {{5, 0}, 1, 1},     {{5, 0, 3}, 1, 1},
  };
  for (const Shape& shape : shapes) {
    Dims row = shape.dims;
    row[0] = 1;
    Chain chain(shape.dims);
    const int x = chain.input(lane_dtype<T>(), shape.dims), y = chain.input(lane_dtype<T>(), row);
    const int z = chain.input(lane_dtype<T>(), {}), p = chain.input(CT_BOOL, shape.dims);
    const int product = chain.apply("mul", {chain.apply("add", {x, y}), z});
    const int chosen = chain.apply("select", {p, product, x});
    const int above = chain.apply("lt", {y, x});
    check_reduced(both, chain, shape.axis, shape.count, {{0, chosen}}, random);
    std::vector<Reduced> all = {{0, product}, {2, product}, {3, chosen}, {2, above}, {3, above}, {0, x}};
    // A product of many would leave the range on the way, depending on the order.
    if (count_of(shape.dims) <= 400) all.push_back({1, chosen});
    chain.output(product);
    check_reduced(both, chain, shape.axis, shape.count, all, random);
  }
}

// More reductions, and more values alive at once, than shared memory holds.
void many_reductions(CudaComparison& both) {
  Random random(30);
  for (const Dims& dims : std::vector<Dims>{{30, 37}, {30, 64}}) {
    for (const int axis : {0, 1}) {
      Chain chain(dims);
      const int x = chain.input(CT_FLOAT32, dims), y = chain.input(CT_FLOAT32, dims);
      std::vector<Reduced> reductions;
      std::vector<int> values;
      int last = x;
      for (int i = 0; i < 40; ++i) values.push_back(last = chain.apply(i % 2 ? "add" : "sub", {last, y}));
      int extreme = y;
      for (size_t i = values.size(); i-- > 0;) extreme = chain.apply("max", {chain.apply("neg", {extreme}), values[i]});
      for (int k = 0; k < 32; ++k) reductions.push_back({k % 2 ? 0 : 2, values[static_cast<size_t>(k)]});
      reductions.push_back({0, extreme});
      check_reduced(both, chain, axis, 1, reductions, random);
    }
  }
}

// With a formula that is not exact.
void costly_reduction(CudaComparison& both) {
  Random random(31);
  Chain chain({33, 100});
  const int x = chain.input(CT_FLOAT64, {33, 100});
  chain.output(chain.apply("exp", {x}));
  check_reduced(both, chain, 1, 1, {{0, chain.apply("exp", {x})}, {2, chain.apply("square", {x})}}, random);
}

template <class T>
void lane(CudaComparison& both) {
  sizes<T>(both);
  broadcasts<T>(both);
  long_chains<T>(both);
  random_chains<T>(both);
  reductions<T>(both);
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent::testing;
  CudaComparison both;
  lane<float>(both);
  lane<double>(both);
  lane<int32_t>(both);
  lane<uint32_t>(both);
  large(both);
  many_operands(both);
  many_reductions(both);
  costly_reduction(both);
  formulas<float>(both);
  formulas<double>(both);
  casts(both);
  return failures ? 1 : 0;
}
