// Runs a Plan. The frames are explicit, so that a run can stop after any equation, or piece of a long one, and go on
// later, on the same thread or another.
#ifndef COTANGENT_CORE_INTERPRETER_H
#define COTANGENT_CORE_INTERPRETER_H

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "native/core/plan.h"
#include "native/core/profiler.h"

namespace cotangent {

// Receives the scalars of `emit`, on the running thread.
class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  virtual bool wants(const EmitPlan& emit) = 0;  // false: too soon after the last ones; nothing is read then
  virtual void progress(const EmitPlan& emit, const double* values) = 0;
};

// What a run needs from its surroundings.
struct RunContext {
  ct_queue* queue;
  const std::atomic<bool>* abort;  // may be null
  ProgressSink* progress;          // may be null
  int64_t epoch_ns;                // where `clock` counts from
  Profiler* profiler = nullptr;    // may be null
};

class Interpreter {
 public:
  enum class Outcome { kDone, kSuspended, kAborted, kFailed };

  struct CheckFailure {
    int output;
    std::shared_ptr<const Failure> failure;
  };

  // `plan` must outlive it. One run at a time.
  explicit Interpreter(const Plan& plan);

  void*& entry(int index) { return table_[index]; }
  // Inputs and outputs of the main program must be in the table.
  void start(const Layout& layout, void* arena);
  // Goes on until the end, an abort, a failing kernel or the deadline (now_ns() clock), whatever comes first.
  Outcome run(const RunContext& context, int64_t deadline_ns);

  const std::vector<CheckFailure>& check_failures() const { return check_failures_; }
  const std::shared_ptr<const Failure>& failure() const { return failure_; }  // after kFailed
  uint64_t equations_run() const { return equations_run_; }                   // since start
  uint64_t reads() const { return reads_; }                                   // since start

 private:
  struct Frame {
    const Step* next = nullptr;
    const Step* end = nullptr;
    const LoopPlan* loop = nullptr;  // null: the main program or a branch
    int64_t iteration = 0;
    int64_t look = 0;  // the iteration before which the condition is read again
    bool in_condition = false;
  };

  bool execute(const Step& step, const RunContext& context);
  bool run_kernel(const Step& step, const RunContext& context);
  bool profile(const Step& step, const RunContext& context);
  bool check(const Step& step, const RunContext& context);
  bool emit(const Step& step, const RunContext& context);
  bool branch(const Step& step, const RunContext& context);
  bool begin_loop(const LoopPlan& loop, const RunContext& context);
  bool finish_frame(const RunContext& context);
  bool end_loop(const LoopPlan& loop, const RunContext& context);
  void enter_condition(Frame& frame);
  void enter_body(Frame& frame);
  void enter(Frame& frame, int program);
  void rotate(const LoopPlan& loop);
  bool read(const RunContext& context, void* to, const void* from, uint64_t bytes);
  bool copy(const RunContext& context, void* to, const void* from, uint64_t bytes);
  bool succeeded(int32_t code, const ct_error& error);

  const Plan& plan_;
  const ct_backend& backend_;
  std::vector<void*> table_;
  std::vector<void*> slots_, rotated_;
  std::vector<Frame> frames_;
  const Layout* layout_ = nullptr;
  void* arena_ = nullptr;
  std::vector<int32_t> info_;
  std::vector<double> scalars_;
  std::vector<CheckFailure> check_failures_;
  std::shared_ptr<const Failure> failure_;
  uint64_t equations_run_ = 0, reads_ = 0;
  int piece_ = 0;  // of the step that runs next
};

}  // namespace cotangent

#endif
