// Elementwise work on a GPU. See chain.h.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_ELEMENTWISE_CUDA_H
#define COTANGENT_KERNELS_ELEMENTWISE_ELEMENTWISE_CUDA_H

#include <memory>

#include "native/backend/cuda/kernel.h"

namespace cotangent::cuda {

std::unique_ptr<Kernel> prepare_chain(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_chain_reduce(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_cast(const OpDesc& desc, Device& device);

}  // namespace cotangent::cuda

#endif
