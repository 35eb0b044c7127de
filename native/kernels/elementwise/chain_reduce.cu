// chainReduce on a GPU: the kernels are in chain_reduction.h; here is how work is cut.
#include <algorithm>

#include "native/backend/cuda/workspace.h"
#include "native/kernels/elementwise/chain_reduction.h"
#include "native/kernels/elementwise/elementwise_cuda.h"
#include "native/kernels/elementwise/prepared_chain.h"
#include "native/kernels/elementwise/reduced_chain.h"

namespace cotangent::cuda {
namespace {

constexpr int64_t kCellShare = kChainSharedBytes / 2;
constexpr int64_t kShortestChunk = 4096;  // elements
constexpr int64_t kMostChunks = 1024;

ChainReduceFunctions functions(Lane lane, bool costly) {
  switch (lane) {
    case kLaneFloat32:
      return float_chain_reduce(costly);
    case kLaneFloat64:
      return double_chain_reduce(costly);
    case kLaneInt32:
      return int_chain_reduce();
    default:
      return uint_chain_reduce();
  }
}

int64_t ceiling(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t lane_width(const ReducedChain& reduced) {
  for (const ct_type& type : reduced.in) {
    if (type.dtype == CT_FLOAT64) return kVectorBytes / 8;
  }
  return kVectorBytes / 4;
}

// Whether every row begins at a multiple of a vector.
bool whole_vectors(const ReducedChain& reduced) {
  const int64_t row = reduced.inner() == 1 ? reduced.size() : reduced.inner();
  return row % lane_width(reduced) == 0;
}

PreparedChain prepare(const ReducedChain& reduced, Device& device) {
  const ct_op_desc desc = reduced.describe();
  return PreparedChain(OpDesc(desc), device, whole_vectors(reduced));
}

class ChainReduceKernel : public Kernel {
 public:
  ChainReduceKernel(const OpDesc& desc, const ReducedChain& reduced, Device& device)
      : chain_(prepare(reduced, device)), functions_(functions(chain_.program().lane, chain_.code().costly)) {
    cut(reduced);
    const int64_t each = reduction_.columns ? kVectors * chain_.width() : 1;
    const int64_t cells = reduction_.count * each * kChainBlock * static_cast<int64_t>(sizeof(ReductionCell));
    const bool near_cells = cells <= kCellShare;
    const int64_t slots = chain_.code().slot_count, slot_bytes = PreparedChain::kSlotBytes * kChainBlock;
    shared_slots_ = std::min(slots, (kChainSharedBytes - (near_cells ? cells : 0)) / slot_bytes);
    shared_bytes_ = static_cast<size_t>((near_cells ? cells : 0) + shared_slots_ * slot_bytes);
    blocks_ = device.grid(functions_.reduce, reduction_.items * kChainBlock, kChainBlock, shared_bytes_);
    slots_at_ = room_.take<char>((slots - shared_slots_) * slot_bytes * blocks_);
    cells_at_ = room_.take<char>(near_cells ? 0 : cells * blocks_);
    has_far_cells_ = !near_cells;
    const int64_t partials = reduction_.chunks > 1 ? results() * reduction_.chunks * reduction_.count : 0;
    partials_at_ = room_.take<ReductionCell>(partials);
    estimated_ns = estimate_ns(traffic(desc), chain_.flops());
  }

  uint64_t workspace_bytes() const override { return room_.bytes(); }

  ct_code run(const Launch& to, ct_error* error) const override {
    if (results() == 0) return CT_OK;
    ChainArguments chain = chain_.arguments(to.in, to.out, reduction_.full_count);
    for (int r = 0; r < reduction_.count; ++r) {
      chain.out[reduction_.full_count + r] = to.out[reduction_.full_count + r];
    }
    chain.shared_slots = static_cast<int32_t>(shared_slots_);
    chain.far_slots = part<char>(to.workspace, slots_at_);
    ChainReduction reduction = reduction_;
    if (has_far_cells_) reduction.far_cells = part<ReductionCell>(to.workspace, cells_at_);
    reduction.partials = part<ReductionCell>(to.workspace, partials_at_);
    const ct_code code =
        check(launch(blocks_, kChainBlock, shared_bytes_, to.stream(), functions_.reduce, chain, reduction), error,
              "chainReduce");
    if (code != CT_OK || reduction.chunks == 1) return code;
    const unsigned blocks = to.device.grid(functions_.combine, results() * reduction.count * kWarp, kChainBlock);
    return check(launch(blocks, kChainBlock, 0, to.stream(), functions_.combine, chain, reduction), error,
                 "chainReduce");
  }

 private:
  int64_t results() const { return reduction_.outer * reduction_.inner; }

  // By the shape alone, so that no result depends on the device.
  void cut(const ReducedChain& reduced) {
    ChainReduction& cut = reduction_;
    cut.outer = reduced.outer();
    cut.size = reduced.size();
    cut.inner = reduced.inner();
    cut.full_count = reduced.full_count;
    cut.count = static_cast<int32_t>(reduced.reductions.size());
    for (int r = 0; r < cut.count; ++r) {
      const int source = reduced.source[static_cast<size_t>(r)];
      cut.what[r] = static_cast<uint8_t>(source | static_cast<int>(reduced.reductions[static_cast<size_t>(r)]) << 6);
      const bool is_bool = reduced.out[static_cast<size_t>(source)].dtype == CT_BOOL;
      cut.bools |= static_cast<uint64_t>(is_bool) << r;
    }
    cut.columns = cut.inner > 1;
    const int64_t elements = kVectors * chain_.width();  // of a thread
    const int64_t across = ceiling(cut.columns ? cut.inner : cut.size, elements);
    cut.team = 1;
    while (cut.team < static_cast<int32_t>(kChainBlock) && cut.team < across) cut.team *= 2;
    const int64_t tile = cut.team * elements;
    cut.tiles = cut.columns ? ceiling(cut.inner, tile) : 1;
    const int64_t row = cut.columns ? std::min(cut.inner, tile) : 1;  // elements that a step along the size takes
    const int64_t step = cut.columns ? kChainBlock / cut.team : tile;
    cut.chunk = std::max(ceiling(kShortestChunk, row), ceiling(cut.size, kMostChunks));
    cut.chunk = ceiling(cut.chunk, step) * step;
    cut.chunks = std::max<int64_t>(1, ceiling(cut.size, cut.chunk));
    cut.items = cut.columns ? cut.outer * cut.chunks * cut.tiles
                            : ceiling(cut.outer * cut.chunks, kChainBlock / static_cast<int64_t>(cut.team));
  }

  const PreparedChain chain_;
  const ChainReduceFunctions functions_;
  ChainReduction reduction_{};
  unsigned blocks_ = 1;
  int64_t shared_slots_ = 0;
  size_t shared_bytes_ = 0;
  bool has_far_cells_ = false;
  Room room_;
  int64_t slots_at_ = 0, cells_at_ = 0, partials_at_ = 0;
};

}  // namespace

std::unique_ptr<Kernel> prepare_chain_reduce(const OpDesc& desc, Device& device) {
  return std::make_unique<ChainReduceKernel>(desc, ReducedChain(desc), device);
}

}  // namespace cotangent::cuda
