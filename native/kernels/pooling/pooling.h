// Pooling: the largest element of each window and its place, and the two linear maps that its derivatives are made of.
// See docs/architecture.md for operands and parameters.
#ifndef COTANGENT_KERNELS_POOLING_POOLING_H
#define COTANGENT_KERNELS_POOLING_POOLING_H

#include <memory>

#include "native/backend/cpu/kernel.h"

namespace cotangent::cpu {

std::unique_ptr<Kernel> prepare_max_pool(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_pool_gather(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_pool_scatter(const OpDesc& desc);

}  // namespace cotangent::cpu

#endif
