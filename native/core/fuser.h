// The pass behind fusion.h, in three files: what is merged (fusion.cc), what is moved between groups and joined to them
// afterwards (fusion_refine.cc), and the new equations (fusion_emit.cc).
#ifndef COTANGENT_CORE_FUSER_H
#define COTANGENT_CORE_FUSER_H

#include <cstdint>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "native/core/bits.h"
#include "native/core/program.h"
#include "native/core/reductions.h"

namespace cotangent {

class Fuser {
 public:
  Fuser(Program& program, bool merge, bool reductions)
      : program_(program),
        merge_(merge),
        reductions_(reductions),
        count_(static_cast<int>(program.equations.size())),
        nodes_(program.equations.size()) {}

  void run();

 private:
  using Dims = std::vector<int64_t>;

  static constexpr int kBoolLane = -1;  // of a chain that holds bools only

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

  struct Interface {
    std::vector<Operand> inputs;
    std::vector<int> outputs;     // equations whose results are needed outside
    std::vector<int> reductions;  // equations
  };

  const Equation& equation(int k) const { return program_.equations[k]; }
  const Type& type(int value) const { return program_.types[value]; }
  int root(int value) const { return program_.root[value]; }
  int producer(int root) const { return producer_[root]; }

  void find_producers();
  void make_node(int k);
  Operand view(int value, const Dims& dims) const;
  void find_uses();
  std::vector<int> sources(int k) const;

  void form_groups(int begin, int end);
  void try_merge(int first, int second);
  bool path_between(int a, int b) const;
  Interface interface_of(const std::vector<int>& members) const;
  bool fits(const std::vector<int>& members) const;

  std::map<int, std::vector<int>> chains() const;
  void sink();
  bool sink_from(int k, std::vector<int>& from, std::vector<int>& into);
  int lane_of(const std::vector<int>& members) const;
  int64_t traffic(const std::vector<int>& members) const;
  void add_reductions();

  void emit();
  Equation make_chain(const std::vector<int>& members) const;
  void put_reductions(Equation& chain, int group, const Dims& dims, const std::vector<int>& reductions) const;

  Program& program_;
  const bool merge_, reductions_;
  const int count_;
  std::vector<Node> nodes_;
  std::vector<int> producer_;                   // storage -> equation, or -1
  std::vector<std::vector<int>> uses_;          // storage -> equations
  std::set<int> absorbed_;                      // broadcasts that nobody reads any more
  std::vector<int> group_of_;                   // equation -> group, named by one of its members
  std::map<int, ChainReduction> reduction_of_;  // by group: the axes of its reductions
  int begin_ = 0;                               // of the window
  std::vector<Group> groups_;                   // of the window
};

}  // namespace cotangent

#endif
