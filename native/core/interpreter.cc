#include "native/core/interpreter.h"

#include <algorithm>

#include "native/core/relax.h"

namespace cotangent {
namespace {

constexpr double kClockBudgetNs = 20'000;  // estimated work between two looks at the clock
constexpr double kStepOverheadNs = 30;

// What a primitive's non-zero info means.
std::string describe_info(const std::string& op, int32_t info) {
  if (op == "cholesky") {
    return "a positive definite matrix, received one whose leading minor of order " + std::to_string(info) +
           " is not positive";
  }
  if (op == "implicitDiff") {
    return "a linear solve that converges, received a residual above a thousandth of the right-hand side. Hint: the "
           "Jacobian of the condition may be singular or badly conditioned";
  }
  return "info 0, received info " + std::to_string(info);
}

}  // namespace

Interpreter::Interpreter(const Plan& plan)
    : plan_(plan), backend_(plan.device.backend()), table_(plan.table), slots_(static_cast<size_t>(plan.slot_count)) {
  size_t most = 0;
  for (const LoopPlan& loop : plan.loops) most = std::max(most, loop.rotation.size());
  rotated_.resize(most);
  frames_.reserve(static_cast<size_t>(plan.max_depth));
}

void Interpreter::start(const Layout& layout, void* arena) {
  if (&layout != layout_ || arena != arena_) {
    for (const auto& [entry, offset] : layout.entries) table_[entry] = static_cast<char*>(arena) + offset;
    layout_ = &layout;
    arena_ = arena;
  }
  check_failures_.clear();
  failure_.reset();
  equations_run_ = reads_ = 0;
  piece_ = 0;
  frames_.clear();
  frames_.push_back({});
  enter(frames_.back(), 0);
}

Interpreter::Outcome Interpreter::run(const RunContext& context, int64_t deadline_ns) {
  double budget = kClockBudgetNs;
  while (!frames_.empty()) {
    Frame& frame = frames_.back();
    budget -= kStepOverheadNs;
    if (frame.next == frame.end) {
      if (!finish_frame(context)) return Outcome::kFailed;
    } else {
      const Step& step = *frame.next;
      const int pieces = step.kind == StepKind::kRun ? layout_->pieces[static_cast<size_t>(step.detail)] : 1;
      if (piece_ + 1 == pieces) ++frame.next;
      budget -= step.kind == StepKind::kLoop ? 0 : step.estimated_ns / pieces;
      const bool ok = context.profiler ? profile(step, context) : execute(step, context);
      if (!ok) return Outcome::kFailed;  // `frame` is stale now
      if (++piece_ == pieces) {
        piece_ = 0;
        ++equations_run_;
      }
    }
    if (context.abort && context.abort->load(std::memory_order_relaxed)) return Outcome::kAborted;
    if (budget <= 0) {
      if (now_ns() >= deadline_ns) return frames_.empty() ? Outcome::kDone : Outcome::kSuspended;
      budget = kClockBudgetNs;
    }
  }
  return Outcome::kDone;
}

bool Interpreter::succeeded(int32_t code, const ct_error& error) {
  if (code == CT_OK) return true;
  failure_ = std::make_shared<const Failure>(to_failure(error));
  return false;
}

bool Interpreter::read(const RunContext& context, void* to, const void* from, uint64_t bytes) {
  ++reads_;
  ct_error error{};
  return succeeded(backend_.read(context.queue, to, from, bytes, &error), error);
}

bool Interpreter::copy(const RunContext& context, void* to, const void* from, uint64_t bytes) {
  if (to == from || bytes == 0) return true;
  ct_error error{};
  return succeeded(backend_.copy(context.queue, to, from, bytes, &error), error);
}

bool Interpreter::execute(const Step& step, const RunContext& context) {
  const int* const in = plan_.indices.data() + step.in;
  const int* const out = plan_.indices.data() + step.out;
  switch (step.kind) {
    case StepKind::kRun:
      return run_kernel(step, context);
    case StepKind::kCopy:
      return copy(context, table_[out[0]], table_[in[0]], step.bytes);
    case StepKind::kCheck:
      return check(step, context);
    case StepKind::kEmit:
      return emit(step, context);
    case StepKind::kClock: {
      const double seconds = static_cast<double>(now_ns() - context.epoch_ns) * 1e-9;
      ct_error error{};
      return succeeded(backend_.write(context.queue, table_[out[0]], &seconds, sizeof seconds, &error), error);
    }
    case StepKind::kLoop:
      return begin_loop(plan_.loops[step.detail], context);
    case StepKind::kCond:
      return branch(step, context);
  }
  return true;
}

bool Interpreter::profile(const Step& step, const RunContext& context) {
  const int64_t start = now_ns();
  bool ok = execute(step, context);
  if (!backend_.synchronous && ok && step.kind != StepKind::kLoop && step.kind != StepKind::kCond) {
    ct_error error{};  // otherwise the record would show how long it took to queue the kernel
    ok = succeeded(backend_.synchronize(context.queue, &error), error);
  }
  const int64_t duration = now_ns() - start;
  if (step.kind == StepKind::kRun) {
    context.profiler->record(plan_.op_names[static_cast<size_t>(step.detail)], start, duration);
  } else if (step.kind == StepKind::kCopy) {
    context.profiler->record("copy", start, duration);
  }
  return ok;
}

bool Interpreter::run_kernel(const Step& step, const RunContext& context) {
  const void* in[CT_MAX_OPERANDS];
  void* out[CT_MAX_OPERANDS];
  const int* index = plan_.indices.data() + step.in;
  for (int k = 0; k < step.in_count; ++k) in[k] = table_[index[k]];
  index = plan_.indices.data() + step.out;
  for (int k = 0; k < step.out_count; ++k) out[k] = table_[index[k]];
  ct_error error;  // zeroing all of it would cost more than a small kernel
  error.code = CT_INTERNAL;
  error.op[0] = error.message[0] = '\0';
  const int32_t code = backend_.run(step.op, context.queue, in, out, table_[step.workspace], piece_, &error);
  return code == CT_OK || succeeded(code, error);
}

bool Interpreter::check(const Step& step, const RunContext& context) {
  const CheckPlan& check = plan_.checks[step.detail];
  info_.resize(static_cast<size_t>(check.count));
  if (info_.empty()) return true;
  if (!read(context, info_.data(), table_[plan_.indices[step.in]], info_.size() * sizeof(int32_t))) return false;
  const auto bad = std::find_if(info_.begin(), info_.end(), [](int32_t info) { return info != 0; });
  if (bad == info_.end()) return true;
  const auto reported = [&](int output) {
    return std::any_of(check_failures_.begin(), check_failures_.end(),
                       [&](const CheckFailure& known) { return known.output == output; });
  };
  std::shared_ptr<const Failure> failure;
  for (const int output : check.fails) {
    if (reported(output)) continue;
    if (!failure) {
      const std::string message = "[" + check.op + "] Expected " + describe_info(check.op, *bad) + " (batch entry " +
                                  std::to_string(bad - info_.begin()) + ").";
      failure = std::make_shared<const Failure>(Failure{CT_NUMERICAL, check.op, message});
    }
    check_failures_.push_back({output, failure});
  }
  return true;
}

bool Interpreter::emit(const Step& step, const RunContext& context) {
  const EmitPlan& emit = plan_.emits[step.detail];
  if (!context.progress || !context.progress->wants(emit)) return true;
  const auto count = static_cast<int>(emit.names.size());
  if (step.in_count > count) {
    uint8_t counts = 0;
    if (!read(context, &counts, table_[plan_.indices[step.in + count]], 1)) return false;
    if (!counts) return true;
  }
  scalars_.resize(emit.names.size());
  for (int k = 0; k < count; ++k) {
    double element = 0;  // room for any dtype
    const int32_t dtype = emit.dtypes[k];
    if (!read(context, &element, table_[plan_.indices[step.in + k]], static_cast<uint64_t>(dtype_bytes(dtype))))
      return false;
    scalars_[k] = load_scalar(dtype, &element);
  }
  context.progress->progress(emit, scalars_.data());
  return true;
}

bool Interpreter::branch(const Step& step, const RunContext& context) {
  uint8_t predicate = 0;
  if (!read(context, &predicate, table_[plan_.indices[step.in]], 1)) return false;
  const CondPlan& cond = plan_.conds[step.detail];
  const int side = predicate ? 0 : 1;
  for (const auto& [from, to] : cond.passes[side]) table_[to] = table_[from];
  frames_.push_back({});
  enter(frames_.back(), cond.branches[side]);
  return true;
}

void Interpreter::enter(Frame& frame, int program) {
  const std::vector<Step>& steps = plan_.programs[program].steps;
  frame.next = steps.data();
  frame.end = steps.data() + steps.size();
}

// --- loops
// --------------------------------------------------------------------------------------------------------------

bool Interpreter::begin_loop(const LoopPlan& loop, const RunContext& context) {
  for (const auto& [from, to] : loop.passes) table_[to] = table_[from];
  void** const slots = slots_.data() + loop.first_slot;
  for (size_t k = 0; k < loop.homes.size(); ++k) slots[k] = table_[loop.homes[k]];
  for (const LoopPlan::Carry& carry : loop.carries) {
    if (carry.init < 0) continue;
    if (carry.slot >= 0) {
      if (!copy(context, slots[carry.slot], table_[carry.init], carry.bytes)) return false;
      continue;
    }
    table_[carry.body] = table_[carry.init];
    if (carry.condition >= 0) table_[carry.condition] = table_[carry.init];
  }
  if (loop.condition < 0 && loop.length == 0) return true;
  frames_.push_back({});
  frames_.back().loop = &loop;
  if (loop.condition >= 0) {
    table_[loop.predicate_output] = table_[loop.predicate];
    enter_condition(frames_.back());
  } else {
    enter_body(frames_.back());
  }
  return true;
}

void Interpreter::enter_condition(Frame& frame) {
  const LoopPlan& loop = *frame.loop;
  void* const* const slots = slots_.data() + loop.first_slot;
  for (const LoopPlan::Carry& carry : loop.carries) {
    if (carry.slot >= 0) table_[carry.condition] = slots[carry.slot];
  }
  frame.in_condition = true;
  enter(frame, loop.condition);
}

void Interpreter::enter_body(Frame& frame) {
  const LoopPlan& loop = *frame.loop;
  void* const* const slots = slots_.data() + loop.first_slot;
  for (const LoopPlan::Carry& carry : loop.carries) {
    if (carry.slot < 0) continue;
    table_[carry.body] = slots[carry.slot];
    if (carry.result >= 0) table_[carry.result] = slots[carry.result_slot];
  }
  if (loop.condition < 0) {
    const auto at = static_cast<uint64_t>(loop.reverse ? loop.length - 1 - frame.iteration : frame.iteration);
    for (const LoopPlan::Stacked& x : loop.xs) table_[x.body] = static_cast<char*>(table_[x.parent]) + at * x.bytes;
    for (const LoopPlan::Stacked& y : loop.ys) table_[y.body] = static_cast<char*>(table_[y.parent]) + at * y.bytes;
  }
  frame.in_condition = false;
  enter(frame, loop.body);
}

void Interpreter::rotate(const LoopPlan& loop) {
  void** const slots = slots_.data() + loop.first_slot;
  const size_t count = loop.rotation.size();
  for (size_t k = 0; k < count; ++k) rotated_[k] = slots[loop.rotation[k]];
  std::copy(rotated_.begin(), rotated_.begin() + static_cast<std::ptrdiff_t>(count), slots);
}

// The end of a program: of the main one, a branch, a loop's condition or its body.
bool Interpreter::finish_frame(const RunContext& context) {
  Frame& frame = frames_.back();
  if (!frame.loop) {
    frames_.pop_back();
    return true;
  }
  const LoopPlan& loop = *frame.loop;
  if (frame.in_condition) {
    uint8_t again = 0;
    if (!read(context, &again, table_[loop.predicate], 1)) return false;
    if (again) {
      // Twice as far each time: no loop makes more idle iterations than it makes others.
      frame.look = frame.iteration + std::min(loop.ahead, std::max<int64_t>(1, frame.iteration));
      enter_body(frame);
      return true;
    }
  } else {
    if (!loop.cycles.empty()) rotate(loop);
    ++frame.iteration;
    const bool runs_on = frame.iteration < (loop.condition >= 0 ? frame.look : loop.length);
    if (runs_on) {
      enter_body(frame);
      return true;
    }
    if (loop.condition >= 0) {
      enter_condition(frame);
      return true;
    }
  }
  frames_.pop_back();
  return end_loop(loop, context);
}

// Brings every carry home: the buffer where the parent expects it. In each cycle the spare slot's buffer is free to be
// written; the carry that belongs there moves in, which frees its own buffer, and so on.
bool Interpreter::end_loop(const LoopPlan& loop, const RunContext& context) {
  void** const slots = slots_.data() + loop.first_slot;
  const auto home = [&](int slot) { return table_[loop.homes[slot]]; };
  for (const LoopPlan::Cycle& cycle : loop.cycles) {
    for (;;) {
      int mover = -1;
      for (const int slot : cycle.slots) {
        if (slots[slot] == home(slot)) continue;
        if (mover < 0 || home(slot) == slots[cycle.spare]) mover = slot;
      }
      if (mover < 0) break;
      if (!copy(context, slots[cycle.spare], slots[mover], cycle.bytes)) return false;
      std::swap(slots[mover], slots[cycle.spare]);
    }
  }
  return true;
}

}  // namespace cotangent
