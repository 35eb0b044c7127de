// The movement family: kernels that place elements, and the sums among them (scatterAdd, addAlongAxis). See
// docs/architecture.md for the operands and parameters of each.
#ifndef COTANGENT_KERNELS_MOVEMENT_MOVEMENT_H
#define COTANGENT_KERNELS_MOVEMENT_MOVEMENT_H

#include <memory>

#include "native/backend/cpu/kernel.h"

namespace cotangent::cpu {

std::unique_ptr<Kernel> prepare_broadcast(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_reshape(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_transpose(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_slice(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_pad(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_concatenate(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_gather(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_scatter_add(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_scatter_set(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_take_along_axis(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_add_along_axis(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_reverse(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_dynamic_slice(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_dynamic_update(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_iota(const OpDesc& desc);

}  // namespace cotangent::cpu

#endif
