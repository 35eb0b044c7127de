// Chains of random exact formulas over random shapes, for the chain kernels of every device.
#ifndef COTANGENT_TEST_RANDOM_CHAIN_H
#define COTANGENT_TEST_RANDOM_CHAIN_H

#include <string>
#include <vector>

#include "test/native/chain_reference.h"
#include "test/native/chain_testing.h"

namespace cotangent::testing {

// Constants are marked by a pointer that is not null.
template <class T>
Chain random_chain(Random& random) {
  static const std::vector<std::vector<int64_t>> shapes = {
      {},        {1},         {5},          {128},    {1000},      {3, 4},        {2, 600},  {9, 17},     {300, 2},
      {2, 3, 7}, {4, 1, 256}, {2, 2, 3, 5}, {3, 128}, {2, 3, 512}, {2, 2, 2, 64}, {2, 3000}, {3, 2, 2048}};
  Chain chain(shapes[random.below(static_cast<int>(shapes.size()))]);
  const int inputs = 1 + random.below(6);
  std::vector<int> numbers, bools;
  for (int k = 0; k < inputs; ++k) {
    std::vector<int64_t> dims = chain.dims;
    const bool whole = random.below(2) == 0;
    for (int64_t& extent : dims) extent = !whole && random.below(2) ? 1 : extent;
    if (random.below(5) == 0) dims.clear();
    const bool is_bool = k > 0 && random.below(3) == 0;
    static const char known = 0;  // marks inputs whose value is given at preparation
    const int id = chain.input(is_bool ? static_cast<int32_t>(CT_BOOL) : lane_dtype<T>(), dims,
                               dims.empty() && random.below(2) ? &known : nullptr);
    (is_bool ? bools : numbers).push_back(id);
  }
  std::vector<const char*> plain = {"neg", "abs", "sign", "square", "add", "sub", "mul", "div",
                                    "max", "min", "add",  "sub",    "mul", "eq",  "ne",  "lt",
                                    "le",  "gt",  "ge",   "select", "and", "or",  "not", "select"};
  if (std::is_floating_point_v<T>) {
    for (const char* name : {"sqrt", "reciprocal", "floor", "ceil", "round", "isFinite"}) plain.push_back(name);
  }
  const auto pick = [&](const std::vector<int>& from) {  // recent values more often: long chains
    const int n = static_cast<int>(from.size());
    return from[random.below(2) ? n - 1 : random.below(n)];
  };
  const int instructions = 1 + random.below(random.below(4) ? 8 : 60);
  for (int i = 0; i < instructions; ++i) {
    const char* name = plain[random.below(static_cast<int>(plain.size()))];
    const formula::FormulaInfo& info = formula::kFormulas[formula_row(name)];
    std::vector<int> operands;
    const bool on_bools =
        info.domain == formula::Domain::kBool || (info.domain == formula::Domain::kAny && random.below(4) == 0);
    if ((on_bools || info.arity == 3) && bools.empty()) continue;
    if (info.arity == 3) operands.push_back(pick(bools));
    while (static_cast<int>(operands.size()) < info.arity) operands.push_back(pick(on_bools ? bools : numbers));
    const int id = chain.apply(name, operands);
    (chain.dtypes[id] == CT_BOOL ? bools : numbers).push_back(id);
  }
  chain.output(static_cast<int>(chain.dtypes.size()) - 1);
  for (int extra = random.below(4); extra > 0; --extra)
    chain.output(random.below(static_cast<int>(chain.dtypes.size())));
  return chain;
}

}  // namespace cotangent::testing

#endif
