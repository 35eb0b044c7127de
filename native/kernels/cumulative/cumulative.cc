// cumSum, cumProd, cumMax and cumMin along one axis, from its start or (reverse) from its end. The operand is seen as
// [outer, size, inner].
//
// A long line is cut into blocks of a fixed length: first the total of each block, then where each block starts, then
// the blocks themselves. An element is (start of its block) op (the block up to it), both combined in an order of their
// own, so the bits do not depend on the number of threads, and sums of what is not negative never decrease. The blocks
// of one round fit into the cache: memory is read once. Products are not cut: the product within a block may underflow
// where the whole does not.
#include "native/kernels/cumulative/cumulative.h"

#include <algorithm>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/cumulative/cumulative_loops.h"
#include "native/kernels/cumulative/parameters.h"
#include "native/kernels/reduce/reduce_ops.h"

namespace cotangent::cpu {
namespace {

constexpr int64_t kBlock = 528;        // elements; not a power of two, so that blocks abreast use all sets of the cache
constexpr int64_t kRoundBlocks = 128;  // a thread's share of a round
constexpr int64_t kGrain = 16384;      // elements worth a thread

template <template <class> class Op, class T, bool blocked>
class CumulativeKernel : public Kernel {
  using Partial = typename Op<T>::Partial;

 public:
  CumulativeKernel(const OpDesc& desc, const LineParameters& line, CumulativeLoops loops)
      : loops_(loops),
        reverse_(line.reverse),
        outer_(line.outer),
        size_(line.size),
        inner_(line.inner),
        tiles_{line.outer, line.inner},
        cut_(blocked && inner_ == 1 && size_ >= 4 * kBlock) {
    estimated_ns = estimate_ns(traffic(desc) + 8.0 * static_cast<double>(element_count(desc.in(0))));
    in_place[0] = 1;
  }

  // The start of the next round, then the totals of one.
  uint64_t workspace_bytes(int threads) const override {
    return cut_ ? sizeof(Partial) * static_cast<uint64_t>(1 + kRoundBlocks * threads) : 0;
  }

  int pieces(int threads) const override {
    return cut_ ? pieces_by_time(threads, outer_ * rounds(threads)) : pieces_by_time(threads, tiles_.items());
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    const T* const x = static_cast<const T*>(launch.in[0]);
    T* const y = static_cast<T*>(launch.out[0]);
    if (outer_ * size_ * inner_ == 0) return CT_OK;
    const int threads = launch.parallel.threads(), count = pieces(threads);
    if (cut_) {
      const int64_t per_line = rounds(threads);
      const Piece piece(outer_ * per_line, launch.piece, count);
      for (int64_t i = piece.begin; i < piece.end; ++i) {
        run_round(launch, x + i / per_line * size_, y + i / per_line * size_, i % per_line);
      }
      return CT_OK;
    }
    const Piece piece(tiles_.items(), launch.piece, count);
    if (inner_ == 1) {
      launch.parallel.range(piece.length(), kGrain / size_, 8, [&](int64_t begin, int64_t end) {
        const int64_t at = (piece.begin + begin) * size_;
        loops_.lines(x + at, y + at, end - begin, size_, reverse_, nullptr);
      });
      return CT_OK;
    }
    launch.parallel.range(piece.length(), kGrain / (size_ * tiles_.width()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = piece.begin + begin; i < piece.begin + end; ++i) {
        const int64_t column = i % tiles_.count() * tiles_.width();
        const int64_t at = i / tiles_.count() * size_ * inner_ + column;
        loops_.columns(x + at, y + at, size_, inner_, std::min(tiles_.width(), inner_ - column), reverse_);
      }
    });
    return CT_OK;
  }

 private:
  int64_t blocks() const { return (size_ + kBlock - 1) / kBlock; }
  int64_t rounds(int threads) const { return (blocks() + kRoundBlocks * threads - 1) / (kRoundBlocks * threads); }

  void run_round(const Launch& launch, const T* x, T* y, int64_t round) const {
    Parallel& parallel = launch.parallel;
    const int64_t per_round = kRoundBlocks * parallel.threads(), count = rounds(parallel.threads());
    Partial& carry = *static_cast<Partial*>(launch.workspace);
    Partial* const starts = &carry + 1;
    if (round == 0) carry = Op<Partial>::kIdentity;
    const int64_t place = reverse_ ? count - 1 - round : round;
    const int64_t first = place * per_round, last = std::min(blocks(), first + per_round);
    // f(first whole block, number of blocks, their length) for what lies in [begin, end).
    const auto each = [&](int64_t begin, int64_t end, auto&& f) {
      const int64_t whole = std::min(end, size_ / kBlock);
      if (whole > begin) f(begin, whole - begin, kBlock);
      if (end > whole) f(whole, int64_t{1}, size_ - whole * kBlock);
    };
    parallel.range(last - first, kGrain / kBlock, 8, [&](int64_t begin, int64_t end) {
      each(first + begin, first + end, [&](int64_t block, int64_t lines, int64_t length) {
        loops_.totals(x + block * kBlock, lines, length, reverse_, starts + (block - first));
      });
    });
    for (int64_t k = 0; k < last - first; ++k) {
      Partial& start = starts[reverse_ ? last - first - 1 - k : k];
      const Partial total = start;
      start = carry;
      carry = Op<Partial>::of(carry, total);
    }
    parallel.range(last - first, kGrain / kBlock, 8, [&](int64_t begin, int64_t end) {
      each(first + begin, first + end, [&](int64_t block, int64_t lines, int64_t length) {
        loops_.lines(x + block * kBlock, y + block * kBlock, lines, length, reverse_, starts + (block - first));
      });
    });
  }

  CumulativeLoops loops_;
  bool reverse_;
  int64_t outer_, size_, inner_;
  LineTiles tiles_;
  bool cut_;
};

template <template <class> class Op, Cumulation operation, bool arithmetic>
std::unique_ptr<Kernel> prepare(const OpDesc& desc) {
  constexpr bool blocked = operation != Cumulation::kProduct;
  const LineParameters line = LineParameters::of_cumulation(desc);
  const CumulativeLoops loops = COTANGENT_SIMD_DISPATCH(cumulative_loops)(operation, line.dtype);
  switch (line.dtype) {
    case CT_FLOAT32:
      return std::make_unique<CumulativeKernel<Op, float, blocked>>(desc, line, loops);
    case CT_FLOAT64:
      return std::make_unique<CumulativeKernel<Op, double, blocked>>(desc, line, loops);
    case CT_INT32:
      if (!arithmetic) return std::make_unique<CumulativeKernel<Op, int32_t, blocked>>(desc, line, loops);
      break;
  }
  return std::make_unique<CumulativeKernel<Op, uint32_t, blocked>>(desc, line, loops);
}

}  // namespace

void register_cumulative(Registry& registry) {
  registry.add("cumSum", prepare<SumOf, Cumulation::kSum, true>);
  registry.add("cumProd", prepare<ProductOf, Cumulation::kProduct, true>);
  registry.add("cumMax", prepare<MaxOf, Cumulation::kMax, false>);
  registry.add("cumMin", prepare<MinOf, Cumulation::kMin, false>);
  registry.add("linearRecurrence", prepare_linear_recurrence);
}

}  // namespace cotangent::cpu
