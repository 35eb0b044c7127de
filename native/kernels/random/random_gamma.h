#ifndef COTANGENT_KERNELS_RANDOM_RANDOM_GAMMA_H
#define COTANGENT_KERNELS_RANDOM_RANDOM_GAMMA_H

#include <memory>

#include "native/backend/cpu/kernel.h"

namespace cotangent::cpu {

std::unique_ptr<Kernel> prepare_random_gamma(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_random_gamma_gradient(const OpDesc& desc);

}  // namespace cotangent::cpu

#endif
