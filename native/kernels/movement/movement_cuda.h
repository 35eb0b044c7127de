// The movement family on a GPU. See movement.h for what each kernel does.
#ifndef COTANGENT_KERNELS_MOVEMENT_MOVEMENT_CUDA_H
#define COTANGENT_KERNELS_MOVEMENT_MOVEMENT_CUDA_H

#include <memory>

#include "native/backend/cuda/kernel.h"

namespace cotangent::cuda {

std::unique_ptr<Kernel> prepare_broadcast(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_reshape(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_transpose(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_slice(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_pad(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_concatenate(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_gather(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_scatter_add(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_scatter_set(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_take_along_axis(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_add_along_axis(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_reverse(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_dynamic_slice(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_dynamic_update(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_iota(const OpDesc& desc, Device& device);

}  // namespace cotangent::cuda

#endif
