// chainReduce: a chain, some of whose values are reduced as they are computed instead of being written to memory.
//
// Every reduction is seen as [outer, size, inner] -> [outer, inner]. Blocks of elements that stay in a core's cache are
// computed first and reduced then, by the loops of the kernels reduceSum, .. and over the same chunks of the same
// length: the bits are those of the chain followed by these kernels. Values that are results, too, are reduced where
// they were written; the others go to a thread's part of the workspace.
#include <algorithm>
#include <vector>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/elementwise/chain.h"
#include "native/kernels/elementwise/chain_evaluator.h"
#include "native/kernels/elementwise/reduced_chain.h"
#include "native/kernels/reduce/reducer.h"

namespace cotangent::cpu {
namespace {

constexpr int64_t kCacheBytes = int64_t{1} << 20;  // operands beyond are not found in the caches of a core
constexpr int64_t kBlock = 8192;  // elements of short entries that are taken together: measured best, with 16,384
constexpr int64_t kCombineGrain = 131072;  // partial results worth a thread

ChainEvaluator make_evaluator(const ReducedChain& inner) {
  const ct_op_desc desc = inner.describe();
  return ChainEvaluator(OpDesc(desc));
}

class ChainReduceKernel : public Kernel {
 public:
  ChainReduceKernel(const OpDesc& desc, const ReducedChain& inner)
      : chain_(make_evaluator(inner)),
        stage_(ReduceStage::make(inner.outer(), inner.size(), inner.inner())),
        full_count_(inner.full_count),
        value_count_(static_cast<int>(inner.out.size())),
        source_(inner.source) {
    for (size_t r = 0; r < source_.size(); ++r) {
      reducers_.push_back(make_reducer(inner.reductions[r], inner.out[source_[r]].dtype));
    }
    constexpr double kReduceNs = 0.05;  // an element, from the cache
    element_ns_ = chain_.element_ns() + kReduceNs * static_cast<double>(source_.size());
    estimated_ns = 100 + element_ns_ * static_cast<double>(chain_.count());
    const ct_op_desc chain = inner.describe();
    for (int j = 0; j < full_count_; ++j) in_place[j] = chain_.in_place(OpDesc(chain), j);
    fetches_ahead_ = chain_.count() * static_cast<int64_t>(sizeof(float)) > kCacheBytes;
    cut();
    lay_out_workspace(desc);
  }

  uint64_t workspace_bytes(int threads) const override {
    return static_cast<uint64_t>(threads_at_ + thread_bytes_ * threads);
  }
  int pieces(int threads) const override { return pieces_by_time(threads, items_ / (4 * int64_t{threads})); }

  ct_code run(const Launch& launch, ct_error* error) const override;

 private:
  class Worker;

  // An item is what is computed before it is reduced: several short outer entries, or one chunk (and, of wide ones, one
  // tile of columns).
  void cut() {
    const int64_t entry = stage_.size * stage_.inner;
    if (stage_.chunks == 1 && stage_.tiles() <= 1) {
      const int64_t widest = stage_.inner == 1 ? kReduceWidth : int64_t{1} << 30;
      group_ = std::clamp<int64_t>(kBlock / std::max<int64_t>(1, entry), 1, widest);
      group_ = std::min(group_, std::max<int64_t>(1, stage_.outer));
      items_ = (stage_.outer + group_ - 1) / group_;
      item_elements_ = group_ * entry;
    } else {
      items_ = stage_.outer * stage_.chunks * stage_.tiles();
      item_elements_ = std::min(stage_.chunk, stage_.size) * std::min(stage_.inner, kReduceWidth);
    }
  }

  void lay_out_workspace(const OpDesc& desc) {
    int64_t at = 0;
    for (const Reducer& reducer : reducers_) {
      partials_at_.push_back(at);
      if (stage_.chunks > 1) at += aligned_bytes(stage_.results() * stage_.chunks * reducer.partial_bytes);
    }
    threads_at_ = at;
    int64_t bytes =
        aligned_bytes(chain_.thread_bytes()) + aligned_bytes(static_cast<int64_t>(sizeof(void*)) * desc.out_count());
    partial_at_ = bytes;
    bytes += kReduceWidth * kMostPartialBytes;
    for (int j = full_count_; j < value_count_; ++j) {
      scratch_at_.push_back(bytes);
      // Columns beside each other lie kReduceWidth apart, whatever the width of the tile.
      bytes += aligned_bytes(item_elements_ * chain_.out_bytes(j));
    }
    thread_bytes_ = (bytes + 4095) / 4096 * 4096;  // no two threads on one page
  }

  ChainEvaluator chain_;
  ReduceStage stage_;
  int full_count_, value_count_;  // results of the chain, and how many of them are results of the equation
  std::vector<int> source_;       // by reduction
  std::vector<Reducer> reducers_;
  double element_ns_ = 0;
  bool fetches_ahead_ = false;
  int64_t group_ = 0;  // outer entries of an item; 0: an item is part of an entry
  int64_t items_ = 0, item_elements_ = 0;

  std::vector<int64_t> partials_at_;  // by reduction, in the workspace
  int64_t threads_at_ = 0, thread_bytes_ = 0;
  int64_t partial_at_ = 0;           // in a thread's part
  std::vector<int64_t> scratch_at_;  // by value that is no result of the equation
};

// One thread's walk over items.
class ChainReduceKernel::Worker {
 public:
  Worker(const ChainReduceKernel& kernel, const Launch& launch, int part)
      : kernel_(kernel),
        stage_(kernel.stage_),
        launch_(launch),
        workspace_(static_cast<char*>(launch.workspace)),
        memory_(workspace_ + kernel.threads_at_ + kernel.thread_bytes_ * part),
        out_(reinterpret_cast<void**>(memory_ + aligned_bytes(kernel.chain_.thread_bytes()))),
        walker_(kernel.chain_, launch.in, out_, memory_, false) {
    std::copy_n(launch.out, kernel.full_count_, out_);
    if (kernel.fetches_ahead_) walker_.fetch_ahead();
  }

  void run(int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      if (kernel_.group_ > 0) {
        entries(item * kernel_.group_, std::min(stage_.outer, (item + 1) * kernel_.group_));
      } else {
        chunk(item);
      }
    }
  }

 private:
  // Elements [at, at + count) of the chain, those of values without memory from `place` of their scratch on.
  void evaluate(int64_t at, int64_t count, int64_t place) {
    for (int j = kernel_.full_count_; j < kernel_.value_count_; ++j) {
      const uintptr_t scratch = reinterpret_cast<uintptr_t>(this->scratch(j));
      const int64_t offset = (place - at) * kernel_.chain_.out_bytes(j);
      out_[j] = reinterpret_cast<void*>(scratch + static_cast<uintptr_t>(offset));
    }
    walker_.run(at, at + count);
  }

  char* scratch(int j) const { return memory_ + kernel_.scratch_at_[j - kernel_.full_count_]; }

  // Where element `at` of reduction r's operand is; `place` is where it is in scratch.
  const char* values(size_t r, int64_t at, int64_t place) const {
    const int j = kernel_.source_[r];
    const int64_t bytes = kernel_.chain_.out_bytes(j);
    return j < kernel_.full_count_ ? static_cast<const char*>(launch_.out[j]) + at * bytes : scratch(j) + place * bytes;
  }

  char* result(size_t r, int64_t element) const {
    return static_cast<char*>(launch_.out[kernel_.full_count_ + static_cast<int>(r)]) +
           element * kernel_.reducers_[r].element_bytes;
  }

  // Whole outer entries, which lie one behind the other.
  void entries(int64_t begin, int64_t end) {
    const int64_t entry = stage_.size * stage_.inner, at = begin * entry;
    if (entry > 0) evaluate(at, (end - begin) * entry, 0);
    void* const partial = memory_ + kernel_.partial_at_;
    for (size_t r = 0; r < kernel_.source_.size(); ++r) {
      const Reducer& reducer = kernel_.reducers_[r];
      const char* const x = values(r, at, 0);
      if (stage_.inner == 1) {
        reducer.loops.rows(x, end - begin, stage_.size, partial);
        reducer.store(result(r, begin), partial, end - begin);
        continue;
      }
      for (int64_t i = begin; i < end; ++i) {
        reducer.loops.columns(x + (i - begin) * entry * reducer.element_bytes, stage_.size, stage_.inner, stage_.inner,
                              partial);
        reducer.store(result(r, i * stage_.inner), partial, stage_.inner);
      }
    }
  }

  // One chunk of one tile of columns.
  void chunk(int64_t item) {
    const int64_t tiles = stage_.tiles();
    const int64_t column = item % tiles * kReduceWidth, piece = item / tiles;
    const int64_t outer = piece / stage_.chunks, first = piece % stage_.chunks * stage_.chunk;
    const int64_t rows = std::min(stage_.chunk, stage_.size - first);
    const int64_t width = std::min(kReduceWidth, stage_.inner - column);
    const int64_t at = (outer * stage_.size + first) * stage_.inner + column;
    if (tiles == 1) {
      evaluate(at, rows * stage_.inner, 0);
    } else {
      for (int64_t r = 0; r < rows; ++r) evaluate(at + r * stage_.inner, width, r * kReduceWidth);
    }
    for (size_t r = 0; r < kernel_.source_.size(); ++r) {
      const Reducer& reducer = kernel_.reducers_[r];
      const bool in_scratch = kernel_.source_[r] >= kernel_.full_count_;
      const int64_t stride = in_scratch && tiles > 1 ? kReduceWidth : stage_.inner;
      char* const partial = stage_.chunks > 1 ? workspace_ + kernel_.partials_at_[r] +
                                                    (piece * stage_.inner + column) * reducer.partial_bytes
                                              : memory_ + kernel_.partial_at_;
      if (stage_.inner == 1) {
        reducer.loops.rows(values(r, at, 0), 1, rows, partial);
      } else {
        reducer.loops.columns(values(r, at, 0), rows, stride, width, partial);
      }
      if (stage_.chunks == 1) reducer.store(result(r, outer * stage_.inner + column), partial, width);
    }
  }

  const ChainReduceKernel& kernel_;
  const ReduceStage& stage_;
  const Launch& launch_;
  char* const workspace_;
  char* const memory_;
  void** const out_;  // where the chain's results go
  ChainEvaluator::Walker walker_;
};

ct_code ChainReduceKernel::run(const Launch& launch, ct_error*) const {
  if (stage_.results() == 0) return CT_OK;
  const int threads = launch.parallel.threads(), pieces = this->pieces(threads);
  const Piece piece(items_, launch.piece, pieces);
  const int64_t grain = std::max<int64_t>(1, chain_.grain() / std::max<int64_t>(1, item_elements_));
  const int64_t wanted = std::max<int64_t>(1, piece.length() / grain);
  const int parts = static_cast<int>(std::min<int64_t>(threads, wanted));
  launch.parallel.parts(parts, [&](int part) {
    const int64_t begin = piece.begin + piece.length() * part / parts;
    const int64_t end = piece.begin + piece.length() * (part + 1) / parts;
    if (begin < end) Worker(*this, launch, part).run(begin, end);
  });
  if (stage_.chunks == 1 || launch.piece + 1 < pieces) return CT_OK;
  char* const workspace = static_cast<char*>(launch.workspace);
  const int64_t tree = stage_.chunks * std::min(stage_.inner, kReduceWidth);
  launch.parallel.range(stage_.outer * stage_.tiles(), kCombineGrain / tree, 1, [&](int64_t begin, int64_t end) {
    for (size_t r = 0; r < source_.size(); ++r) {
      combine_chunks(reducers_[r], stage_, begin, end, workspace + partials_at_[r],
                     launch.out[full_count_ + static_cast<int>(r)]);
    }
  });
  return CT_OK;
}

}  // namespace

std::unique_ptr<Kernel> prepare_chain_reduce(const OpDesc& desc) {
  return std::make_unique<ChainReduceKernel>(desc, ReducedChain(desc));
}

}  // namespace cotangent::cpu
