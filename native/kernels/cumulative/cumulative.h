#ifndef COTANGENT_KERNELS_CUMULATIVE_CUMULATIVE_H
#define COTANGENT_KERNELS_CUMULATIVE_CUMULATIVE_H

#include <memory>

#include "native/backend/cpu/kernel.h"

namespace cotangent::cpu {

std::unique_ptr<Kernel> prepare_linear_recurrence(const OpDesc& desc);

}  // namespace cotangent::cpu

#endif
