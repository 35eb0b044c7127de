// Greedy fusion. Every equation starts as a group of its own; going forward, each elementwise equation joins the groups
// of its producers, then groups that read the same operand, whenever no path leaves the merged group and comes back
// into it. Shapes are compared without their dimensions of 1: buffers are contiguous, so those change nothing.
// Reductions of a group's values join last. They read nothing but that group, so no path can come back through them.
#include "native/core/fusion.h"

#include <algorithm>

#include "native/core/fuser.h"

namespace cotangent {
namespace {

constexpr int kWindow = 2048;         // equations that are fused together: bounds the cost of the path checks
constexpr int64_t kSmallCount = 256;  // below that a launch costs more than the work: unrelated chains are merged, too

}  // namespace

void Fuser::run() {
  for (Equation& equation : program_.equations) {
    for (Program& sub : equation.subs) Fuser(sub, merge_, reductions_).run();
  }
  find_producers();
  for (int k = 0; k < count_; ++k) make_node(k);
  find_uses();
  for (int k = 0; k < count_; ++k) group_of_.push_back(k);
  if (merge_) {
    for (int begin = 0; begin < count_; begin += kWindow) form_groups(begin, std::min(count_, begin + kWindow));
    sink();
    if (reductions_) add_reductions();
  }
  emit();
}

void Fuser::find_producers() {
  producer_.assign(program_.types.size(), -1);
  for (int k = 0; k < count_; ++k) {
    for (const int value : equation(k).out) {
      if (root(value) == value) producer_[value] = k;
    }
  }
}

void Fuser::make_node(int k) {
  const Equation& from = equation(k);
  if (from.kind != Kind::kFormula) return;
  Node& node = nodes_[k];
  node.elementwise = true;
  node.dims = without_ones(type(from.out[0]));
  node.lane = type(from.out[0]).dtype == CT_BOOL ? kBoolLane : type(from.out[0]).dtype;
  for (const int value : from.in) {
    if (type(value).dtype != CT_BOOL) node.lane = type(value).dtype;
    node.operands.push_back(view(value, node.dims));
  }
}

// How a chain of dims `dims` reads `value`: through the broadcast that made it, where there is one.
Fuser::Operand Fuser::view(int value, const Dims& dims) const {
  Operand operand{root(value), without_ones(type(value))};
  const int from = producer(operand.root);
  if (!merge_ || from < 0 || equation(from).kind != Kind::kBroadcast || operand.dims != dims || dims.empty())
    return operand;
  const Equation& broadcast = equation(from);
  const int source = broadcast.in[0];
  if (element_count(type(source)) == 1) return {root(source), {}};  // whatever became of its dims
  const Type& wide = type(broadcast.out[0]);
  if (without_ones(wide) != dims) return operand;
  // Per dimension of the broadcast's result: the dimension of its source, or 1.
  Dims stretched(static_cast<size_t>(wide.rank), 1);
  for (int32_t d = 0; d < type(source).rank; ++d)
    stretched[static_cast<size_t>(broadcast.params[d])] = type(source).dims[d];
  Dims narrow;
  for (int32_t d = 0; d < wide.rank; ++d) {
    if (wide.dims[d] != 1) narrow.push_back(stretched[d]);
  }
  return {root(source), narrow};
}

// Who reads the storage of each value, once absorbed broadcasts are out of the way; -1 stands for the program's
// outputs.
void Fuser::find_uses() {
  uses_.assign(program_.types.size(), {});
  for (const int value : program_.outputs) {
    if (value >= 0) uses_[root(value)].push_back(-1);
  }
  for (int k = count_ - 1; k >= 0; --k) {
    if (equation(k).kind == Kind::kBroadcast && uses_[equation(k).out[0]].empty()) {
      absorbed_.insert(k);
      continue;
    }
    for (const int value : sources(k)) uses_[value].push_back(k);
  }
}

// Storages that an equation reads.
std::vector<int> Fuser::sources(int k) const {
  std::vector<int> values;
  if (nodes_[k].elementwise) {
    for (const Operand& operand : nodes_[k].operands) values.push_back(operand.root);
  } else if (equation(k).kind == Kind::kCheck) {
    values.push_back(root(equation(k).in[1]));
  } else {
    for (const int value : equation(k).in) {
      if (value >= 0) values.push_back(root(value));
    }
  }
  return values;
}

void Fuser::form_groups(int begin, int end) {
  begin_ = begin;
  groups_.assign(static_cast<size_t>(end - begin), Group{{}, Bits(end - begin), kBoolLane});
  std::map<std::pair<int, Dims>, int> readers;  // the last equation that read a storage, per shape
  std::map<std::pair<Dims, int>, int> small;    // the last small chain, per shape and lane
  for (int k = begin; k < end; ++k) {
    Group& group = groups_[k - begin];
    group.members = {k};
    group.lane = nodes_[k].lane;
    for (const int value : sources(k)) {
      const int from = producer(value);
      if (from < begin) continue;
      group.ancestors.set(group_of_[from] - begin);
      group.ancestors.merge(groups_[group_of_[from] - begin].ancestors);
    }
    const Node& node = nodes_[k];
    if (!node.elementwise) continue;
    for (const Operand& operand : node.operands) {
      const int from = producer(operand.root);
      if (from >= begin && operand.dims == node.dims) try_merge(from, k);
    }
    for (const Operand& operand : node.operands) {
      if (operand.dims != node.dims || program_.is_constant(operand.root)) continue;
      const auto [reader, fresh] = readers.try_emplace({operand.root, node.dims}, k);
      if (!fresh) {
        try_merge(reader->second, k);
        reader->second = k;
      }
    }
    int64_t size = 1;
    for (const int64_t dim : node.dims) size *= dim;
    if (size > kSmallCount) continue;
    const auto [last, fresh] = small.try_emplace({node.dims, node.lane}, k);
    if (!fresh) {
      try_merge(last->second, k);
      last->second = k;
    }
  }
}

void Fuser::try_merge(int first, int second) {
  const int a = group_of_[first] - begin_, b = group_of_[second] - begin_;
  if (a == b || !nodes_[first].elementwise || nodes_[first].dims != nodes_[second].dims) return;
  Group& into = groups_[a];
  Group& from = groups_[b];
  if (into.lane != from.lane && into.lane != kBoolLane && from.lane != kBoolLane) return;
  if (path_between(a, b) || path_between(b, a)) return;
  std::vector<int> members;
  std::merge(into.members.begin(), into.members.end(), from.members.begin(), from.members.end(),
             std::back_inserter(members));
  if (!fits(members)) return;
  into.members = std::move(members);
  if (into.lane == kBoolLane) into.lane = from.lane;
  into.ancestors.merge(from.ancestors);
  into.ancestors.clear(a);
  into.ancestors.clear(b);
  for (const int k : from.members) group_of_[k] = a + begin_;
  from.members.clear();
  for (Group& other : groups_) {
    if (other.members.empty() || (!other.ancestors.test(a) && !other.ancestors.test(b))) continue;
    other.ancestors.merge(into.ancestors);
    other.ancestors.set(a);
    other.ancestors.clear(b);
  }
}

// True when a path from group a to group b goes through a third one.
bool Fuser::path_between(int a, int b) const {
  if (!groups_[b].ancestors.test(a)) return false;
  return groups_[b].ancestors.any([&](int k) { return k != a && groups_[k].ancestors.test(a); });
}

Fuser::Interface Fuser::interface_of(const std::vector<int>& members) const {
  Interface result;
  const auto inside = [&](int k) { return std::binary_search(members.begin(), members.end(), k); };
  std::set<Operand> seen;
  for (const int k : members) {
    if (!nodes_[k].elementwise) {
      result.reductions.push_back(k);
      continue;
    }
    for (const Operand& operand : nodes_[k].operands) {
      if (!inside(producer(operand.root)) && seen.insert(operand).second) result.inputs.push_back(operand);
    }
    const std::vector<int>& uses = uses_[equation(k).out[0]];
    if (!std::all_of(uses.begin(), uses.end(), inside)) result.outputs.push_back(k);
  }
  return result;
}

bool Fuser::fits(const std::vector<int>& members) const {
  if (members.size() > kChainInstructions) return false;
  const Interface interface = interface_of(members);
  return interface.inputs.size() <= kChainInputs &&
         interface.outputs.size() + interface.reductions.size() <= kChainOutputs;
}

void fuse_elementwise(Program& program, bool merge, bool reductions) {
  if (merge) repeat_casts(program);
  Fuser(program, merge, reductions).run();
}

}  // namespace cotangent
