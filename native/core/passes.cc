#include "native/core/passes.h"

#include <functional>

#include "native/core/fusion.h"

namespace cotangent {
namespace {

using Flags = std::vector<bool>;

// --- failures
// ---------------------------------------------------------------------------------------------------------

// Which outputs depend on the marked values. Control equations count as one: what goes in reaches all that comes out.
Flags reached_outputs(const Program& program, Flags values) {
  for (const Equation& equation : program.equations) {
    bool reached = false;
    for (const int value : equation.in) reached = reached || values[value];
    if (!reached) continue;
    for (const int value : equation.out) values[value] = true;
  }
  Flags outputs(program.outputs.size());
  for (size_t k = 0; k < outputs.size(); ++k) outputs[k] = values[program.outputs[k]];
  return outputs;
}

// Results of a control equation that depend on the marked outputs of its sub-program number `sub`.
Flags reached_results(const Equation& equation, size_t sub, const Flags& outputs) {
  if (equation.kind == Kind::kCond) return outputs;
  if (equation.kind == Kind::kWhile && sub == 0) return Flags(equation.out.size(), outputs[0]);
  const LoopLayout layout = loop_layout(equation);
  const Program& body = loop_body(equation);
  Flags reached = outputs;
  for (bool changed = true; changed;) {
    Flags inputs(body.types.size());
    for (int k = 0; k < layout.carries; ++k) inputs[layout.constants + k] = reached[k];
    const Flags next = reached_outputs(body, std::move(inputs));
    changed = false;
    for (size_t k = 0; k < next.size(); ++k) {
      if (!next[k] || reached[k]) continue;
      reached[k] = true;
      changed = true;
    }
  }
  if (equation.kind == Kind::kWhile) {
    const Program& condition = equation.subs[0];
    Flags inputs(condition.types.size());
    for (int k = 0; k < layout.carries; ++k) inputs[layout.condition_constants + k] = reached[k];
    if (reached_outputs(condition, std::move(inputs))[0]) return Flags(equation.out.size(), true);
  }
  return reached;
}

// `lift` turns marked outputs of `program` into marked outputs of the main program.
void attribute(Program& program, const std::function<Flags(const Flags&)>& lift) {
  for (Equation& equation : program.equations) {
    const auto outputs_after = [&](const Flags& results) {
      Flags values(program.types.size());
      for (size_t k = 0; k < results.size(); ++k) values[equation.out[k]] = results[k];
      return lift(reached_outputs(program, std::move(values)));
    };
    if (equation.kind == Kind::kCheck) {
      const Flags outputs = outputs_after({true});
      for (size_t k = 0; k < outputs.size(); ++k) {
        if (outputs[k]) equation.fails.push_back(static_cast<int>(k));
      }
    }
    for (size_t sub = 0; sub < equation.subs.size(); ++sub) {
      attribute(equation.subs[sub],
                [&](const Flags& outputs) { return outputs_after(reached_results(equation, sub, outputs)); });
    }
  }
}

// --- dead code
// --------------------------------------------------------------------------------------------------------

// True when the equation itself computes this result (it is no alias of something else).
bool computes(const Program& program, int value) { return program.root[value] == value; }

bool is_needed(const Program& program, const Equation& equation, const Flags& needed) {
  if (equation.dropped) return false;
  if (has_effect(equation)) return true;
  for (const int value : equation.out) {
    if (computes(program, value) && needed[value]) return true;
  }
  return false;
}

void need(const Program& program, int value, Flags& needed) {
  if (value >= 0) needed[program.root[value]] = true;
}

Flags needed_outputs(const Program& program, const Flags& wanted) {
  Flags needed(program.types.size());
  for (size_t k = 0; k < program.outputs.size(); ++k) {
    if (wanted[k]) need(program, program.outputs[k], needed);
  }
  return needed;
}

// Inputs that the wanted outputs and the effects need, with nothing removed yet.
Flags needed_inputs(const Program& program, const Flags& wanted) {
  Flags needed = needed_outputs(program, wanted);
  for (size_t k = program.equations.size(); k-- > 0;) {
    const Equation& equation = program.equations[k];
    if (!is_needed(program, equation, needed)) continue;
    if (equation.kind == Kind::kCheck) {
      need(program, equation.in[1], needed);
      continue;
    }
    for (const int value : equation.in) need(program, value, needed);
  }
  needed.resize(static_cast<size_t>(program.input_count));
  return needed;
}

void prune(Program& program);

void prune_outputs(Program& sub, const Flags& wanted) {
  for (size_t k = 0; k < sub.outputs.size(); ++k) {
    if (!wanted[k]) sub.outputs[k] = -1;
  }
  prune(sub);
}

void prune_cond(Equation& equation, const Flags& needed) {
  Flags wanted(equation.out.size());
  for (size_t k = 0; k < wanted.size(); ++k) wanted[k] = needed[equation.out[k]];
  for (Program& sub : equation.subs) prune_outputs(sub, wanted);
  for (size_t k = 1; k < equation.in.size(); ++k) {
    if (!equation.subs[0].used_inputs[k - 1] && !equation.subs[1].used_inputs[k - 1]) equation.in[k] = -1;
  }
}

void prune_loop(const Program& program, Equation& equation, const Flags& needed) {
  const LoopLayout layout = loop_layout(equation);
  Program& body = loop_body(equation);
  Flags through(static_cast<size_t>(layout.carries)), wanted(body.outputs.size());
  for (size_t k = 0; k < wanted.size(); ++k) {
    const bool computed = computes(program, equation.out[k]);
    if (k < through.size()) through[k] = !computed;
    wanted[k] = computed && needed[equation.out[k]];
  }
  Flags in_condition(static_cast<size_t>(layout.carries));
  if (equation.kind == Kind::kWhile) {
    Program& condition = equation.subs[0];
    prune(condition);
    for (int k = 0; k < layout.carries; ++k) {
      in_condition[k] = condition.used_inputs[layout.condition_constants + k];
      if (in_condition[k] && !through[k]) wanted[k] = true;
    }
    for (int k = 0; k < layout.condition_constants; ++k) {
      if (!condition.used_inputs[k]) equation.in[k] = -1;
    }
  }
  for (bool changed = true; changed;) {
    const Flags used = needed_inputs(body, wanted);
    changed = false;
    for (int k = 0; k < layout.carries; ++k) {
      if (!used[layout.constants + k] || through[k] || wanted[k]) continue;
      wanted[k] = true;
      changed = true;
    }
  }
  prune_outputs(body, wanted);
  for (int k = 0; k < body.input_count; ++k) {
    const int carry = k - layout.constants;
    const bool is_carry = carry >= 0 && carry < layout.carries;
    if (!body.used_inputs[k] && !(is_carry && (wanted[carry] || in_condition[carry]))) {
      equation.in[layout.first_constant() + k] = -1;
    }
  }
}

void prune(Program& program) {
  Flags needed = needed_outputs(program, Flags(program.outputs.size(), true));
  std::vector<Equation> kept;
  for (size_t k = program.equations.size(); k-- > 0;) {
    Equation& equation = program.equations[k];
    if (!is_needed(program, equation, needed)) continue;
    if (equation.kind == Kind::kCond) prune_cond(equation, needed);
    if (equation.kind == Kind::kWhile || equation.kind == Kind::kScan) prune_loop(program, equation, needed);
    if (equation.kind == Kind::kCheck) {
      need(program, equation.in[1], needed);
    } else {
      for (const int value : equation.in) need(program, value, needed);
    }
    kept.push_back(std::move(equation));
  }
  program.equations.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));
  program.used_inputs.assign(needed.begin(), needed.begin() + program.input_count);
  for (int k = 0; k < program.input_count; ++k) {
    if (program.is_constant(k)) program.used_inputs[k] = false;  // handed down: its value is known here
  }
}

}  // namespace

void attribute_failures(Program& main) {
  attribute(main, [](const Flags& outputs) { return outputs; });
}

void eliminate_dead_code(Program& program) { prune(program); }

void optimise(Program& main, const PassOptions& options) {
  resolve_aliases(main, options);
  attribute_failures(main);
  eliminate_dead_code(main);
  if (options.fuse) fuse_epilogues(main);
  fuse_elementwise(main, options.fuse, options.fuse_reductions);
}

}  // namespace cotangent
