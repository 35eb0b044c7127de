// maxPool: windows over the trailing axes; the winner is the first largest element, or the first NaN. A row of results
// meets one tap of the window after the other, each a (strided) row of the operand.
#include <algorithm>

#include "native/backend/cpu/check.h"
#include "native/kernels/pooling/pool_loops.h"
#include "native/kernels/pooling/pooling.h"

namespace cotangent::cpu {
namespace {

struct PoolAxis {
  int64_t source = 1, result = 1, window = 1, stride = 1, low = 0, dilation = 1;

  int64_t first(int64_t tap) const { return tap * dilation - low; }  // source of result 0
  // Results [begin, end) whose tap lies inside the source.
  int64_t begin(int64_t tap) const {
    const int64_t at = first(tap);
    return std::min(result, at < 0 ? (-at + stride - 1) / stride : 0);
  }
  int64_t end(int64_t tap) const {
    const int64_t room = source - 1 - first(tap);
    return room < 0 ? 0 : std::min(result, room / stride + 1);
  }
};

template <class T>
class MaxPoolKernel : public Kernel {
 public:
  MaxPoolKernel(const OpDesc& desc, int64_t planes, const PoolAxis (&axis)[kPoolAxes]) : planes_(planes) {
    std::copy(axis, axis + kPoolAxes, axis_);
    loops_ = loops();
    const double window = static_cast<double>(axis_[0].window * axis_[1].window * axis_[2].window);
    estimated_ns = estimate_ns(traffic(desc), 4 * window * static_cast<double>(element_count(desc.out(0))));
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

// Parameters: for each of the trailing axes window, then stride, low and dilation likewise.
std::unique_ptr<Kernel> prepare_max_pool(const OpDesc& desc) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  desc.expect_operands(1, 2);
  const ct_type &x = desc.in(0), &y = desc.out(0);
  expect_float(x, "an operand");
  const int axes = desc.param_count() / 4;
  if (axes < 1 || axes > kPoolAxes || desc.param_count() != 4 * axes) {
    fail(CT_INTERNAL, "parameters of 1, 2 or 3 axes", std::to_string(desc.param_count()) + " parameters");
  }
  if (x.rank < axes || y.rank != x.rank) fail(CT_SHAPE, "operand and result of one rank", describe(x));
  PoolAxis axis[kPoolAxes];
  std::vector<int64_t> wanted = dims(x);
  const int leading = x.rank - axes;
  for (int k = 0; k < axes; ++k) {
    PoolAxis& a = axis[kPoolAxes - axes + k];
    a.source = blas_size(x.dims[leading + k]);
    a.result = blas_size(y.dims[leading + k]);
    wanted[static_cast<size_t>(leading + k)] = a.result;
    a.window = integer_in(desc, k, 1, kMost, "windows");
    a.stride = integer_in(desc, axes + k, 1, kMost, "strides");
    a.low = integer_in(desc, 2 * axes + k, -kMost, kMost, "padding");
    a.dilation = integer_in(desc, 3 * axes + k, 1, kMost, "dilations");
  }
  blas_size(product(x, leading, x.rank));  // places are int32
  expect_type(y, x.dtype, wanted, "the result");
  expect_type(desc.out(1), CT_INT32, wanted, "the places");
  const int64_t planes = product(x, 0, leading);
  if (x.dtype == CT_FLOAT32) return std::make_unique<MaxPoolKernel<float>>(desc, planes, axis);
  return std::make_unique<MaxPoolKernel<double>>(desc, planes, axis);
}

}  // namespace cotangent::cpu
