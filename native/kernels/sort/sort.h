// The sort family: sort, topK and searchSorted. All of them order as `KeyOf` does: NaN is last in either direction, -0
// and 0 are equal, equal elements keep their order.
#ifndef COTANGENT_KERNELS_SORT_SORT_H
#define COTANGENT_KERNELS_SORT_SORT_H

#include <memory>

#include "native/backend/cpu/kernel.h"

namespace cotangent::cpu {

std::unique_ptr<Kernel> prepare_sort(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_top_k(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_search_sorted(const OpDesc& desc);

}  // namespace cotangent::cpu

#endif
