#ifndef COTANGENT_KERNELS_REDUCE_ARG_REDUCE_H
#define COTANGENT_KERNELS_REDUCE_ARG_REDUCE_H

#include <memory>

#include "native/backend/cpu/kernel.h"

namespace cotangent::cpu {

std::unique_ptr<Kernel> prepare_arg_max(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_arg_min(const OpDesc& desc);

}  // namespace cotangent::cpu

#endif
