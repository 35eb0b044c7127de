// The kernels of elementwise work: `chain`, any number of formulas applied in one pass over memory, `chainReduce`, the
// same with reductions of what it computes, and `cast`.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_CHAIN_H
#define COTANGENT_KERNELS_ELEMENTWISE_CHAIN_H

#include <memory>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/elementwise/chain_target.h"
#include "native/kernels/simd.h"

namespace cotangent {

COTANGENT_SIMD_DECLARE(const ChainTarget& chain_target())

namespace cpu {

// Params: see "chain" and "chainReduce" in docs/architecture.md. Throw KernelError.
std::unique_ptr<Kernel> prepare_chain(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_chain_reduce(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_cast(const OpDesc& desc);

}  // namespace cpu
}  // namespace cotangent

#endif
