// The random kernels on a GPU.
#ifndef COTANGENT_KERNELS_RANDOM_RANDOM_CUDA_H
#define COTANGENT_KERNELS_RANDOM_RANDOM_CUDA_H

#include <memory>

#include "native/backend/cuda/kernel.h"

namespace cotangent::cuda {

std::unique_ptr<Kernel> prepare_random_bits(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_random_uniform(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_random_normal(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_random_gamma(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_random_gamma_gradient(const OpDesc& desc, Device& device);

}  // namespace cotangent::cuda

#endif
