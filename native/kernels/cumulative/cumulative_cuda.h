// The cumulative kernels on a GPU.
#ifndef COTANGENT_KERNELS_CUMULATIVE_CUMULATIVE_CUDA_H
#define COTANGENT_KERNELS_CUMULATIVE_CUMULATIVE_CUDA_H

#include <memory>

#include "native/backend/cuda/kernel.h"

namespace cotangent::cuda {

std::unique_ptr<Kernel> prepare_cum_sum(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_cum_prod(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_cum_max(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_cum_min(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_linear_recurrence(const OpDesc& desc, Device& device);

}  // namespace cotangent::cuda

#endif
