// The movement family on a GPU. See movement.h for what each kernel does.
#ifndef COTANGENT_KERNELS_MOVEMENT_MOVEMENT_CUDA_H
#define COTANGENT_KERNELS_MOVEMENT_MOVEMENT_CUDA_H

#include <memory>

#include "native/backend/cuda/kernel.h"

namespace cotangent::cuda {

std::unique_ptr<Kernel> prepare_iota(const OpDesc& desc, Device& device);

}  // namespace cotangent::cuda

#endif
