// Running Programs: inline on the environment's thread, or queued on the executor.
#include <algorithm>

#include "native/core/pool.h"
#include "native/napi/environment.h"

namespace cotangent {

void Environment::gather(const ProgramEntry& program, const int32_t* slots, size_t count) {
  const Plan& plan = program.executable->plan;
  const size_t inputs = static_cast<size_t>(plan.program.input_count), outputs = plan.outputs.size();
  if (count != inputs + outputs) {
    fail(CT_INTERNAL, "execute", std::to_string(inputs + outputs) + " slots", std::to_string(count));
  }
  for (size_t k = 0; k < inputs; ++k) {
    const Slot& from = held(slots[k]);
    Value& input = *from.value;
    if (from.site != program.site) {
      fail(CT_DEVICE, "execute", "input " + std::to_string(k) + " on " + program.site->device.name,
           "one on " + from.site->device.name);
    }
    if (input.type() != plan.program.types[k]) {
      fail(input.type().dtype == plan.program.types[k].dtype ? CT_SHAPE : CT_DTYPE, "execute",
           "input " + std::to_string(k) + " of type " + show(plan.program.types[k]), show(input.type()));
    }
    arguments_.inputs.emplace_back(&input);
  }
  for (size_t j = 0; j < outputs; ++j) {
    free_slot("execute", slots[inputs + j]);
    arguments_.outputs.push_back(Ref<Value>::adopt(new Value(plan.outputs[j].type)));
  }
}

bool Environment::can_run_inline(const Plan& plan, const Stream& stream) const {
  if (!inline_enabled_ || !plan.inlinable || stream.aborted() || stream.profiler()) return false;
  return std::none_of(arguments_.inputs.begin(), arguments_.inputs.end(),
                      [](const Ref<Value>& input) { return input->state() == Value::State::kPending; });
}

void* Environment::inline_arena(Site& site, uint64_t bytes) {
  if (bytes == 0) return nullptr;
  if (!site.arena || site.arena->bytes() < bytes) {
    site.arena = {};
    site.arena = Buffer::allocate(site.device.device.allocator(), bytes);
  }
  return site.arena->pointer();
}

void Environment::run_inline(ProgramEntry& entry, const Stream& stream) {
  for (const Ref<Value>& input : arguments_.inputs) {
    if (input->state() != Value::State::kFailed) continue;
    return fail_outputs(arguments_.outputs, input->failure());
  }
  const RunContext context{entry.site->queue.get(), nullptr, nullptr, stream.epoch_ns()};
  try {
    const FixedThreads threads(pool_threads());
    if (!entry.layout || entry.layout->threads != serial().threads()) {
      entry.layout = &entry.executable->plan.layout(serial().threads());
    }
    if (!entry.inline_execution) entry.inline_execution = entry.executable->acquire();
    Execution& execution = *entry.inline_execution;
    execution.start(arguments_.inputs, *entry.layout, inline_arena(*entry.site, entry.layout->bytes), context);
    const Execution::Outcome outcome = execution.run(context, INT64_MAX);
    execution.settle(outcome, arguments_.inputs, arguments_.outputs, Execution::Results::kFresh);
    entry.site->device.programs_inline.fetch_add(1, std::memory_order_relaxed);
    entry.site->device.equations_inline.fetch_add(execution.equations_run(), std::memory_order_relaxed);
    execution.clear();
  } catch (...) {
    fail_outputs(arguments_.outputs, current_failure());
    if (entry.inline_execution) entry.inline_execution->clear();
  }
}

void Environment::execute(uint32_t id, uint32_t stream_id, const int32_t* slots, size_t count) {
  ProgramEntry& entry = program(id);
  const Plan& plan = entry.executable->plan;
  const StreamEntry& to = stream(stream_id);
  Stream& on = *to.stream;
  if (to.site != entry.site) {
    fail(CT_INTERNAL, "execute", "a stream of " + entry.site->device.name, "one of " + to.site->device.name);
  }
  struct Clear {
    Arguments& arguments;
    ~Clear() { arguments.clear(); }
  } const clear{arguments_};
  gather(entry, slots, count);
  const size_t inputs = arguments_.inputs.size(), outputs = arguments_.outputs.size();
  const bool run_here = can_run_inline(plan, on);
  if (run_here) run_inline(entry, on);
  // The slots hold their own references before the executor gets the arguments; donated inputs keep the executor's
  // only.
  for (size_t k = 0; k < inputs; ++k) {
    if (plan.program.donated[k]) empty(slot(slots[k]));
  }
  for (size_t j = 0; j < outputs; ++j) put(slot(slots[inputs + j]), arguments_.outputs[j], *entry.site);
  Executor& executor = entry.site->device.executor;
  if (!run_here && !executor.enqueue(on, *entry.executable, arguments_, [this] { return terminating(); })) {
    for (size_t j = 0; j < outputs; ++j) empty(slot(slots[inputs + j]));
    throw Error(*aborted_failure());
  }
  report_memory();
}

void Environment::copy(uint32_t stream_id, int32_t from, int32_t to) {
  const StreamEntry& entry = stream(stream_id);
  free_slot("copy", to);  // the table may grow here: references into it come after
  const Slot& source = held(from);
  if (source.site == entry.site) {
    put(slot(to), source.value, *entry.site);
    return report_memory();
  }
  follow(source);
  Device& device = source.site->device.device;
  struct Clear {
    Arguments& arguments;
    ~Clear() { arguments.clear(); }
  } const clear{arguments_};
  arguments_.inputs.push_back(source.value);
  arguments_.outputs.push_back(Ref<Value>::adopt(new Value(source.value->type())));
  put(slot(to), arguments_.outputs[0], *entry.site);
  if (!entry.site->device.executor.enqueue_copy(*entry.stream, device, arguments_, [this] { return terminating(); })) {
    empty(slot(to));
    throw Error(*aborted_failure());
  }
  report_memory();
}

// True when JavaScript may not run any more: a worker was told to stop while its thread is in here.
bool Environment::terminating() {
  napi_value global;
  bool present;
  return napi_get_global(env_, &global) != napi_ok ||
         napi_has_named_property(env_, global, "Object", &present) != napi_ok;
}

}  // namespace cotangent
