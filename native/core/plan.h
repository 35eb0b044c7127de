// The plan of a Program: prepared kernels as a list of steps, and the place of every value. Immutable; many runs may
// share it.
//
// All pointers of a run stand in one table. Steps name its entries; entries are filled from four sources: constants
// (when the run object is made), the arena (when it gets one), inputs and outputs (when the run starts), and control
// steps, which pass entries of their own program on to those of a sub-program. No program calls itself, so each needs
// its entries once.
#ifndef COTANGENT_CORE_PLAN_H
#define COTANGENT_CORE_PLAN_H

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "native/core/device.h"
#include "native/core/program.h"
#include "native/core/value.h"

namespace cotangent {

constexpr double kEndless = 1e15;  // estimate, in ns, of what has no bound

enum class StepKind : uint8_t { kRun, kCopy, kCheck, kEmit, kClock, kLoop, kCond };

struct Step {
  StepKind kind;
  int in = 0, in_count = 0;  // range of Plan::indices, which holds entries
  int out = 0, out_count = 0;
  const ct_op* op = nullptr;  // kRun
  int workspace = -1;         // kRun: entry
  int detail = -1;            // index into the plan's table of what the step is: its op, check, emit, loop or cond
  uint64_t bytes = 0;         // kCopy
  double estimated_ns = 0;
};

struct ProgramPlan {
  std::vector<Step> steps;
  std::vector<int> inputs;   // entry per input
  std::vector<int> outputs;  // entry per output; -1: the caller need not give a buffer
  std::vector<int> moved;    // loop body, per output: the carry whose buffer it takes over unread, or -1
  double estimated_ns = 0;
};

struct CheckPlan {
  std::string op;
  int64_t count;           // elements of info
  std::vector<int> fails;  // outputs of the main program
};

struct EmitPlan {
  std::string tag;
  std::vector<std::string> names;  // one operand more: a bool, whether to report
  std::vector<int32_t> dtypes;
};

struct CondPlan {
  int branches[2];                             // programs
  std::vector<std::pair<int, int>> passes[2];  // entry of the parent, entry of the branch; results included
};

struct LoopPlan {
  struct Carry {
    int init;             // entries of the parent
    int home;             // where the final value has to be; -1: the loop passes the carry through
    int body, condition;  // input entries of the sub-programs; -1: not read
    int result;           // output entry of the body; -1: it stays in its buffer or comes from another carry's
    int slot;             // current buffer; -1: passed through
    int result_slot;      // the slot that `result` is written to
    uint64_t bytes;
  };
  struct Stacked {
    int parent, body;  // entries
    uint64_t bytes;    // of one slice
  };
  int condition = -1;  // program; -1: a scan
  int body = -1;
  int predicate = -1;  // entries: in the parent's arena, and the condition's output
  int predicate_output = -1;
  int64_t length = 0;
  int64_t ahead = 1;  // see LoopLayout
  bool reverse = false;
  std::vector<std::pair<int, int>> passes;  // constants: entry of the parent -> entry of a sub-program
  std::vector<Carry> carries;
  std::vector<Stacked> xs, ys;
  int first_slot = 0;         // of the run's slots
  std::vector<int> homes;     // entry per slot: where it starts (the carries' homes, then spare buffers)
  std::vector<int> rotation;  // after an iteration, slot k holds what slot rotation[k] held
  struct Cycle {
    std::vector<int> slots;  // of carries that change places
    int spare;               // a slot whose buffer holds nothing between iterations
    uint64_t bytes;
  };
  std::vector<Cycle> cycles;
};

// Where a result of the main program comes from.
struct OutputPlan {
  enum class Source : uint8_t { kComputed, kInputBuffer, kInput, kOutput, kConstant };
  Source source;   // kInputBuffer: computed in the buffer of a donated input; kInput, kOutput: shares its buffer
  int index = -1;  // the input or output, or the entry of the constant
  int entry = -1;  // kComputed
  Type type;
  uint64_t bytes;
};

// What depends on the number of threads: offsets of the arena's entries, and into how many pieces ops are cut.
struct Layout {
  int threads = 0;
  uint64_t bytes = 0;
  std::vector<std::pair<int, uint64_t>> entries;
  std::vector<int> pieces;  // per op
};

class Plan {
 public:
  // Throws Error. `optimised`: after the passes.
  Plan(Device& on, Program optimised);
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  const Layout& layout(int threads) const;

  Device& device;
  const Program program;
  std::vector<ProgramPlan> programs;
  std::vector<int> indices;
  std::vector<ct_op*> ops;
  std::vector<std::string> op_names;  // per op: for people
  std::vector<LoopPlan> loops;
  std::vector<CondPlan> conds;
  std::vector<CheckPlan> checks;
  std::vector<EmitPlan> emits;
  std::vector<OutputPlan> outputs;
  std::vector<int> written_inputs;  // donated inputs whose buffers are written to
  std::vector<void*> table;         // constants filled in
  int slot_count = 0;
  int max_depth = 1;
  uint64_t output_bytes = 0;
  bool inlinable = false;  // no control equation, nothing donated, little work

 private:
  friend class Planner;
  // Something in the arena while equations begin..end of its program run.
  struct Item {
    int begin, end;
    uint64_t bytes;
    const ct_op* op = nullptr;  // its workspace
    std::vector<int> children;  // the arenas of these programs, one at a time
    int entry = -1;
  };

  uint64_t place(int program, int threads, std::vector<std::vector<uint64_t>>& offsets) const;
  void collect(int program, uint64_t base, const std::vector<std::vector<uint64_t>>& offsets, Layout& layout) const;

  std::vector<std::vector<Item>> items_;  // per program
  Ref<Buffer> constants_;
  mutable std::mutex layouts_mutex_;
  mutable std::vector<std::unique_ptr<Layout>> layouts_;
};

}  // namespace cotangent

#endif
