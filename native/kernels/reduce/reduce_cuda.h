// The reductions on a GPU.
#ifndef COTANGENT_KERNELS_REDUCE_REDUCE_CUDA_H
#define COTANGENT_KERNELS_REDUCE_REDUCE_CUDA_H

#include <memory>

#include "native/backend/cuda/kernel.h"

namespace cotangent::cuda {

std::unique_ptr<Kernel> prepare_reduce_sum(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_reduce_prod(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_reduce_max(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_reduce_min(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_arg_max(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_arg_min(const OpDesc& desc, Device& device);

}  // namespace cotangent::cuda

#endif
