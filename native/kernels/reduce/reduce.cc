// reduceSum, reduceProd, reduceMax and reduceMin over any axes.
//
// Long stages are cut into chunks of a length that depends on the shape
// alone, and the chunks' partial results are combined pairwise: the bits do not depend on the number of threads, and
// the error of a float sum is at most (20 + log2(chunks)) eps sum|x| a stage (float32: 20 eps, its partial results
// being double).
#include <algorithm>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/movement/strided_copy.h"
#include "native/kernels/reduce/arg_reduce.h"
#include "native/kernels/reduce/parameters.h"
#include "native/kernels/reduce/reducer.h"

namespace cotangent::cpu {
namespace {

constexpr int64_t kGrain = 131072;  // elements worth a thread
constexpr int64_t kAlignment = 64;

class ReduceKernel : public Kernel {
 public:
  ReduceKernel(const OpDesc& desc, const std::vector<ReduceShape>& stages, const Reducer& reducer)
      : reducer_(reducer), bytes_(byte_count(desc.out(0))) {
    for (const auto& [outer, size, inner] : stages) stages_.push_back(ReduceStage::make(outer, size, inner));
    estimated_ns = estimate_ns(traffic(desc));
    for (size_t s = 0; s < stages_.size(); ++s) {
      offsets_.push_back(workspace_);
      if (s + 1 < stages_.size()) workspace_ += aligned_bytes(stages_[s].results() * reducer_.element_bytes);
    }
    partials_ = workspace_;
    int64_t most = 0;
    for (const ReduceStage& stage : stages_) {
      if (stage.chunks > 1) most = std::max(most, stage.results() * stage.chunks);
    }
    workspace_ += most * reducer_.partial_bytes;
  }

  uint64_t workspace_bytes(int) const override { return static_cast<uint64_t>(workspace_); }

  ct_code run(const Launch& launch, ct_error*) const override {
    if (stages_.empty()) copy_bytes(launch.parallel, launch.out[0], launch.in[0], bytes_);
    const char* from = static_cast<const char*>(launch.in[0]);
    char* const workspace = static_cast<char*>(launch.workspace);
    for (size_t s = 0; s < stages_.size(); ++s) {
      const bool last = s + 1 == stages_.size();
      char* const to = last ? static_cast<char*>(launch.out[0]) : workspace + offsets_[s];
      if (stages_[s].chunks > 1) {
        run_chunks(launch.parallel, stages_[s], from, workspace + partials_, to);
      } else {
        run_whole(launch.parallel, stages_[s], from, to);
      }
      from = to;
    }
    return CT_OK;
  }

 private:
  // One chunk a result: partial results need no memory of their own.
  void run_whole(Parallel& parallel, const ReduceStage& stage, const char* from, char* to) const {
    const int64_t bytes = reducer_.element_bytes;
    if (stage.inner == 1) {
      parallel.range(stage.outer, kGrain / std::max<int64_t>(1, stage.size), 1, [&](int64_t begin, int64_t end) {
        alignas(kAlignment) char partial[kReduceWidth * kMostPartialBytes];
        for (int64_t row = begin; row < end; row += kReduceWidth) {
          const int64_t count = std::min(kReduceWidth, end - row);
          reducer_.loops.rows(from + row * stage.size * bytes, count, stage.size, partial);
          reducer_.store(to + row * bytes, partial, count);
        }
      });
      return;
    }
    const int64_t tiles = stage.tiles();
    const int64_t item = std::max<int64_t>(1, stage.size * std::min(stage.inner, kReduceWidth));
    parallel.range(stage.outer * tiles, kGrain / item, 1, [&](int64_t begin, int64_t end) {
      alignas(kAlignment) char partial[kReduceWidth * kMostPartialBytes];
      for (int64_t i = begin; i < end; ++i) {
        const int64_t outer = i / tiles, column = i % tiles * kReduceWidth;
        const int64_t width = std::min(kReduceWidth, stage.inner - column);
        const char* const x = from + (outer * stage.size * stage.inner + column) * bytes;
        reducer_.loops.columns(x, stage.size, stage.inner, width, partial);
        reducer_.store(to + (outer * stage.inner + column) * bytes, partial, width);
      }
    });
  }

  // Partial results [outer, chunks, inner], then a tree over the chunks.
  void run_chunks(Parallel& parallel, const ReduceStage& stage, const char* from, char* partials, char* to) const {
    const int64_t tiles = stage.tiles();
    parallel.range(stage.outer * stage.chunks * tiles, 6, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t column = i % tiles * kReduceWidth, piece = i / tiles;
        const int64_t outer = piece / stage.chunks, first = piece % stage.chunks * stage.chunk;
        const int64_t rows = std::min(stage.chunk, stage.size - first);
        const char* const x = from + ((outer * stage.size + first) * stage.inner + column) * reducer_.element_bytes;
        char* const partial = partials + (piece * stage.inner + column) * reducer_.partial_bytes;
        if (stage.inner == 1) {
          reducer_.loops.rows(x, 1, rows, partial);
        } else {
          reducer_.loops.columns(x, rows, stage.inner, std::min(kReduceWidth, stage.inner - column), partial);
        }
      }
    });
    const int64_t tree_size = std::max<int64_t>(1, stage.chunks * std::min(stage.inner, kReduceWidth));
    parallel.range(stage.outer * tiles, kGrain / tree_size, 1,
                   [&](int64_t begin, int64_t end) { combine_chunks(reducer_, stage, begin, end, partials, to); });
  }

  std::vector<ReduceStage> stages_;
  Reducer reducer_;
  int64_t bytes_, workspace_ = 0, partials_ = 0;
  std::vector<int64_t> offsets_;  // of the stages' results in the workspace
};

template <Reduction reduction>
std::unique_ptr<Kernel> prepare_reduce(const OpDesc& desc) {
  constexpr bool kArithmetic = reduction == Reduction::kSum || reduction == Reduction::kProduct;
  const ReduceParameters reduce(desc, kArithmetic);
  return std::make_unique<ReduceKernel>(desc, reduce.stages, make_reducer(reduction, reduce.dtype));
}

}  // namespace

void register_reduce(Registry& registry) {
  registry.add("reduceSum", prepare_reduce<Reduction::kSum>);
  registry.add("reduceProd", prepare_reduce<Reduction::kProduct>);
  registry.add("reduceMax", prepare_reduce<Reduction::kMax>);
  registry.add("reduceMin", prepare_reduce<Reduction::kMin>);
  registry.add("argMax", prepare_arg_max);
  registry.add("argMin", prepare_arg_min);
}

}  // namespace cotangent::cpu
