// Lines that fit into shared memory, and the k first of longer ones: a block sorts a tile by the bitonic network of
// K. E. Batcher ("Sorting networks and their applications", AFIPS 1968), several lines side by side where they are
// short. A line of several tiles leaves the k first of each, with their places, to the next level, until one tile holds
// them all: every level has kTile / k times fewer candidates. Keys with places are a total order, so that any sort of
// them is stable.
#include <algorithm>
#include <vector>

#include "native/backend/cuda/workspace.h"
#include "native/kernels/sort/line_sorts.h"
#include "native/kernels/sort/sort_device.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kBlock = 256;
constexpr unsigned kLeastSlots = 512;  // of a block
constexpr uint32_t kNoPlace = 0xffffffffu;

// One level. `slots`: a tile's, a power of two.
struct TileLevel {
  int64_t lines, length, tiles, kept;  // length: elements or candidates of a line; kept: of each tile
  unsigned slots;

  int64_t segments() const { return lines * tiles; }
  unsigned block_slots() const { return slots > kLeastSlots ? slots : kLeastSlots; }
};

// Keys with places; null: there are none.
template <class K>
struct Candidates {
  K* keys;
  uint32_t* places;
};

template <class T>
__global__ void __launch_bounds__(kBlock)
    tile_sort_kernel(SortedLines<T> lines, TileLevel level, Candidates<Key<T>> from, Candidates<Key<T>> to) {
  using K = Key<T>;
  const unsigned block_slots = level.slots > kLeastSlots ? level.slots : kLeastSlots;
  K* const keys = dynamic_shared<K>();
  uint32_t* const places = reinterpret_cast<uint32_t*>(keys + block_slots);
  const int64_t per_block = block_slots / level.slots, segments = level.lines * level.tiles;
  for (int64_t base = blockIdx.x * per_block; base < segments; base += gridDim.x * per_block) {
    for (unsigned slot = threadIdx.x; slot < block_slots; slot += kBlock) {
      const int64_t segment = base + slot / level.slots, line = segment / level.tiles;
      const int64_t place = segment % level.tiles * level.slots + slot % level.slots;
      K key = static_cast<K>(~K(0));
      uint32_t number = kNoPlace;  // behind whatever has the same key
      if (segment < segments && place < level.length) {
        const int64_t at = line * level.length + place;
        key = from.keys ? from.keys[at] : lines.key(line, place);
        number = from.keys ? from.places[at] : static_cast<uint32_t>(place);
      }
      keys[slot] = key;
      places[slot] = number;
    }
    unsigned last_stride = block_slots;
    for (unsigned size = 2; size <= level.slots; size *= 2) {
      for (unsigned stride = size / 2; stride > 0; stride /= 2) {
        // Strides of at most a warp stay within the 64 slots that a warp has at a time.
        if (stride > kWarp || last_stride > kWarp) {
          __syncthreads();
        } else {
          __syncwarp(kAllLanes);
        }
        last_stride = stride;
        for (unsigned pair = threadIdx.x; pair < block_slots / 2; pair += kBlock) {
          const unsigned low = 2 * pair - (pair & (stride - 1)), high = low + stride;
          const bool ascending = size == level.slots || (low & size) == 0;
          const K a = keys[low], b = keys[high];
          const uint32_t p = places[low], q = places[high];
          const bool after = b < a || (a == b && q < p);
          if (after != ascending) continue;
          keys[low] = b;
          keys[high] = a;
          places[low] = q;
          places[high] = p;
        }
      }
    }
    __syncthreads();
    for (unsigned slot = threadIdx.x; slot < block_slots; slot += kBlock) {
      const int64_t segment = base + slot / level.slots, rank = slot % level.slots;
      if (segment >= segments || rank >= level.kept) continue;
      if (to.keys) {
        to.keys[segment * level.kept + rank] = keys[slot];
        to.places[segment * level.kept + rank] = places[slot];
      } else {
        lines.write(segment, rank, keys[slot], places[slot]);
      }
    }
    __syncthreads();
  }
}

template <class T>
class TileSortKernel : public Kernel {
  using K = Key<T>;

 public:
  TileSortKernel(const OpDesc& desc, const SortParameters& sort) : sort_(sort) {
    Room room;
    double work = 0;  // compare-exchanges
    for (int64_t length = sort.size;;) {
      unsigned slots = 2;
      while (slots < length && slots < kTile) slots *= 2;
      const int64_t tiles = std::max<int64_t>(1, (length + slots - 1) / slots);
      levels_.push_back({sort.lines(), length, tiles, sort.k, slots});
      work += 33.0 * static_cast<double>(sort.lines() * length);
      if (tiles == 1) break;
      length = tiles * sort.k;
      const int64_t count = sort.lines() * length;
      offsets_.push_back({room.take<K>(count), room.take<uint32_t>(count)});
    }
    workspace_ = room.bytes();
    estimated_ns = estimate_ns(traffic(desc), 10 * work);
  }

  uint64_t workspace_bytes() const override { return workspace_; }

  ct_code run(const Launch& to, ct_error* error) const override {
    if (sort_.lines() * sort_.k == 0) return CT_OK;
    Candidates<K> from{};
    for (size_t l = 0; l < levels_.size(); ++l) {
      const TileLevel& level = levels_[l];
      Candidates<K> kept{};
      if (l < offsets_.size()) {
        kept = {part<K>(to.workspace, offsets_[l].first), part<uint32_t>(to.workspace, offsets_[l].second)};
      }
      const auto kernel = tile_sort_kernel<T>;
      const size_t shared = level.block_slots() * (sizeof(K) + sizeof(uint32_t));
      const int64_t blocks = (level.segments() * level.slots + level.block_slots() - 1) / level.block_slots();
      const unsigned grid = to.device.grid(kernel, blocks * kBlock, kBlock, shared);
      const cudaError_t status =
          launch(grid, kBlock, shared, to.stream(), kernel, sorted_lines<T>(to, sort_), level, from, kept);
      if (const ct_code code = check(status, error, "a sort of tiles"); code != CT_OK) return code;
      from = kept;
    }
    return CT_OK;
  }

 private:
  const SortParameters sort_;
  std::vector<TileLevel> levels_;
  std::vector<std::pair<int64_t, int64_t>> offsets_;  // of keys and places that a level leaves to the next
  uint64_t workspace_ = 0;
};

}  // namespace

std::unique_ptr<Kernel> prepare_tile_sort(const OpDesc& desc, const SortParameters& sort) {
  return dispatch_dtype(sort.dtype, [&](auto element) -> std::unique_ptr<Kernel> {
    return std::make_unique<TileSortKernel<decltype(element)>>(desc, sort);
  });
}

}  // namespace cotangent::cuda
