// sort: x -> sorted, places along one axis, stable. Short lines are sorted by comparison, longer ones by radix; lines
// are shared out over the threads when there are enough, else all threads sort one line after the other. The order is
// total, so the bits depend on nothing else. Workspace: two copies of the keys and places of a line (per thread).
#include "native/kernels/sort/sort.h"

#include <algorithm>
#include <limits>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/sort/parameters.h"
#include "native/kernels/sort/radix.h"

namespace cotangent::cpu {
namespace {

constexpr int64_t kShort = 384;       // elements: from here on counting digits pays
constexpr int64_t kShared = 1 << 15;  // elements that several threads sort faster than one
constexpr int64_t kGrain = 4096;      // elements worth a thread

template <class T, bool descending>
class SortKernel : public Kernel {
  using K = Key<T>;
  using Radix = RadixSort<T, descending>;

 public:
  SortKernel(const OpDesc& desc, const SortParameters& sort)
      : outer_(sort.outer), size_(sort.size), inner_(sort.inner) {
    const double passes = size_ < kShort ? 4 : Radix::kPasses + 1;
    estimated_ns = estimate_ns(0) + 4 * passes * static_cast<double>(element_count(desc.in(0)));
  }

  uint64_t workspace_bytes(int threads) const override {
    return static_cast<uint64_t>(shared(threads) ? Radix::bytes(size_, threads) : line_bytes() * threads);
  }

  int pieces(int threads) const override {
    return shared(threads) ? static_cast<int>(lines() * kSteps) : pieces_by_time(threads, lines());
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    const int threads = launch.parallel.threads();
    if (lines() * size_ == 0) return CT_OK;
    if (shared(threads)) {
      Radix radix(line(launch, launch.piece / kSteps), threads, launch.workspace);
      const auto all = [&](auto&& f) { launch.parallel.parts(threads, [&](int part) { f(part); }); };
      const int step = launch.piece % kSteps;
      if (step == 0) {
        radix.count(all);
      } else if (step <= Radix::kPasses) {
        radix.pass(step - 1, all);
      } else {
        radix.finish(all);
      }
      return CT_OK;
    }
    const Piece piece(lines(), launch.piece, pieces(threads));
    const int64_t wanted = std::max<int64_t>(1, piece.length() * size_ / kGrain);
    const int parts = static_cast<int>(std::min<int64_t>({threads, wanted, piece.length()}));
    launch.parallel.parts(parts, [&](int part) {
      char* const workspace = static_cast<char*>(launch.workspace) + part * line_bytes();
      const Piece mine(piece.length(), part, parts);
      for (int64_t i = piece.begin + mine.begin; i < piece.begin + mine.end; ++i) {
        if (size_ < kShort) {
          sort_short(line(launch, i), reinterpret_cast<Item<K>*>(workspace));
        } else {
          Radix(line(launch, i), 1, workspace).sort([](auto&& f) { f(0); });
        }
      }
    });
    return CT_OK;
  }

 private:
  static constexpr int kSteps = Radix::kPasses + 2;  // of a line that all threads sort: a piece each

  int64_t lines() const { return outer_ * inner_; }
  bool shared(int threads) const { return threads > 1 && lines() > 0 && lines() < threads && size_ >= kShared; }
  int64_t line_bytes() const {
    const int64_t bytes = size_ < kShort ? size_ * static_cast<int64_t>(sizeof(Item<K>)) : Radix::bytes(size_, 1);
    return (bytes + 63) / 64 * 64;
  }

  Line<T> line(const Launch& launch, int64_t i) const {
    const int64_t at = i / inner_ * size_ * inner_ + i % inner_;
    return {static_cast<const T*>(launch.in[0]) + at, static_cast<T*>(launch.out[0]) + at,
            static_cast<int32_t*>(launch.out[1]) + at, size_, inner_};
  }

  static void sort_short(const Line<T>& line, Item<K>* items) {
    for (int64_t i = 0; i < line.size; ++i) {
      items[i] = {key_of<T, descending>(line.x[i * line.stride]), static_cast<uint32_t>(i)};
    }
    std::sort(items, items + line.size);
    for (int64_t i = 0; i < line.size; ++i) {
      line.sorted[i * line.stride] = line.x[static_cast<int64_t>(items[i].place) * line.stride];
      line.places[i * line.stride] = static_cast<int32_t>(items[i].place);
    }
  }

  int64_t outer_, size_, inner_;
};

template <class T>
std::unique_ptr<Kernel> make(const OpDesc& desc, const SortParameters& sort) {
  if (sort.descending) return std::make_unique<SortKernel<T, true>>(desc, sort);
  return std::make_unique<SortKernel<T, false>>(desc, sort);
}

}  // namespace

std::unique_ptr<Kernel> prepare_sort(const OpDesc& desc) {
  const SortParameters sort = SortParameters::of_sort(desc);
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

void register_sort(Registry& registry) {
  registry.add("sort", prepare_sort);
  registry.add("topK", prepare_top_k);
  registry.add("searchSorted", prepare_search_sorted);
}

}  // namespace cotangent::cpu
