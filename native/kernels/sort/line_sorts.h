// The two ways in which a GPU sorts lines.
#ifndef COTANGENT_KERNELS_SORT_LINE_SORTS_H
#define COTANGENT_KERNELS_SORT_LINE_SORTS_H

#include <memory>

#include "native/backend/cuda/kernel.h"
#include "native/kernels/sort/parameters.h"

namespace cotangent::cuda {

// Lines of at most this many elements are sorted in shared memory.
constexpr int64_t kTile = 2048;

// The k first of each line, k <= kTile / 4 unless a line is a tile: tile_sort.cu.
std::unique_ptr<Kernel> prepare_tile_sort(const OpDesc& desc, const SortParameters& sort);
// The k first of each line by sorting all of it; lines are not empty: radix_sort.cu.
std::unique_ptr<Kernel> prepare_radix_sort(const OpDesc& desc, const SortParameters& sort);

}  // namespace cotangent::cuda

#endif
