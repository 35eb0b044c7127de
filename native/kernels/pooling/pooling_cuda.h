// Pooling on a GPU. See pooling.h for what each kernel does.
#ifndef COTANGENT_KERNELS_POOLING_POOLING_CUDA_H
#define COTANGENT_KERNELS_POOLING_POOLING_CUDA_H

#include <memory>

#include "native/backend/cuda/kernel.h"

namespace cotangent::cuda {

std::unique_ptr<Kernel> prepare_max_pool(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_pool_gather(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_pool_scatter(const OpDesc& desc, Device& device);

}  // namespace cotangent::cuda

#endif
