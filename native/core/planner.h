// Builds a Plan, program by program, outer ones first: what a sub-program may overwrite depends on its place.
// Used by plan.cc and plan_control.cc only.
#ifndef COTANGENT_CORE_PLANNER_H
#define COTANGENT_CORE_PLANNER_H

#include <map>
#include <vector>

#include "native/core/plan.h"
#include "native/core/storage.h"

namespace cotangent {

class Planner {
 public:
  explicit Planner(Plan& plan) : plan_(plan), backend_(plan.device.backend()) {}
  void run();

 private:
  // One program while it is being planned.
  struct Scope {
    const Program& program;
    int index;  // of its ProgramPlan
    InPlace in_place{};
    Storage storage{};
    std::vector<int> ops{};  // per equation, into Plan::ops; -1: no kernel
    std::vector<double> estimates{};
    std::vector<int> entries{};      // per location
    std::map<int, int> constants{};  // entry per constant
  };

  struct Constant {
    int entry;
    int32_t dtype;
    double value;
  };

  // The table.
  int new_entry();
  int entry(Scope& scope, int value);  // of where a value is stored; -1 for an operand that nobody reads
  int add_indices(const std::vector<int>& entries);
  void add_item(const Scope& scope, Plan::Item item);
  int add_temporary(const Scope& scope, int e, uint64_t bytes);  // entry of a buffer in the arena while equation e runs
  void fill_constants();
  static uint64_t bytes(const Scope& scope, int value);

  // Programs.
  int build(const Program& program, const StorageRules& rules, int depth);  // index of the new ProgramPlan
  void prepare(Scope& scope);
  int prepare_kernel(const Program& program, const Equation& equation, ct_op_info* info);
  void make_main_outputs(Scope& scope);
  void make_outputs(Scope& scope, const StorageRules& rules, ProgramPlan& made, std::vector<Step>& steps);
  void make_step(Scope& scope, int e, int depth, std::vector<Step>& steps);
  void set_operands(Scope& scope, const Equation& equation, Step& step);

  // Control equations.
  void make_cond(Scope& scope, int e, int depth, Step& step);
  void make_loop(Scope& scope, int e, int depth, Step& step);
  void pass_constant(Scope& scope, LoopPlan& loop, int value, int program, int input);
  void give_slots(Scope& scope, int e, const ProgramPlan& body, LoopPlan& loop);

  Plan& plan_;
  const ct_backend& backend_;
  std::vector<Constant> constants_;
  uint64_t total_bytes_ = 0;
};

}  // namespace cotangent

#endif
