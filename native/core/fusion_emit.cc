// Groups become equations, in an order that respects what they read.
#include <algorithm>
#include <queue>

#include "native/core/fuser.h"

namespace cotangent {

// Groups in an order that respects what they read; the old order otherwise.
void Fuser::emit() {
  std::map<int, std::vector<int>> members;
  for (int k = 0; k < count_; ++k) {
    if (!absorbed_.count(k)) members[group_of_[k]].push_back(k);
  }
  std::map<int, std::set<int>> followers;
  std::map<int, int> waiting;
  for (const auto& [group, equations] : members) {
    for (const int k : equations) {
      for (const int value : sources(k)) {
        if (producer(value) < 0) continue;
        const int from = group_of_[producer(value)];
        if (from != group && followers[from].insert(group).second) ++waiting[group];
      }
    }
  }
  std::priority_queue<std::pair<int, int>, std::vector<std::pair<int, int>>, std::greater<>> ready;
  const auto offer = [&](int group) { ready.push({members[group].front(), group}); };
  for (const auto& entry : members) {
    if (waiting[entry.first] == 0) offer(entry.first);
  }
  std::vector<Equation> equations;
  while (!ready.empty()) {
    const int group = ready.top().second;
    ready.pop();
    const std::vector<int>& list = members[group];
    equations.push_back(nodes_[list[0]].elementwise ? make_chain(list) : std::move(program_.equations[list[0]]));
    for (const int next : followers[group]) {
      if (--waiting[next] == 0) offer(next);
    }
  }
  program_.equations = std::move(equations);
}

Equation Fuser::make_chain(const std::vector<int>& members) const {
  const Interface interface = interface_of(members);
  Equation chain;
  chain.name = interface.reductions.empty() ? "chain" : "chainReduce";
  std::map<Operand, int> index;
  for (const Operand& operand : interface.inputs) {
    index[operand] = static_cast<int>(chain.in.size());
    chain.in.push_back(operand.root);
    chain.in_types.push_back(chain_type(type(operand.root).dtype, operand.dims));
  }
  const Dims& dims = nodes_[members[0]].dims;
  if (!interface.reductions.empty()) put_reductions(chain, group_of_[members[0]], dims, interface.reductions);
  const int first = static_cast<int>(chain.in.size());
  std::map<int, int> results;                // storage -> operand number
  std::map<std::vector<double>, int> known;  // instruction -> operand number: repeated ones are computed once
  const size_t count_at = chain.params.size();
  chain.params.push_back(0);
  for (const int k : members) {
    const Equation& from = equation(k);
    const Node& node = nodes_[k];
    if (!node.elementwise) continue;
    std::vector<double> instruction{static_cast<double>(from.formula), static_cast<double>(type(from.out[0]).dtype),
                                    static_cast<double>(node.operands.size())};
    for (const Operand& operand : node.operands) {
      const auto inner = results.find(operand.root);
      instruction.push_back(inner != results.end() ? inner->second : index.at(operand));
    }
    const auto [same, fresh] = known.try_emplace(instruction, first + static_cast<int>(known.size()));
    results[from.out[0]] = same->second;
    if (!fresh) continue;
    chain.labels.push_back(from.name);
    chain.params.insert(chain.params.end(), instruction.begin(), instruction.end());
  }
  chain.params[count_at] = static_cast<double>(known.size());
  chain.params.push_back(static_cast<double>(interface.outputs.size() + interface.reductions.size()));
  for (const int k : interface.outputs) {
    const int value = equation(k).out[0];
    chain.out.push_back(value);
    chain.out_types.push_back(chain_type(type(value).dtype, dims));
    chain.params.push_back(results.at(value));
  }
  for (const int k : interface.reductions) {
    const ChainReduction& reduction = reduction_of_.at(group_of_[k]);
    Dims kept = dims;
    kept.erase(kept.begin() + reduction.axis, kept.begin() + reduction.axis + reduction.axis_count);
    const int value = equation(k).out[0];
    chain.labels.push_back(equation(k).name);
    chain.out.push_back(value);
    chain.out_types.push_back(chain_type(type(value).dtype, kept));
    chain.params.push_back(results.at(root(equation(k).in[0])));
  }
  return chain;
}

// What stands before the chain in the params of `chainReduce`.
void Fuser::put_reductions(Equation& chain, int group, const Dims& dims, const std::vector<int>& reductions) const {
  const ChainReduction& range = reduction_of_.at(group);
  chain.params.push_back(static_cast<double>(dims.size()));
  for (const int64_t extent : dims) chain.params.push_back(static_cast<double>(extent));
  chain.params.insert(chain.params.end(), {static_cast<double>(range.axis), static_cast<double>(range.axis_count),
                                           static_cast<double>(reductions.size())});
  for (const int k : reductions) chain.params.push_back(chain_reduction(program_, equation(k), dims)->kind);
}

}  // namespace cotangent
