#include "native/core/plan.h"

#include <algorithm>
#include <cstring>

#include "native/core/planner.h"

namespace cotangent {

constexpr double kInlineNs = 20'000;  // what may run on JavaScript's thread
constexpr double kCopyNsPerByte = 0.1;

Plan::Plan(Device& on, Program optimised) : device(on), program(std::move(optimised)) {
  try {
    Planner(*this).run();
  } catch (...) {
    for (ct_op* op : ops) device.backend().op_destroy(op);
    throw;
  }
}

Plan::~Plan() {
  for (ct_op* op : ops) device.backend().op_destroy(op);
}

void Planner::run() {
  const Program& main = plan_.program;
  StorageRules rules;
  rules.overwritable = main.donated;
  rules.partner.assign(static_cast<size_t>(main.input_count), -1);
  rules.any_partner = true;
  build(main, rules, 1);
  fill_constants();
  const ProgramPlan& made = plan_.programs[0];
  const bool plain = std::all_of(made.steps.begin(), made.steps.end(), [](const Step& step) {
    return step.kind == StepKind::kRun || step.kind == StepKind::kCheck;
  });
  const bool donated = std::find(main.donated.begin(), main.donated.end(), true) != main.donated.end();
  // What runs inline is done when it returns: a device that only queues work cannot promise that.
  plan_.inlinable = backend_.synchronous && plain && !donated && made.estimated_ns < kInlineNs;
}

// --- the table
// ----------------------------------------------------------------------------------------------------------

int Planner::new_entry() {
  plan_.table.push_back(nullptr);
  return static_cast<int>(plan_.table.size()) - 1;
}

void Planner::add_item(const Scope& scope, Plan::Item item) {
  total_bytes_ += std::min<uint64_t>(item.bytes, kMaxBytes);
  if (total_bytes_ > (uint64_t{1} << 60))
    fail(CT_OUT_OF_MEMORY, "compile", "tensors that fit the address space", "larger ones");
  plan_.items_[scope.index].push_back(std::move(item));
}

int Planner::add_temporary(const Scope& scope, int e, uint64_t bytes) {
  const int entry = new_entry();
  add_item(scope, {e, e, bytes, nullptr, {}, entry});
  return entry;
}

int Planner::entry(Scope& scope, int value) {
  if (value < 0) return -1;
  const int root = scope.program.root[value];
  const auto constant = scope.program.constants.find(root);
  if (constant != scope.program.constants.end()) {
    const auto [known, fresh] = scope.constants.try_emplace(root, -1);
    if (fresh) {
      known->second = new_entry();
      constants_.push_back({known->second, scope.program.types[root].dtype, constant->second});
    }
    return known->second;
  }
  const int location = scope.storage.location[root];
  if (location < 0)
    fail(CT_INTERNAL, "compile", "every operand to have a place", "value " + std::to_string(value) + " without");
  return scope.entries[location];
}

int Planner::add_indices(const std::vector<int>& entries) {
  const int at = static_cast<int>(plan_.indices.size());
  plan_.indices.insert(plan_.indices.end(), entries.begin(), entries.end());
  return at;
}

uint64_t Planner::bytes(const Scope& scope, int value) {
  return static_cast<uint64_t>(byte_count(scope.program.types[value]));
}

void Planner::fill_constants() {
  if (constants_.empty()) return;
  constexpr size_t kStride = 64;
  std::vector<unsigned char> host(constants_.size() * kStride, 0);
  plan_.constants_ = Buffer::allocate(plan_.device.allocator(), host.size());
  auto* const device = static_cast<unsigned char*>(plan_.constants_->pointer());
  for (size_t k = 0; k < constants_.size(); ++k) {
    store_scalar(constants_[k].dtype, constants_[k].value, &host[k * kStride]);
    plan_.table[constants_[k].entry] = device + k * kStride;
  }
  const Queue queue(plan_.device, true);
  ct_error error{};
  if (backend_.write(queue.get(), device, host.data(), host.size(), &error) != CT_OK) throw Error(to_failure(error));
}

// --- programs
// -----------------------------------------------------------------------------------------------------------

int Planner::build(const Program& program, const StorageRules& rules, int depth) {
  plan_.max_depth = std::max(plan_.max_depth, depth);
  Scope scope{program, static_cast<int>(plan_.programs.size())};
  plan_.programs.emplace_back();
  plan_.items_.emplace_back();
  prepare(scope);
  scope.storage = assign_storage(program, scope.in_place, rules);
  for (const Location& location : scope.storage.locations) {
    scope.entries.push_back(new_entry());
    if (location.in_arena())
      add_item(scope, {location.begin, location.end, location.bytes, nullptr, {}, scope.entries.back()});
  }
  std::vector<Step> steps;
  for (int e = 0; e < static_cast<int>(program.equations.size()); ++e) make_step(scope, e, depth, steps);
  ProgramPlan made;
  for (const int location : scope.storage.input_location) made.inputs.push_back(scope.entries[location]);
  if (scope.index == 0) {
    make_main_outputs(scope);
  } else {
    make_outputs(scope, rules, made, steps);
  }
  for (const Step& step : steps) made.estimated_ns = std::min(kEndless, made.estimated_ns + step.estimated_ns);
  made.steps = std::move(steps);
  plan_.programs[scope.index] = std::move(made);
  return scope.index;
}

void Planner::prepare(Scope& scope) {
  for (const Equation& equation : scope.program.equations) {
    ct_op_info info{};
    int op = -1;
    int carry_offset = -1, carries = 0;
    if (equation.kind == Kind::kKernel || equation.kind == Kind::kBroadcast) {
      op = prepare_kernel(scope.program, equation, &info);
    } else if (equation.kind == Kind::kWhile || equation.kind == Kind::kScan) {
      const LoopLayout layout = loop_layout(equation);
      carry_offset = layout.first_carry();
      carries = layout.carries;
    }
    scope.ops.push_back(op);
    scope.estimates.push_back(std::max(0.0, info.estimated_ns));
    scope.in_place.masks.emplace_back(info.in_place, info.in_place + CT_MAX_OPERANDS);
    scope.in_place.carry_offset.push_back(carry_offset);
    scope.in_place.carries.push_back(carries);
  }
}

int Planner::prepare_kernel(const Program& program, const Equation& equation, ct_op_info* info) {
  std::vector<Type> in = equation.in_types, out = equation.out_types;
  std::vector<const void*> constants;
  std::vector<double> numbers(equation.in.size());  // room for one element of any dtype
  for (size_t k = 0; k < equation.in.size(); ++k) {
    const int value = equation.in[k];
    if (equation.in_types.empty()) in.push_back(program.types[value]);
    const auto known = program.constants.find(program.root[value]);
    const bool scalar = known != program.constants.end() && in[k].rank == 0;
    if (scalar) store_scalar(in[k].dtype, known->second, &numbers[k]);
    constants.push_back(scalar ? &numbers[k] : nullptr);
  }
  if (equation.out_types.empty()) {
    for (const int value : equation.out) out.push_back(program.types[value]);
  }
  ct_op_desc desc{};
  desc.kernel = equation.name.c_str();
  desc.n_in = static_cast<int32_t>(in.size());
  desc.n_out = static_cast<int32_t>(out.size());
  desc.n_params = static_cast<int32_t>(equation.params.size());
  desc.in = in.data();
  desc.out = out.data();
  desc.params = equation.params.data();
  desc.constants = constants.data();
  ct_op* op = nullptr;
  ct_error error{};
  if (backend_.prepare(plan_.device.handle(), &desc, &op, info, &error) != CT_OK) {
    Failure failure = to_failure(error);
    // Users know primitives, not chains.
    const std::string blamed = "[" + equation.name + "]";
    const bool fused = equation.name == "chain" || equation.name == "chainReduce";
    if (fused && failure.message.rfind(blamed, 0) == 0) {
      failure.op = equation.labels[0];
      failure.message = "[" + failure.op + failure.message.substr(blamed.size() - 1);
    }
    throw Error(std::move(failure));
  }
  plan_.ops.push_back(op);
  std::string name = equation.name;
  for (size_t k = 0; k < equation.labels.size(); ++k) name += (k ? " " : "[") + equation.labels[k];
  if (!equation.labels.empty()) name += "]";
  for (size_t k = 0; k < out.size() && k < 2; ++k) name += (k ? ", " : " -> ") + show(out[k]);
  plan_.op_names.push_back(std::move(name));
  return static_cast<int>(plan_.ops.size()) - 1;
}

void Planner::make_main_outputs(Scope& scope) {
  using Source = OutputPlan::Source;
  const Program& program = scope.program;
  std::map<int, int> first;  // storage -> output
  for (size_t j = 0; j < program.outputs.size(); ++j) {
    const int value = program.outputs[j], root = program.root[value];
    OutputPlan output{Source::kComputed, -1, -1, program.types[value], bytes(scope, value)};
    const auto [seen, fresh] = first.emplace(root, static_cast<int>(j));
    if (program.is_constant(root)) {
      output.source = Source::kConstant;
      output.index = entry(scope, root);
    } else if (program.is_input(root)) {
      output.source = Source::kInput;
      output.index = root;
    } else if (!fresh) {
      output.source = Source::kOutput;
      output.index = seen->second;
    } else if (const int input = scope.storage.locations[scope.storage.location[root]].input; input >= 0) {
      output.source = Source::kInputBuffer;
      output.index = input;
    } else {
      output.entry = entry(scope, root);
    }
    plan_.output_bytes += output.bytes;
    plan_.outputs.push_back(output);
  }
  for (const Location& location : scope.storage.locations) {
    const bool written = location.input >= 0 && (location.output >= 0 || location.values.size() > 1);
    if (written) plan_.written_inputs.push_back(location.input);
  }
}

// Outputs of a sub-program: computed in place of a carry, straight into the caller's buffer, moved between carries, or
// copied.
void Planner::make_outputs(Scope& scope, const StorageRules& rules, ProgramPlan& made, std::vector<Step>& steps) {
  const Program& program = scope.program;
  std::vector<bool> taken(static_cast<size_t>(program.input_count), false);
  for (int j = 0; j < static_cast<int>(program.outputs.size()); ++j) {
    made.outputs.push_back(-1);
    made.moved.push_back(-1);
    if (program.outputs[j] < 0) continue;
    const int root = program.root[program.outputs[j]];
    if (scope.storage.direct[j] >= 0) {
      const int location = scope.storage.location[root];
      if (scope.storage.locations[location].input < 0) made.outputs[j] = scope.entries[location];
      continue;
    }
    const bool is_carry = std::find(rules.partner.begin(), rules.partner.end(), j) != rules.partner.end();
    if (is_carry && program.is_input(root) && !program.is_constant(root) && rules.partner[root] >= 0 && !taken[root]) {
      taken[root] = true;
      made.moved[j] = rules.partner[root];
      continue;
    }
    Step copy{};
    copy.kind = StepKind::kCopy;
    copy.in = add_indices({entry(scope, root)});
    made.outputs[j] = new_entry();
    copy.out = add_indices({made.outputs[j]});
    copy.in_count = copy.out_count = 1;
    copy.bytes = bytes(scope, root);
    copy.estimated_ns = 5 + kCopyNsPerByte * static_cast<double>(copy.bytes);
    steps.push_back(copy);
  }
}

void Planner::make_step(Scope& scope, int e, int depth, std::vector<Step>& steps) {
  const Equation& equation = scope.program.equations[e];
  const auto type = [&](int value) -> const Type& { return scope.program.types[value]; };
  Step step{};
  switch (equation.kind) {
    case Kind::kWhile:
    case Kind::kScan:
      make_loop(scope, e, depth, step);
      break;
    case Kind::kCond:
      make_cond(scope, e, depth, step);
      break;
    case Kind::kCheck:
      step.kind = StepKind::kCheck;
      step.detail = static_cast<int>(plan_.checks.size());
      plan_.checks.push_back({equation.labels[0], element_count(type(equation.in[1])), equation.fails});
      step.in = add_indices({entry(scope, equation.in[1])});
      step.in_count = 1;
      break;
    case Kind::kEmit: {
      step.kind = StepKind::kEmit;
      step.detail = static_cast<int>(plan_.emits.size());
      EmitPlan emit{equation.labels[0], {equation.labels.begin() + 1, equation.labels.end()}, {}};
      for (const int value : equation.in) emit.dtypes.push_back(type(value).dtype);
      plan_.emits.push_back(std::move(emit));
      set_operands(scope, equation, step);
      break;
    }
    case Kind::kClock:
      step.kind = StepKind::kClock;
      set_operands(scope, equation, step);
      break;
    default:
      if (std::all_of(equation.out.begin(), equation.out.end(),
                      [&](int value) { return element_count(type(value)) == 0; })) {
        return;  // nothing to compute
      }
      step.kind = StepKind::kRun;
      step.detail = scope.ops[e];
      step.op = plan_.ops[step.detail];
      step.estimated_ns = scope.estimates[e];
      set_operands(scope, equation, step);
      step.workspace = new_entry();
      add_item(scope, {e, e, 0, step.op, {}, step.workspace});
  }
  steps.push_back(step);
}

void Planner::set_operands(Scope& scope, const Equation& equation, Step& step) {
  std::vector<int> in, out;
  for (const int value : equation.in) in.push_back(entry(scope, value));
  for (const int value : equation.out) out.push_back(entry(scope, value));
  step.in = add_indices(in);
  step.out = add_indices(out);
  step.in_count = static_cast<int>(in.size());
  step.out_count = static_cast<int>(out.size());
}

}  // namespace cotangent
