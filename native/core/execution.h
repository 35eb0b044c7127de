// One run of a Plan on values: inputs in, results out. Objects are reused: a run allocates nothing but its results.
#ifndef COTANGENT_CORE_EXECUTION_H
#define COTANGENT_CORE_EXECUTION_H

#include <memory>
#include <vector>

#include "native/core/interpreter.h"
#include "native/core/plan.h"
#include "native/core/value.h"

namespace cotangent {

class Execution {
 public:
  using Outcome = Interpreter::Outcome;

  // `plan` must outlive it.
  explicit Execution(const Plan& plan);

  // Inputs must be ready; donated ones that nobody else holds are written to. `arena` holds layout.bytes.
  // Throws Error when there is no memory for the results; `settle` is due then, too.
  void start(std::vector<Ref<Value>>& inputs, const Layout& layout, void* arena, const RunContext& context);
  Outcome run(const RunContext& context, int64_t deadline_ns) { return interpreter_.run(context, deadline_ns); }
  enum class Results {
    kFresh,     // there, and nobody can be waiting for them yet
    kReady,     // there
    kLaunched,  // queued on an asynchronous device; a launch in flight follows them
  };
  // Gives every output its result or its failure.
  void settle(Outcome outcome, const std::vector<Ref<Value>>& inputs, std::vector<Ref<Value>>& outputs,
              Results results);
  // Lets go of all buffers.
  void clear();

  uint64_t equations_run() const { return interpreter_.equations_run(); }
  uint64_t reads() const { return interpreter_.reads(); }

 private:
  void own_input(int index, std::vector<Ref<Value>>& inputs, const RunContext& context);
  void copy(void* to, const void* from, uint64_t bytes, const RunContext& context);
  Ref<Buffer> result(size_t index, const std::vector<Ref<Value>>& inputs) const;

  const Plan& plan_;
  Interpreter interpreter_;
  std::vector<Ref<Buffer>> computed_;  // per output
  std::vector<Ref<Buffer>> owned_;     // per input that is written to
};

// A compiled Program: its plan, and execution objects that wait for their next run.
class Executable : public RefCounted {
 public:
  // Runs the passes and plans. Throws Error.
  Executable(Device& device, Program program, bool fuse);
  void release() {
    if (drop()) delete this;
  }

  std::unique_ptr<Execution> acquire();
  void recycle(std::unique_ptr<Execution> execution);

  const Plan plan;

 private:
  ~Executable() = default;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Execution>> idle_;
};

// The failure of everything that an aborted stream still had to do.
std::shared_ptr<const Failure> aborted_failure();
// Turns the exception in flight into a failure.
std::shared_ptr<const Failure> current_failure();

void fail_outputs(std::vector<Ref<Value>>& outputs, const std::shared_ptr<const Failure>& failure);

}  // namespace cotangent

#endif
