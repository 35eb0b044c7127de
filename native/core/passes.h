// Program to Program passes of the native side. All run on every sub-program.
#ifndef COTANGENT_CORE_PASSES_H
#define COTANGENT_CORE_PASSES_H

#include "native/core/program.h"

namespace cotangent {

// Finds values that need no storage of their own: reshapes, broadcasts and transposes that move no data, results of
// `check`, carries that a loop passes through, repeated computations. Sets `root`, marks what became superfluous as
// dropped, hands constants down into sub-programs, and writes casts from and to bool as formulas.
void resolve_aliases(Program& program, int32_t (*formula)(const char*));

// For each `check` in the tree: which outputs of `main` depend on its result. Runs before anything is removed.
void attribute_failures(Program& main);

// Removes what neither an output nor an effect needs: equations, loop carries, outputs and operands of sub-programs.
void eliminate_dead_code(Program& program);

// Folds sums with a product of matrices into the product, sub-programs included.
void fuse_epilogues(Program& program);

// All of the above, then fusion (unless `fuse` is false: one chain for each elementwise equation).
void optimise(Program& main, int32_t (*formula)(const char*), bool fuse);

}  // namespace cotangent

#endif
