// topK: the k first elements along one axis, in order, and their places. One pass over a line keeps the candidates:
// what comes before the last of the best k so far is collected, and whenever as many again have come, the best k of
// them are selected. Few elements get that far, so that a line costs little more than reading it. A long line is cut
// over the threads, whose candidates are merged; the order is total, so the result depends on nothing else.
#include <algorithm>
#include <limits>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/sort/parameters.h"
#include "native/kernels/sort/sort.h"
#include "native/kernels/sort/sort_keys.h"

namespace cotangent::cpu {
namespace {

constexpr int64_t kGrain = 16384;  // elements worth a thread

template <class T, bool descending>
class TopKKernel : public Kernel {
  using K = Key<T>;

 public:
  TopKKernel(const OpDesc& desc, const SortParameters& sort)
      : outer_(sort.outer),
        size_(sort.size),
        inner_(sort.inner),
        k_(sort.k),
        room_(std::min(size_, std::max<int64_t>(2 * k_, 256))) {
    const double candidates = static_cast<double>(lines() * k_);
    estimated_ns = estimate_ns(traffic(desc)) + static_cast<double>(element_count(desc.in(0))) + 40 * candidates;
  }

  uint64_t workspace_bytes(int threads) const override {
    return sizeof(Item<K>) * static_cast<uint64_t>((room_ + k_) * threads);
  }

  int pieces(int threads) const override { return pieces_by_time(threads, lines()); }

  ct_code run(const Launch& launch, ct_error*) const override {
    if (lines() * k_ == 0) return CT_OK;
    const int threads = launch.parallel.threads();
    const Piece piece(lines(), launch.piece, pieces(threads));
    Item<K>* const workspace = static_cast<Item<K>*>(launch.workspace);
    if (piece.length() >= threads || size_ < 2 * std::max(kGrain, room_)) {
      const int64_t wanted = std::max<int64_t>(1, piece.length() * size_ / kGrain);
      const int parts = static_cast<int>(std::min<int64_t>({threads, wanted, piece.length()}));
      launch.parallel.parts(parts, [&](int part) {
        const Piece mine(piece.length(), part, parts);
        Item<K>* const items = workspace + part * room_;
        for (int64_t i = piece.begin + mine.begin; i < piece.begin + mine.end; ++i) {
          write(launch, i, items, collect(launch, i, items, 0, size_));
        }
      });
      return CT_OK;
    }
    for (int64_t i = piece.begin; i < piece.end; ++i) {
      launch.parallel.parts(threads, [&](int part) {
        const Piece mine(size_, part, threads);
        Item<K>* const items = workspace + part * room_;
        const int64_t found = collect(launch, i, items, mine.begin, mine.end);
        Item<K>* const best = workspace + room_ * threads + part * k_;
        std::copy_n(items, found, best);
        // What a part lacks counts as the last of all.
        std::fill(best + found, best + k_, Item<K>{~K(0), std::numeric_limits<uint32_t>::max()});
      });
      Item<K>* const merged = workspace + room_ * threads;
      std::nth_element(merged, merged + (k_ - 1), merged + k_ * threads);
      write(launch, i, merged, k_);
    }
    return CT_OK;
  }

 private:
  int64_t lines() const { return outer_ * inner_; }
  const T* line(const Launch& launch, int64_t i) const {
    return static_cast<const T*>(launch.in[0]) + i / inner_ * size_ * inner_ + i % inner_;
  }

  // The best k (or all) of [begin, end) of line i, in no order. Returns how many.
  int64_t collect(const Launch& launch, int64_t i, Item<K>* items, int64_t begin, int64_t end) const {
    const T* const x = line(launch, i);
    int64_t count = 0;
    bool full = false;
    K last = 0;  // key of the last of the best k, once there are k: later elements must come before it
    for (int64_t at = begin; at < end; ++at) {
      const K key = key_of<T, descending>(x[at * inner_]);
      if (full && key >= last) continue;
      items[count++] = {key, static_cast<uint32_t>(at)};
      if (count < room_ || count <= k_) continue;
      std::nth_element(items, items + (k_ - 1), items + count);
      count = k_;
      full = true;
      last = items[k_ - 1].key;
    }
    if (count > k_) {
      std::nth_element(items, items + (k_ - 1), items + count);
      count = k_;
    }
    return count;
  }

  void write(const Launch& launch, int64_t i, Item<K>* items, int64_t count) const {
    std::sort(items, items + count);
    const T* const x = line(launch, i);
    const int64_t at = i / inner_ * k_ * inner_ + i % inner_;
    T* const sorted = static_cast<T*>(launch.out[0]) + at;
    int32_t* const places = static_cast<int32_t*>(launch.out[1]) + at;
    for (int64_t j = 0; j < count; ++j) {
      sorted[j * inner_] = x[static_cast<int64_t>(items[j].place) * inner_];
      places[j * inner_] = static_cast<int32_t>(items[j].place);
    }
  }

  int64_t outer_, size_, inner_, k_;
  int64_t room_;  // candidates that are collected before a selection
};

template <class T>
std::unique_ptr<Kernel> make(const OpDesc& desc, const SortParameters& sort) {
  if (sort.descending) return std::make_unique<TopKKernel<T, true>>(desc, sort);
  return std::make_unique<TopKKernel<T, false>>(desc, sort);
}

}  // namespace

std::unique_ptr<Kernel> prepare_top_k(const OpDesc& desc) {
  const SortParameters sort = SortParameters::of_top_k(desc);
  switch (sort.dtype) {
    case CT_FLOAT32:
      return make<float>(desc, sort);
    case CT_FLOAT64:
      return make<double>(desc, sort);
    case CT_INT32:
      return make<int32_t>(desc, sort);
    case CT_UINT32:
      return make<uint32_t>(desc, sort);
  }
  return make<uint8_t>(desc, sort);
}

}  // namespace cotangent::cpu
