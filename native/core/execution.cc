#include "native/core/execution.h"

#include <new>

#include "native/core/evaluate.h"
#include "native/core/passes.h"

namespace cotangent {

std::shared_ptr<const Failure> aborted_failure() {
  static const auto* const failure = new std::shared_ptr<const Failure>(std::make_shared<const Failure>(
      Failure{CT_ABORTED, "abort", "[abort] Expected the computation to finish, received an abort of its stream."}));
  return *failure;
}

std::shared_ptr<const Failure> current_failure() {
  try {
    throw;
  } catch (const Error& error) {
    return std::make_shared<const Failure>(error.failure());
  } catch (const std::bad_alloc&) {
    return std::make_shared<const Failure>(Failure{CT_OUT_OF_MEMORY, "allocate",
                                                   "[allocate] Expected memory for the program's own tables, received "
                                                   "none. Hint: free tensors with dispose(), `using` or "
                                                   "scope()."});
  } catch (const std::exception& error) {
    return std::make_shared<const Failure>(
        Failure{CT_INTERNAL, "run", std::string("[run] Expected no exception, received: ") + error.what() + "."});
  } catch (...) {
    return std::make_shared<const Failure>(
        Failure{CT_INTERNAL, "run", "[run] Expected no exception, received one of unknown type."});
  }
}

void fail_outputs(std::vector<Ref<Value>>& outputs, const std::shared_ptr<const Failure>& failure) {
  for (Ref<Value>& output : outputs) {
    if (output->state() == Value::State::kPending) output->set_failed(failure);
  }
}

Execution::Execution(const Plan& plan)
    : plan_(plan), interpreter_(plan), computed_(plan.outputs.size()), owned_(plan.programs[0].inputs.size()) {}

void Execution::copy(void* to, const void* from, uint64_t bytes, const RunContext& context) {
  if (bytes == 0) return;
  ct_error error{};
  if (plan_.device.backend().copy(context.queue, to, from, bytes, &error) != CT_OK) throw Error(to_failure(error));
}

// Takes the buffer of a donated input, or a copy of it when somebody else still holds it.
void Execution::own_input(int index, std::vector<Ref<Value>>& inputs, const RunContext& context) {
  Value& value = *inputs[index];
  Ref<Buffer>& owned = owned_[index];
  if (value.exclusive() && value.buffer()->unique()) {
    owned = value.take_buffer();
  } else {
    owned = Buffer::allocate(plan_.device.allocator(), value.buffer()->bytes());
    copy(owned->pointer(), value.buffer()->pointer(), owned->bytes(), context);
  }
  interpreter_.entry(plan_.programs[0].inputs[index]) = owned->pointer();
}

void Execution::start(std::vector<Ref<Value>>& inputs, const Layout& layout, void* arena, const RunContext& context) {
  const std::vector<int>& entries = plan_.programs[0].inputs;
  for (size_t k = 0; k < inputs.size(); ++k) interpreter_.entry(entries[k]) = inputs[k]->buffer()->pointer();
  for (const int index : plan_.written_inputs) own_input(index, inputs, context);
  Allocator& allocator = plan_.device.allocator();
  for (size_t j = 0; j < plan_.outputs.size(); ++j) {
    const OutputPlan& output = plan_.outputs[j];
    if (output.source != OutputPlan::Source::kComputed && output.source != OutputPlan::Source::kConstant) continue;
    computed_[j] = Buffer::allocate(allocator, output.bytes);
    if (output.source == OutputPlan::Source::kComputed) {
      interpreter_.entry(output.entry) = computed_[j]->pointer();
    } else {
      copy(computed_[j]->pointer(), interpreter_.entry(output.index), output.bytes, context);
    }
  }
  interpreter_.start(layout, arena);
}

Ref<Buffer> Execution::result(size_t index, const std::vector<Ref<Value>>& inputs) const {
  const OutputPlan& output = plan_.outputs[index];
  switch (output.source) {
    case OutputPlan::Source::kInputBuffer:
      return owned_[output.index];
    case OutputPlan::Source::kInput:
      return inputs[output.index]->buffer();
    case OutputPlan::Source::kOutput:
      return result(static_cast<size_t>(output.index), inputs);
    default:
      return computed_[index];
  }
}

void Execution::settle(Outcome outcome, const std::vector<Ref<Value>>& inputs, std::vector<Ref<Value>>& outputs,
                       Results results) {
  if (outcome != Outcome::kDone) {
    fail_outputs(outputs, outcome == Outcome::kAborted ? aborted_failure() : interpreter_.failure());
    return;
  }
  for (const Interpreter::CheckFailure& failed : interpreter_.check_failures()) {
    outputs[failed.output]->set_failed(failed.failure);
  }
  for (size_t j = 0; j < outputs.size(); ++j) {
    if (outputs[j]->state() != Value::State::kPending) continue;
    switch (results) {
      case Results::kFresh:
        outputs[j]->make_ready(result(j, inputs));
        break;
      case Results::kReady:
        outputs[j]->set_ready(result(j, inputs));
        break;
      case Results::kLaunched:
        outputs[j]->set_launched(result(j, inputs), true);
        break;
    }
  }
}

namespace {

Program optimised(Device& device, Program program, bool fuse) {
  const ct_backend& backend = device.backend();
  const bool reductions = backend.has_kernel && backend.has_kernel(device.handle(), "chainReduce");
  optimise(program, {backend.formula, fuse, reductions, fuse ? scalar_evaluator(device) : Evaluate()});
  return program;
}

}  // namespace

Executable::Executable(Device& device, Program program, bool fuse)
    : plan(device, optimised(device, std::move(program), fuse)) {}

std::unique_ptr<Execution> Executable::acquire() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Execution> execution = std::move(idle_.back());
      idle_.pop_back();
      return execution;
    }
  }
  return std::make_unique<Execution>(plan);
}

void Executable::recycle(std::unique_ptr<Execution> execution) {
  execution->clear();
  std::lock_guard<std::mutex> lock(mutex_);
  idle_.push_back(std::move(execution));
}

void Execution::clear() {
  for (Ref<Buffer>& buffer : computed_) buffer = {};
  for (Ref<Buffer>& buffer : owned_) buffer = {};
}

}  // namespace cotangent
