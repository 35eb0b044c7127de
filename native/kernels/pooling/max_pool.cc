// maxPool: windows over the trailing axes; the winner is the first largest element, or the first NaN. A row of results
// meets one tap of the window after the other, each a (strided) row of the operand.
#include <algorithm>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/pooling/parameters.h"
#include "native/kernels/pooling/pool_loops.h"
#include "native/kernels/pooling/pooling.h"

namespace cotangent::cpu {
namespace {

template <class T>
class MaxPoolKernel : public Kernel {
 public:
  MaxPoolKernel(const OpDesc& desc, const MaxPoolParameters& pool) : planes_(pool.planes) {
    std::copy(pool.axis, pool.axis + kPoolAxes, axis_);
    loops_ = loops();
    estimated_ns = estimate_ns(traffic(desc), 4 * pool.window() * static_cast<double>(element_count(desc.out(0))));
  }

  int pieces(int threads) const override { return pieces_by_time(threads, rows()); }

  ct_code run(const Launch& launch, ct_error*) const override {
    const Piece piece(rows(), launch.piece, pieces(launch.parallel.threads()));
    const int64_t work = std::max<int64_t>(1, axis_[0].window * axis_[1].window * axis_[2].window * axis_[2].result);
    launch.parallel.range(piece.length(), std::max<int64_t>(1, kGrain / work), 1, [&](int64_t begin, int64_t end) {
      for (int64_t row = piece.begin + begin; row < piece.begin + end; ++row) pool_row(launch, row);
    });
    return CT_OK;
  }

 private:
  static constexpr int64_t kGrain = 32768;  // comparisons worth a thread

  int64_t rows() const { return planes_ * axis_[0].result * axis_[1].result; }

  // Taps that meet the source, as places of result 0 in the plane, handed on some at a time.
  class Taps {
   public:
    Taps(const PoolLoops<T>& loops, const T* x, int64_t stride, int64_t begin, int64_t end, T* best, int32_t* index)
        : loops_(loops), x_(x), stride_(stride), begin_(begin), count_(end - begin), best_(best), index_(index) {}

    void add(int64_t place) {
      offsets_[taps_++] = place + begin_ * stride_;
      if (taps_ == kMost) flush();
    }

    // Gives the winners of all taps; -infinity and -1 when there was none.
    void finish() {
      if (taps_) flush();
      if (resume_) return;
      std::fill(best_ + begin_, best_ + begin_ + count_, -std::numeric_limits<T>::infinity());
      std::fill(index_ + begin_, index_ + begin_ + count_, -1);
    }

   private:
    static constexpr int kMost = 64;

    void flush() {
      loops_.take_largest(x_, offsets_, taps_, stride_, count_, resume_, best_ + begin_, index_ + begin_);
      resume_ = true;
      taps_ = 0;
    }

    const PoolLoops<T>& loops_;
    const T* x_;
    int64_t stride_, begin_, count_;  // results [begin, begin + count) of the row
    T* best_;
    int32_t* index_;
    bool resume_ = false;
    int64_t taps_ = 0, offsets_[kMost];
  };

  void pool_row(const Launch& launch, int64_t row) const {
    const auto &outer = axis_[0], &middle = axis_[1], &inner = axis_[2];
    const int64_t p1 = row % middle.result, p0 = row / middle.result % outer.result;
    const int64_t plane = row / middle.result / outer.result;
    const T* const x = static_cast<const T*>(launch.in[0]) + plane * outer.source * middle.source * inner.source;
    T* const best = static_cast<T*>(launch.out[0]) + row * inner.result;
    int32_t* const index = static_cast<int32_t*>(launch.out[1]) + row * inner.result;
    const auto pool = [&](int64_t begin, int64_t end) {
      Taps taps(loops_, x, inner.stride, begin, end, best, index);
      for (int64_t k0 = 0; k0 < outer.window; ++k0) {
        const int64_t q0 = p0 * outer.stride + outer.first(k0);
        if (q0 < 0 || q0 >= outer.source) continue;
        for (int64_t k1 = 0; k1 < middle.window; ++k1) {
          const int64_t q1 = p1 * middle.stride + middle.first(k1);
          if (q1 < 0 || q1 >= middle.source) continue;
          for (int64_t k2 = 0; k2 < inner.window; ++k2) {
            if (inner.begin(k2) > begin || inner.end(k2) < end) continue;
            taps.add((q0 * middle.source + q1) * inner.source + inner.first(k2));
          }
        }
      }
      taps.finish();
    };
    // Inside, all taps of a row meet the source; at the edges, each result has its own.
    const int64_t inside = std::clamp<int64_t>(inner.begin(0), 0, inner.result);
    const int64_t outside = std::clamp<int64_t>(inner.end(inner.window - 1), inside, inner.result);
    for (int64_t p = 0; p < inside; ++p) pool(p, p + 1);
    if (outside > inside) pool(inside, outside);
    for (int64_t p = outside; p < inner.result; ++p) pool(p, p + 1);
  }

  static PoolLoops<T> loops() {
    if constexpr (sizeof(T) == 4) {
      return COTANGENT_SIMD_DISPATCH(pool_loops_float32)();
    } else {
      return COTANGENT_SIMD_DISPATCH(pool_loops_float64)();
    }
  }

  int64_t planes_;
  PoolAxis axis_[kPoolAxes];
  PoolLoops<T> loops_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_max_pool(const OpDesc& desc) {
  const MaxPoolParameters pool(desc);
  if (pool.dtype == CT_FLOAT32) return std::make_unique<MaxPoolKernel<float>>(desc, pool);
  return std::make_unique<MaxPoolKernel<double>>(desc, pool);
}

}  // namespace cotangent::cpu
