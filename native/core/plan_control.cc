// Plans of loops and conditionals: how entries pass into sub-programs, and how carries change places.
#include <algorithm>

#include "native/core/planner.h"

namespace cotangent {
namespace {

StorageRules read_only(const Program& program) {
  const size_t inputs = static_cast<size_t>(program.input_count);
  return {std::vector<bool>(inputs, false), std::vector<int>(inputs, -1), false};
}

}  // namespace

void Planner::make_cond(Scope& scope, int e, int depth, Step& step) {
  const Equation& equation = scope.program.equations[e];
  CondPlan cond{};
  double most = 0;
  for (int b = 0; b < 2; ++b) {
    const Program& branch = equation.subs[b];
    cond.branches[b] = build(branch, read_only(branch), depth + 1);
    const ProgramPlan& made = plan_.programs[cond.branches[b]];
    for (int k = 0; k < branch.input_count; ++k) {
      if (equation.in[k + 1] >= 0) cond.passes[b].emplace_back(entry(scope, equation.in[k + 1]), made.inputs[k]);
    }
    for (size_t j = 0; j < made.outputs.size(); ++j) {
      if (made.outputs[j] >= 0) cond.passes[b].emplace_back(entry(scope, equation.out[j]), made.outputs[j]);
    }
    most = std::max(most, made.estimated_ns);
  }
  step.kind = StepKind::kCond;
  step.in = add_indices({entry(scope, equation.in[0])});
  step.in_count = 1;
  step.estimated_ns = most;
  add_item(scope, {e, e, 0, nullptr, {cond.branches[0], cond.branches[1]}, -1});
  step.detail = static_cast<int>(plan_.conds.size());
  plan_.conds.push_back(std::move(cond));
}

void Planner::pass_constant(Scope& scope, LoopPlan& loop, int value, int program, int input) {
  if (value >= 0) loop.passes.emplace_back(entry(scope, value), plan_.programs[program].inputs[input]);
}

void Planner::make_loop(Scope& scope, int e, int depth, Step& step) {
  const Equation& equation = scope.program.equations[e];
  const LoopLayout layout = loop_layout(equation);
  const Program& body = loop_body(equation);
  LoopPlan loop;
  loop.length = layout.length;
  loop.ahead = layout.ahead;
  loop.reverse = layout.reverse;

  // A carry that changes owns its buffers, so the body may overwrite them.
  const auto changes = [&](int k) { return body.outputs[k] >= 0; };
  StorageRules rules = read_only(body);
  for (int k = 0; k < layout.carries; ++k) {
    if (!changes(k)) continue;
    rules.overwritable[layout.constants + k] = true;
    rules.partner[layout.constants + k] = k;
  }
  std::vector<int> children;
  if (equation.kind == Kind::kWhile) {
    const Program& condition = equation.subs[0];
    loop.condition = build(condition, read_only(condition), depth + 1);
    loop.predicate = add_temporary(scope, e, 1);
    loop.predicate_output = plan_.programs[loop.condition].outputs[0];
    children.push_back(loop.condition);
    for (int k = 0; k < layout.condition_constants; ++k) pass_constant(scope, loop, equation.in[k], loop.condition, k);
  }
  loop.body = build(body, rules, depth + 1);
  children.push_back(loop.body);
  for (int k = 0; k < layout.constants; ++k) {
    pass_constant(scope, loop, equation.in[layout.first_constant() + k], loop.body, k);
  }

  const ProgramPlan& made = plan_.programs[loop.body];
  for (int k = 0; k < layout.carries; ++k) {
    const int init = equation.in[layout.first_carry() + k];
    LoopPlan::Carry carry{};
    carry.init = entry(scope, init);
    carry.home = init >= 0 && changes(k) ? entry(scope, equation.out[k]) : -1;
    carry.body = made.inputs[layout.constants + k];
    carry.condition = loop.condition < 0 ? -1 : plan_.programs[loop.condition].inputs[layout.condition_constants + k];
    carry.result = made.outputs[k];
    carry.slot = carry.result_slot = -1;
    carry.bytes = static_cast<uint64_t>(byte_count(body.types[layout.constants + k]));
    loop.carries.push_back(carry);
  }
  give_slots(scope, e, made, loop);

  for (int k = 0; k < layout.xs; ++k) {
    const int value = equation.in[layout.first_xs() + k], input = layout.constants + layout.carries + k;
    if (value < 0) continue;
    loop.xs.push_back({entry(scope, value), made.inputs[input], static_cast<uint64_t>(byte_count(body.types[input]))});
  }
  for (int k = 0; k < layout.ys; ++k) {
    const int j = layout.carries + k;
    if (made.outputs[j] < 0) continue;
    loop.ys.push_back({entry(scope, equation.out[j]), made.outputs[j],
                       static_cast<uint64_t>(byte_count(body.types[body.outputs[j]]))});
  }
  step.kind = StepKind::kLoop;
  step.estimated_ns =
      loop.condition >= 0 ? kEndless : std::min(kEndless, static_cast<double>(loop.length) * (20 + made.estimated_ns));
  add_item(scope, {e, e, 0, nullptr, children, -1});
  step.detail = static_cast<int>(plan_.loops.size());
  plan_.loops.push_back(std::move(loop));
}

// Every changing carry has a slot: its current buffer. A result that is neither made in place nor taken from another
// carry is written to a spare slot. What an iteration does to the slots is then one permutation of pointers.
void Planner::give_slots(Scope& scope, int e, const ProgramPlan& body, LoopPlan& loop) {
  const int count = static_cast<int>(loop.carries.size());
  std::vector<int> taker(loop.carries.size(), -1);  // the carry that takes over carry k's buffer
  for (int k = 0; k < count; ++k) {
    LoopPlan::Carry& carry = loop.carries[k];
    if (carry.home < 0) continue;
    carry.slot = static_cast<int>(loop.homes.size());
    loop.homes.push_back(carry.home);
    loop.rotation.push_back(carry.slot);
    if (body.moved[k] >= 0) taker[body.moved[k]] = k;
  }
  const auto add_spare = [&](uint64_t bytes) {
    loop.homes.push_back(add_temporary(scope, e, bytes));
    loop.rotation.push_back(static_cast<int>(loop.rotation.size()));
    return static_cast<int>(loop.rotation.size()) - 1;
  };
  std::vector<bool> visited(loop.carries.size(), false);
  // Follows a path of moves from carry k; returns its last carry.
  const auto follow = [&](int k, LoopPlan::Cycle& cycle) {
    for (;; k = taker[k]) {
      visited[k] = true;
      cycle.slots.push_back(loop.carries[k].slot);
      if (taker[k] < 0 || visited[taker[k]]) return k;
      loop.rotation[loop.carries[taker[k]].slot] = loop.carries[k].slot;
    }
  };
  for (int k = 0; k < count; ++k) {
    LoopPlan::Carry& carry = loop.carries[k];
    if (carry.slot < 0 || carry.result < 0) continue;
    const int spare = carry.result_slot = add_spare(carry.bytes);
    LoopPlan::Cycle cycle{{}, spare, carry.bytes};
    const int last = follow(k, cycle);
    loop.rotation[carry.slot] = spare;
    loop.rotation[spare] = loop.carries[last].slot;
    loop.cycles.push_back(std::move(cycle));
  }
  for (int k = 0; k < count; ++k) {
    LoopPlan::Carry& carry = loop.carries[k];
    if (carry.slot < 0 || visited[k] || body.moved[k] < 0) continue;
    LoopPlan::Cycle cycle{
        {}, add_spare(carry.bytes), carry.bytes};  // the spare only helps to put things right in the end
    const int last = follow(k, cycle);
    loop.rotation[carry.slot] = loop.carries[last].slot;
    loop.cycles.push_back(std::move(cycle));
  }
  loop.first_slot = plan_.slot_count;
  plan_.slot_count += static_cast<int>(loop.rotation.size());
}

}  // namespace cotangent
