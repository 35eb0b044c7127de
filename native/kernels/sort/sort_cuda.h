// The sort family on a GPU. See sort.h for the order.
#ifndef COTANGENT_KERNELS_SORT_SORT_CUDA_H
#define COTANGENT_KERNELS_SORT_SORT_CUDA_H

#include <memory>

#include "native/backend/cuda/kernel.h"

namespace cotangent::cuda {

std::unique_ptr<Kernel> prepare_sort(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_top_k(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_search_sorted(const OpDesc& desc, Device& device);

}  // namespace cotangent::cuda

#endif
