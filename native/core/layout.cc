// Arena offsets: best fit over the lifetimes of what is in there.
#include <algorithm>

#include "native/core/plan.h"

namespace cotangent {
namespace {

constexpr uint64_t kAlignment = 64;

uint64_t align(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

struct Block {
  uint64_t offset, bytes;
  int end;
};

// The smallest gap between live blocks that holds `bytes`; above them when there is none. `live` is sorted by offset.
uint64_t best_fit(const std::vector<Block>& live, uint64_t bytes) {
  uint64_t cursor = 0, best = 0, best_gap = UINT64_MAX;
  for (const Block& block : live) {
    if (block.offset > cursor) {
      const uint64_t gap = block.offset - cursor;
      if (gap >= bytes && gap < best_gap) {
        best_gap = gap;
        best = cursor;
      }
    }
    cursor = std::max(cursor, block.offset + block.bytes);
  }
  return best_gap == UINT64_MAX ? cursor : best;
}

}  // namespace

// Sets the offsets of a program's items relative to its own arena; returns the size of that.
uint64_t Plan::place(int program, int threads, std::vector<std::vector<uint64_t>>& offsets) const {
  const std::vector<Item>& items = items_[program];
  std::vector<uint64_t> sizes;
  for (const Item& item : items) {
    uint64_t bytes = item.bytes;
    if (item.op) bytes = device.backend().workspace_bytes(item.op, threads);
    for (const int child : item.children) bytes = std::max(bytes, place(child, threads, offsets));
    if (item.entry >= 0) bytes = std::max<uint64_t>(bytes, 1);  // empty tensors get a valid pointer, too
    sizes.push_back(align(bytes));
  }
  std::vector<size_t> order(items.size());
  for (size_t k = 0; k < order.size(); ++k) order[k] = k;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return items[a].begin != items[b].begin ? items[a].begin < items[b].begin : sizes[a] > sizes[b];
  });
  offsets[program].assign(items.size(), 0);
  std::vector<Block> live;
  uint64_t total = 0;
  for (const size_t k : order) {
    live.erase(std::remove_if(live.begin(), live.end(), [&](const Block& block) { return block.end < items[k].begin; }),
               live.end());
    const uint64_t offset = best_fit(live, sizes[k]);
    offsets[program][k] = offset;
    total = std::max(total, offset + sizes[k]);
    const Block block{offset, sizes[k], items[k].end};
    live.insert(std::lower_bound(live.begin(), live.end(), block,
                                 [](const Block& a, const Block& b) { return a.offset < b.offset; }),
                block);
  }
  return total;
}

void Plan::collect(int program, uint64_t base, const std::vector<std::vector<uint64_t>>& offsets,
                   Layout& layout) const {
  for (size_t k = 0; k < items_[program].size(); ++k) {
    const Item& item = items_[program][k];
    const uint64_t offset = base + offsets[program][k];
    if (item.entry >= 0) layout.entries.emplace_back(item.entry, offset);
    for (const int child : item.children) collect(child, offset, offsets, layout);
  }
}

const Layout& Plan::layout(int threads) const {
  std::lock_guard<std::mutex> lock(layouts_mutex_);
  for (const auto& layout : layouts_) {
    if (layout->threads == threads) return *layout;
  }
  auto layout = std::make_unique<Layout>();
  layout->threads = threads;
  std::vector<std::vector<uint64_t>> offsets(items_.size());
  layout->bytes = place(0, threads, offsets);
  collect(0, 0, offsets, *layout);
  for (const ct_op* op : ops) layout->pieces.push_back(device.backend().pieces(op, threads));
  layouts_.push_back(std::move(layout));
  return *layouts_.back();
}

}  // namespace cotangent
