// Fusion of elementwise equations, and of the broadcasts that feed them, into `chain` kernels.
#ifndef COTANGENT_CORE_FUSION_H
#define COTANGENT_CORE_FUSION_H

#include "native/core/program.h"

namespace cotangent {

// Limits of one chain.
constexpr int kChainInputs = 48;
constexpr int kChainOutputs = 16;
constexpr int kChainInstructions = 256;

// Runs after dead-code elimination, on every sub-program. With merge = false each equation becomes a chain of its own.
void fuse_elementwise(Program& program, bool merge);

}  // namespace cotangent

#endif
