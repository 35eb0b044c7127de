// Program to Program passes of the native side. All run on every sub-program.
#ifndef COTANGENT_CORE_PASSES_H
#define COTANGENT_CORE_PASSES_H

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "native/core/program.h"

namespace cotangent {

// What a formula or cast gives for one element of each operand; nothing when the device refuses.
using Evaluate = std::function<std::optional<double>(const Equation& equation, const std::vector<int32_t>& dtypes,
                                                     const std::vector<double>& operands, int32_t result_dtype)>;

// What the passes need to know of the device that they compile for, and what they are asked to do.
struct PassOptions {
  int32_t (*formula)(const char*);  // the backend's lookup
  bool fuse = true;                 // false: one chain for each elementwise equation
  bool fuse_reductions = false;     // with `fuse`: the device has the kernel `chainReduce`
  Evaluate evaluate = {};           // empty: nothing is simplified
};

// Finds values that need no storage of their own: constants that can be computed now, reshapes, broadcasts and
// transposes that move no data, results of `check`, carries that a loop passes through, repeated computations. Sets
// `root`, marks what became superfluous as dropped, hands constants down into sub-programs, and writes casts from and
// to bool as formulas.
void resolve_aliases(Program& program, const PassOptions& options);

// For each `check` in the tree: which outputs of `main` depend on its result. Runs before anything is removed.
void attribute_failures(Program& main);

// Removes what neither an output nor an effect needs: equations, loop carries, outputs and operands of sub-programs.
void eliminate_dead_code(Program& program);

// Folds sums with a product of matrices into the product, sub-programs included.
void fuse_epilogues(Program& program);

// All of the above, then fusion.
void optimise(Program& main, const PassOptions& options);

}  // namespace cotangent

#endif
