// Fusion of elementwise equations, of the broadcasts that feed them and of the reductions that they feed, into `chain`
// and `chainReduce` kernels.
#ifndef COTANGENT_CORE_FUSION_H
#define COTANGENT_CORE_FUSION_H

#include "native/core/program.h"

namespace cotangent {

// Limits of one chain.
constexpr int kChainInputs = 48;
constexpr int kChainOutputs = 16;
constexpr int kChainInstructions = 256;

// Computes a bool as a number once for every formula that reads it, so that nobody stores the numbers. Before fusion.
void repeat_casts(Program& program);

// Runs after dead-code elimination, on every sub-program. With merge = false each equation becomes a chain of its own;
// with reductions = true those of a chain's values join it as `chainReduce`.
void fuse_elementwise(Program& program, bool merge, bool reductions);

}  // namespace cotangent

#endif
