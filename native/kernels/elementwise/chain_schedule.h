// In which order a chain's instructions run on a machine with one accumulator, whatever the device.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_CHAIN_SCHEDULE_H
#define COTANGENT_KERNELS_ELEMENTWISE_CHAIN_SCHEDULE_H

#include <vector>

#include "native/kernels/elementwise/chain_program.h"

namespace cotangent {

// Instructions (not ids) in the order in which they run; those that no output needs are left out. Each value is
// computed as late as its first use allows, operands that need more slots before those that need fewer (Sethi and
// Ullman), values with several uses first of all, because they need a slot anyhow; the last operand is then still in
// the accumulator.
std::vector<int> schedule_chain(const ChainProgram& program);

}  // namespace cotangent

#endif
