// Greedy fusion. Every equation starts as a group of its own; going forward, each elementwise equation joins the groups
// of its producers, then groups that read the same operand, whenever no path leaves the merged group and comes back
// into it. Shapes are compared without their dimensions of 1: buffers are contiguous, so those change nothing.
#include "native/core/fusion.h"

#include <algorithm>
#include <map>
#include <queue>
#include <set>

namespace cotangent {
namespace {

using Dims = std::vector<int64_t>;

constexpr int kWindow = 2048;         // equations that are fused together: bounds the cost of the path checks
constexpr int64_t kSmallCount = 256;  // below that a launch costs more than the work: unrelated chains are merged, too
constexpr int kBoolLane = -1;         // of a chain that holds bools only

class Bits {
 public:
  explicit Bits(int count) : words_(static_cast<size_t>(count + 63) / 64) {}
  bool test(int k) const { return words_[k / 64] >> (k % 64) & 1; }
  void set(int k) { words_[k / 64] |= uint64_t{1} << (k % 64); }
  void clear(int k) { words_[k / 64] &= ~(uint64_t{1} << (k % 64)); }
  void merge(const Bits& other) {
    for (size_t k = 0; k < words_.size(); ++k) words_[k] |= other.words_[k];
  }
  // True when f(k) holds for some member k.
  template <class F>
  bool any(F&& f) const {
    for (size_t word = 0; word < words_.size(); ++word) {
      for (uint64_t left = words_[word]; left; left &= left - 1) {
        if (f(static_cast<int>(word * 64) + __builtin_ctzll(left))) return true;
      }
    }
    return false;
  }

 private:
  std::vector<uint64_t> words_;
};

// An operand as a chain sees it: where it is stored, and its dims beside the chain's (empty: a scalar).
struct Operand {
  int root;
  Dims dims;
  bool operator<(const Operand& other) const { return std::tie(root, dims) < std::tie(other.root, other.dims); }
};

struct Node {
  bool elementwise = false;
  Dims dims;  // of the result, without 1s
  int lane = kBoolLane;
  std::vector<Operand> operands;
};

struct Group {
  std::vector<int> members;  // equations, ascending
  Bits ancestors;
  int lane = kBoolLane;
};

class Fuser {
 public:
  Fuser(Program& program, bool merge)
      : program_(program),
        merge_(merge),
        count_(static_cast<int>(program.equations.size())),
        nodes_(program.equations.size()) {}

  void run() {
    for (Equation& equation : program_.equations) {
      for (Program& sub : equation.subs) Fuser(sub, merge_).run();
    }
    find_producers();
    for (int k = 0; k < count_; ++k) make_node(k);
    find_uses();
    for (int k = 0; k < count_; ++k) group_of_.push_back(k);
    if (merge_) {
      for (int begin = 0; begin < count_; begin += kWindow) form_groups(begin, std::min(count_, begin + kWindow));
    }
    emit();
  }

 private:
  const Equation& equation(int k) const { return program_.equations[k]; }
  const Type& type(int value) const { return program_.types[value]; }
  int root(int value) const { return program_.root[value]; }
  int producer(int root) const { return producer_[root]; }

  static Dims without_ones(const Type& type) {
    Dims dims;
    for (int32_t k = 0; k < type.rank; ++k) {
      if (type.dims[k] != 1) dims.push_back(type.dims[k]);
    }
    return dims;
  }

  void find_producers() {
    producer_.assign(program_.types.size(), -1);
    for (int k = 0; k < count_; ++k) {
      for (const int value : equation(k).out) {
        if (root(value) == value) producer_[value] = k;
      }
    }
  }

  void make_node(int k) {
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
  Operand view(int value, const Dims& dims) const {
    Operand operand{root(value), without_ones(type(value))};
    const int from = producer(operand.root);
    if (!merge_ || from < 0 || equation(from).kind != Kind::kBroadcast || operand.dims != dims || dims.empty())
      return operand;
    const Equation& broadcast = equation(from);
    const Type& wide = type(broadcast.out[0]);
    if (without_ones(wide) != dims) return operand;
    // Per dimension of the broadcast's result: the dimension of its source, or 1.
    Dims stretched(static_cast<size_t>(wide.rank), 1);
    int source = broadcast.in[0];
    for (int32_t d = 0; d < type(source).rank; ++d)
      stretched[static_cast<size_t>(broadcast.params[d])] = type(source).dims[d];
    Dims narrow;
    bool scalar = true;
    for (int32_t d = 0; d < wide.rank; ++d) {
      if (wide.dims[d] == 1) continue;
      narrow.push_back(stretched[d]);
      scalar = scalar && stretched[d] == 1;
    }
    return {root(source), scalar ? Dims{} : narrow};
  }

  // Who reads the storage of each value, once absorbed broadcasts are out of the way; -1 stands for the program's
  // outputs.
  void find_uses() {
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
  std::vector<int> sources(int k) const {
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

  // --- groups
  // ---------------------------------------------------------------------------------------------------------

  void form_groups(int begin, int end) {
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

  void try_merge(int first, int second) {
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
  bool path_between(int a, int b) const {
    if (!groups_[b].ancestors.test(a)) return false;
    return groups_[b].ancestors.any([&](int k) { return k != a && groups_[k].ancestors.test(a); });
  }

  struct Interface {
    std::vector<Operand> inputs;
    std::vector<int> outputs;  // equations whose results are needed outside
  };

  Interface interface_of(const std::vector<int>& members) const {
    Interface result;
    const auto inside = [&](int k) { return std::binary_search(members.begin(), members.end(), k); };
    std::set<Operand> seen;
    for (const int k : members) {
      for (const Operand& operand : nodes_[k].operands) {
        if (!inside(producer(operand.root)) && seen.insert(operand).second) result.inputs.push_back(operand);
      }
      const std::vector<int>& uses = uses_[equation(k).out[0]];
      if (!std::all_of(uses.begin(), uses.end(), inside)) result.outputs.push_back(k);
    }
    return result;
  }

  bool fits(const std::vector<int>& members) const {
    if (members.size() > kChainInstructions) return false;
    const Interface interface = interface_of(members);
    return interface.inputs.size() <= kChainInputs && interface.outputs.size() <= kChainOutputs;
  }

  // --- the new equations
  // ------------------------------------------------------------------------------------------------

  // Groups in an order that respects what they read; the old order otherwise.
  void emit() {
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

  static Type chain_type(int32_t dtype, const Dims& dims) {
    Type type = scalar_type(dtype);
    type.rank = static_cast<int32_t>(dims.size());
    std::copy(dims.begin(), dims.end(), type.dims);
    return type;
  }

  Equation make_chain(const std::vector<int>& members) const {
    const Interface interface = interface_of(members);
    Equation chain;
    chain.name = "chain";
    std::map<Operand, int> index;
    for (const Operand& operand : interface.inputs) {
      index[operand] = static_cast<int>(chain.in.size());
      chain.in.push_back(operand.root);
      chain.in_types.push_back(chain_type(type(operand.root).dtype, operand.dims));
    }
    const int first = static_cast<int>(chain.in.size());
    std::map<int, int> results;  // storage -> operand number
    chain.params.push_back(static_cast<double>(members.size()));
    for (const int k : members) {
      const Equation& from = equation(k);
      const Node& node = nodes_[k];
      chain.labels.push_back(from.name);
      chain.params.insert(chain.params.end(),
                          {static_cast<double>(from.formula), static_cast<double>(type(from.out[0]).dtype),
                           static_cast<double>(node.operands.size())});
      for (const Operand& operand : node.operands) {
        const auto inner = results.find(operand.root);
        chain.params.push_back(inner != results.end() ? inner->second : index.at(operand));
      }
      const int number = first + static_cast<int>(results.size());
      results[from.out[0]] = number;
    }
    chain.params.push_back(static_cast<double>(interface.outputs.size()));
    const Dims& dims = nodes_[members[0]].dims;
    for (const int k : interface.outputs) {
      const int value = equation(k).out[0];
      chain.out.push_back(value);
      chain.out_types.push_back(chain_type(type(value).dtype, dims));
      chain.params.push_back(results.at(value));
    }
    return chain;
  }

  Program& program_;
  const bool merge_;
  const int count_;
  std::vector<Node> nodes_;
  std::vector<int> producer_;           // storage -> equation, or -1
  std::vector<std::vector<int>> uses_;  // storage -> equations
  std::set<int> absorbed_;              // broadcasts that nobody reads any more
  std::vector<int> group_of_;           // equation -> group, named by one of its members
  int begin_ = 0;                       // of the window
  std::vector<Group> groups_;           // of the window
};

}  // namespace

void fuse_elementwise(Program& program, bool merge) { Fuser(program, merge).run(); }

}  // namespace cotangent
