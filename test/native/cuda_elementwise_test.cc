// The elementwise kernels of the CUDA backend beside the CPU's. Exact formulas must agree; of the others, either side
// is allowed its own rounding: the host that emulates a GPU may lack the fused multiply-add that the CPU's kernel has.
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

template <class T>
void lane(CudaComparison& both) {
  sizes<T>(both);
  broadcasts<T>(both);
  long_chains<T>(both);
  random_chains<T>(both);
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
  formulas<float>(both);
  formulas<double>(both);
  casts(both);
  return failures ? 1 : 0;
}
