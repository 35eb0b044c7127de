#include "native/kernels/sort/sort_cuda.h"

#include "native/kernels/sort/line_sorts.h"

namespace cotangent::cuda {

std::unique_ptr<Kernel> prepare_sort(const OpDesc& desc, Device&) {
  const SortParameters sort = SortParameters::of_sort(desc);
  return sort.size <= kTile ? prepare_tile_sort(desc, sort) : prepare_radix_sort(desc, sort);
}

// Few of many: a level of tiles leaves at most a quarter of the candidates.
std::unique_ptr<Kernel> prepare_top_k(const OpDesc& desc, Device&) {
  const SortParameters sort = SortParameters::of_top_k(desc);
  const bool tiles = sort.size <= kTile || sort.k <= kTile / 4;
  return tiles ? prepare_tile_sort(desc, sort) : prepare_radix_sort(desc, sort);
}

void register_sort(Registry& registry) {
  registry.add("sort", prepare_sort);
  registry.add("topK", prepare_top_k);
  registry.add("searchSorted", prepare_search_sorted);
}

}  // namespace cotangent::cuda
