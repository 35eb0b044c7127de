// reduceSum, reduceProd, reduceMax and reduceMin over any axes.
//
// The dims are merged into alternating groups of kept and reduced ones; each reduced group, innermost first, is one
// stage [outer, size, inner] -> [outer, inner]. Long stages are cut into chunks of a length that depends on the shape
// alone, and the chunks' partial results are combined pairwise: the bits do not depend on the number of threads, and
// the error of a float sum is at most (20 + log2(chunks)) eps sum|x| a stage (float32: 20 eps, its partial results
// being double).
#include <algorithm>

#include "native/backend/cpu/check.h"
#include "native/kernels/movement/strided_copy.h"
#include "native/kernels/reduce/arg_reduce.h"
#include "native/kernels/reduce/reduce_loops.h"
#include "native/kernels/reduce/reduce_ops.h"

namespace cotangent::cpu {
namespace {

constexpr int64_t kRowChunk = 16384;     // elements
constexpr int64_t kColumnChunk = 32768;  // elements; at least 64 rows, so that partial results stay small
constexpr int64_t kGrain = 131072;       // elements worth a thread
constexpr int64_t kAlignment = 64;

int64_t aligned(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

struct Stage {
  int64_t outer, size, inner;
  int64_t chunk, chunks;  // of `size`

  static Stage make(int64_t outer, int64_t size, int64_t inner) {
    const int64_t width = std::min(std::max<int64_t>(inner, 1), kReduceWidth);
    const int64_t chunk = inner == 1 ? kRowChunk : std::max<int64_t>(64, kColumnChunk / width);
    return {outer, size, inner, chunk, std::max<int64_t>(1, (size + chunk - 1) / chunk)};
  }

  int64_t results() const { return outer * inner; }
};

std::vector<Stage> make_stages(const ct_type& in, unsigned reduced) {
  struct Group {
    int64_t size;
    bool reduced;
  };
  std::vector<Group> groups;
  for (int32_t i = 0; i < in.rank; ++i) {
    if (in.dims[i] == 1) continue;
    const bool is_reduced = reduced >> i & 1;
    if (!groups.empty() && groups.back().reduced == is_reduced) {
      groups.back().size *= in.dims[i];
    } else {
      groups.push_back({in.dims[i], is_reduced});
    }
  }
  std::vector<Stage> stages;
  int64_t inner = 1;
  for (size_t g = groups.size(); g-- > 0;) {
    if (!groups[g].reduced) {
      inner *= groups[g].size;
      continue;
    }
    int64_t outer = 1;
    for (size_t k = 0; k < g; ++k) outer *= groups[k].size;
    stages.push_back(Stage::make(outer, groups[g].size, inner));
  }
  return stages;
}

template <template <class> class Op, class T>
class ReduceKernel : public Kernel {
  using Partial = typename Op<T>::Partial;

 public:
  ReduceKernel(const OpDesc& desc, std::vector<Stage> stages, ReduceLoops loops)
      : stages_(std::move(stages)), loops_(loops), bytes_(byte_count(desc.out(0))) {
    estimated_ns = estimate_ns(traffic(desc));
    for (size_t s = 0; s < stages_.size(); ++s) {
      offsets_.push_back(workspace_);
      if (s + 1 < stages_.size()) workspace_ += aligned(stages_[s].results() * static_cast<int64_t>(sizeof(T)));
    }
    partials_ = workspace_;
    int64_t most = 0;
    for (const Stage& stage : stages_) {
      if (stage.chunks > 1) most = std::max(most, stage.results() * stage.chunks);
    }
    workspace_ += most * static_cast<int64_t>(sizeof(Partial));
  }

  uint64_t workspace_bytes(int) const override { return static_cast<uint64_t>(workspace_); }

  ct_code run(const Launch& launch, ct_error*) const override {
    if (stages_.empty()) copy_bytes(launch.parallel, launch.out[0], launch.in[0], bytes_);
    const T* from = static_cast<const T*>(launch.in[0]);
    for (size_t s = 0; s < stages_.size(); ++s) {
      const bool last = s + 1 == stages_.size();
      T* const to = last ? static_cast<T*>(launch.out[0]) : at<T>(launch.workspace, offsets_[s]);
      if (stages_[s].chunks > 1) {
        run_chunks(launch.parallel, stages_[s], from, at<Partial>(launch.workspace, partials_), to);
      } else {
        run_whole(launch.parallel, stages_[s], from, to);
      }
      from = to;
    }
    return CT_OK;
  }

 private:
  template <class U>
  static U* at(void* workspace, int64_t offset) {
    return reinterpret_cast<U*>(static_cast<char*>(workspace) + offset);
  }

  static void store(T* to, const Partial* from, int64_t count) {
    for (int64_t i = 0; i < count; ++i) to[i] = static_cast<T>(from[i]);
  }

  // One chunk a result: partial results need no memory of their own.
  void run_whole(Parallel& parallel, const Stage& stage, const T* from, T* to) const {
    if (stage.inner == 1) {
      parallel.range(stage.outer, kGrain / std::max<int64_t>(1, stage.size), 1, [&](int64_t begin, int64_t end) {
        Partial partial[kReduceWidth];
        for (int64_t row = begin; row < end; row += kReduceWidth) {
          const int64_t count = std::min(kReduceWidth, end - row);
          loops_.rows(from + row * stage.size, count, stage.size, partial);
          store(to + row, partial, count);
        }
      });
      return;
    }
    const int64_t tiles = (stage.inner + kReduceWidth - 1) / kReduceWidth;
    const int64_t item = std::max<int64_t>(1, stage.size * std::min(stage.inner, kReduceWidth));
    parallel.range(stage.outer * tiles, kGrain / item, 1, [&](int64_t begin, int64_t end) {
      Partial partial[kReduceWidth];
      for (int64_t i = begin; i < end; ++i) {
        const int64_t outer = i / tiles, column = i % tiles * kReduceWidth;
        const int64_t width = std::min(kReduceWidth, stage.inner - column);
        loops_.columns(from + outer * stage.size * stage.inner + column, stage.size, stage.inner, width, partial);
        store(to + outer * stage.inner + column, partial, width);
      }
    });
  }

  // Partial results [outer, chunks, inner], then a tree over the chunks.
  void run_chunks(Parallel& parallel, const Stage& stage, const T* from, Partial* partials, T* to) const {
    const int64_t tiles = (stage.inner + kReduceWidth - 1) / kReduceWidth;
    parallel.range(stage.outer * stage.chunks * tiles, 6, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t column = i % tiles * kReduceWidth, piece = i / tiles;
        const int64_t outer = piece / stage.chunks, first = piece % stage.chunks * stage.chunk;
        const int64_t rows = std::min(stage.chunk, stage.size - first);
        const T* const x = from + (outer * stage.size + first) * stage.inner + column;
        Partial* const partial = partials + piece * stage.inner + column;
        if (stage.inner == 1) {
          loops_.rows(x, 1, rows, partial);
        } else {
          loops_.columns(x, rows, stage.inner, std::min(kReduceWidth, stage.inner - column), partial);
        }
      }
    });
    const int64_t tree_size = std::max<int64_t>(1, stage.chunks * std::min(stage.inner, kReduceWidth));
    parallel.range(stage.outer * tiles, kGrain / tree_size, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t outer = i / tiles, column = i % tiles * kReduceWidth;
        const int64_t width = std::min(kReduceWidth, stage.inner - column);
        Partial* const tree = partials + outer * stage.chunks * stage.inner + column;
        combine(tree, stage.chunks, stage.inner, width);
        store(to + outer * stage.inner + column, tree, width);
      }
    });
  }

  // Leaves the pairwise combination of `count` rows in the first.
  static void combine(Partial* rows, int64_t count, int64_t stride, int64_t width) {
    for (int64_t step = 1; step < count; step *= 2) {
      for (int64_t r = 0; r + step < count; r += 2 * step) {
        Partial* const a = rows + r * stride;
        const Partial* const b = a + step * stride;
        for (int64_t w = 0; w < width; ++w) a[w] = Op<Partial>::of(a[w], b[w]);
      }
    }
  }

  std::vector<Stage> stages_;
  ReduceLoops loops_;
  int64_t bytes_, workspace_ = 0, partials_ = 0;
  std::vector<int64_t> offsets_;  // of the stages' results in the workspace
};

unsigned reduced_axes(const OpDesc& desc) {
  const ct_type& in = desc.in(0);
  unsigned reduced = 0;
  int64_t previous = -1;
  for (int k = 0; k < desc.param_count(); ++k) {
    previous = integer_in(desc, k, previous + 1, in.rank - 1, "ascending axes");
    reduced |= 1u << previous;
  }
  std::vector<int64_t> wanted;
  for (int32_t i = 0; i < in.rank; ++i) {
    if (!(reduced >> i & 1)) wanted.push_back(in.dims[i]);
  }
  expect_type(desc.out(0), in.dtype, wanted, "the result");
  return reduced;
}

template <template <class> class Op, Reduction reduction, bool arithmetic>
std::unique_ptr<Kernel> prepare_reduce(const OpDesc& desc) {
  desc.expect_operands(1, 1);
  const int32_t dtype = desc.in(0).dtype;
  if (arithmetic) {
    expect_dtype(desc.in(0), {CT_FLOAT32, CT_FLOAT64, CT_INT32, CT_UINT32}, "an operand");
  }
  std::vector<Stage> stages = make_stages(desc.in(0), reduced_axes(desc));
  const ReduceLoops loops = COTANGENT_SIMD_DISPATCH(reduce_loops)(reduction, dtype);
  switch (dtype) {
    case CT_FLOAT32:
      return std::make_unique<ReduceKernel<Op, float>>(desc, std::move(stages), loops);
    case CT_FLOAT64:
      return std::make_unique<ReduceKernel<Op, double>>(desc, std::move(stages), loops);
    case CT_INT32:
      if (!arithmetic) return std::make_unique<ReduceKernel<Op, int32_t>>(desc, std::move(stages), loops);
      break;
    case CT_BOOL:
      return std::make_unique<ReduceKernel<Op, uint8_t>>(desc, std::move(stages), loops);
  }
  return std::make_unique<ReduceKernel<Op, uint32_t>>(desc, std::move(stages), loops);
}

}  // namespace

void register_reduce(Registry& registry) {
  registry.add("reduceSum", prepare_reduce<SumOf, Reduction::kSum, true>);
  registry.add("reduceProd", prepare_reduce<ProductOf, Reduction::kProduct, true>);
  registry.add("reduceMax", prepare_reduce<MaxOf, Reduction::kMax, false>);
  registry.add("reduceMin", prepare_reduce<MinOf, Reduction::kMin, false>);
  registry.add("argMax", prepare_arg_max);
  registry.add("argMin", prepare_arg_min);
}

}  // namespace cotangent::cpu
