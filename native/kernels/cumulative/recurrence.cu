// linearRecurrence: y_k = a_k y_(k-1) + b_k. Consecutive steps are one of the same form, y -> A y + B, which is what is
// scanned; a thread's own elements are then walked from the y before them. A, a product, is kept as m 2^e: it may
// overflow where y, being 0, does not. Computed in double, also for float32. The error is of the order of eps times
// what the terms of y would sum to without cancellation.
#include "native/kernels/cumulative/cumulative_cuda.h"
#include "native/kernels/cumulative/scaled.h"
#include "native/kernels/cumulative/scan_device.h"

namespace cotangent::cuda {
namespace {

struct Affine {
  Scaled a;
  double b;
};

template <class T>
struct Recurrence {
  using State = Affine;
  static constexpr uint64_t kInPlace = 2;

  const T *a, *b;
  T* y;  // may be b

  explicit Recurrence(const Launch& to) : a(to.input<T>(0)), b(to.input<T>(1)), y(to.output<T>(0)) {}

  // Nothing comes before the first element: an infinite a has nothing to multiply.
  __device__ __forceinline__ static State lift(T a, T b, bool first) {
    return {first ? Scaled{0, 0} : to_scaled(static_cast<double>(a)), static_cast<double>(b)};
  }

  __device__ __forceinline__ State load(int64_t at) const {
    return {{static_cast<double>(a[at]), 0}, static_cast<double>(b[at])};
  }
  __device__ __forceinline__ void store(int64_t at, State state) const { y[at] = static_cast<T>(state.b); }
  __device__ __forceinline__ State merge(State left, State right) const {
    return {multiply(left.a, right.a), times(left.b, right.a) + right.b};
  }
  // With an element as `load` gives it.
  __device__ __forceinline__ State advance(State left, State element) const {
    return {element.a, element.a.m * left.b + element.b};
  }
  __device__ __forceinline__ State shuffle(State state, int lane) const {
    return {{__shfl_sync(kAllLanes, state.a.m, lane), __shfl_sync(kAllLanes, state.a.e, lane)},
            __shfl_sync(kAllLanes, state.b, lane)};
  }

  struct Tile {
    T a[kPerThread], b[kPerThread];
    State total;  // of all elements up to this thread's last
    Before<double> before;
    bool first;

    __device__ __forceinline__ void load(const Recurrence& p, const LineScan& scan, int64_t line, int64_t k,
                                         int64_t end) {
      scan.load(p.a, line, k, end, a);
      scan.load(p.b, line, k, end, b);
      first = k == 0;
      total = lift(a[0], b[0], first);
#pragma unroll
      for (int e = 1; e < kPerThread; ++e) total = p.merge(total, lift(a[e], b[e], false));
    }

    __device__ __forceinline__ void scan_warp(const Recurrence& p, unsigned lane) {
#pragma unroll
      for (unsigned half = 1; half < kWarp; half *= 2) {
        const State left = p.shuffle(total, static_cast<int>((lane & ~(2 * half - 1)) + half - 1));
        if (lane & half) total = p.merge(left, total);
      }
    }

    __device__ __forceinline__ State last() const { return total; }

    __device__ __forceinline__ void place(const Recurrence& p, unsigned lane, const Before<State>& start,
                                          const Before<State>& chunk) {
      const State left = p.shuffle(total, static_cast<int>(lane == 0 ? 0 : lane - 1));
      Before<State> all = chunk;
      if (start.some) append(p, all, start.state);
      if (lane > 0) append(p, all, left);
      before = {all.some, all.state.b};
    }

    __device__ __forceinline__ void store(const Recurrence& p, const LineScan& scan, int64_t line, int64_t k,
                                          int64_t end) const {
      T element[kPerThread];
      double y = before.state;
#pragma unroll
      for (int e = 0; e < kPerThread; ++e) {
        const double carried = e == 0 && !before.some ? 0.0 : static_cast<double>(a[e]) * y;
        y = carried + static_cast<double>(b[e]);
        element[e] = static_cast<T>(y);
      }
      scan.store(p.y, line, k, end, element);
    }
  };
};

}  // namespace

std::unique_ptr<Kernel> prepare_linear_recurrence(const OpDesc& desc, Device&) {
  const LineParameters line = LineParameters::of_recurrence(desc);
  if (line.dtype == CT_FLOAT32) return std::make_unique<LineScanKernel<Recurrence<float>>>(desc, line);
  return std::make_unique<LineScanKernel<Recurrence<double>>>(desc, line);
}

}  // namespace cotangent::cuda
