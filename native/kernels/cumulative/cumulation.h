// The scans of cumSum, cumProd, cumMax and cumMin.
//
// Every element of the right half of a stretch of lanes is combined with the total of the left half, for stretches of
// 2, 4, ..., 32 lanes (J. Sklansky, "Conditional-sum addition logic", 1960), and stretches of a line with all before
// them likewise. So an element never comes out below its predecessor when nothing negative is added: the last one of a
// stretch is what the next stretch starts from. float32 sums accumulate in double. Floating-point products are kept as
// m 2^e: the product of a stretch may leave the range of double where the whole does not. (So a product that leaves it
// for a while comes back, which one from left to right does not.)
#ifndef COTANGENT_KERNELS_CUMULATIVE_CUMULATION_H
#define COTANGENT_KERNELS_CUMULATIVE_CUMULATION_H

#include "native/kernels/cumulative/scaled.h"
#include "native/kernels/cumulative/scan_device.h"
#include "native/kernels/reduce/reduce_ops.h"

namespace cotangent::cuda {
namespace {

template <class State, template <class> class Op>
struct Merging {
  __device__ __forceinline__ static State of(State a, State b) { return Op<State>::of(a, b); }
};
template <template <class> class Op>
struct Merging<Scaled, Op> {
  __device__ __forceinline__ static Scaled of(Scaled a, Scaled b) { return multiply(a, b); }
};

// T: element type; S: what is combined.
template <template <class> class Op, class T, class S>
struct Cumulation {
  using State = S;
  static constexpr uint64_t kInPlace = 1;
  static constexpr bool kScaled = std::is_same_v<S, Scaled>;

  const T* x;
  T* y;  // may be x

  explicit Cumulation(const Launch& to) : x(to.input<T>(0)), y(to.output<T>(0)) {}

  __device__ __forceinline__ static State lift(T element) {
    if constexpr (kScaled) {
      return to_scaled(static_cast<double>(element));
    } else {
      return static_cast<State>(element);
    }
  }
  __device__ __forceinline__ static T lower(State state) {
    if constexpr (kScaled) {
      return static_cast<T>(times(1.0, state));
    } else {
      return static_cast<T>(state);
    }
  }

  __device__ __forceinline__ State load(int64_t at) const { return lift(x[at]); }
  __device__ __forceinline__ void store(int64_t at, State state) const { y[at] = lower(state); }
  __device__ __forceinline__ State merge(State left, State right) const { return Merging<State, Op>::of(left, right); }
  __device__ __forceinline__ State advance(State left, State element) const { return merge(left, element); }
  __device__ __forceinline__ State shuffle(State state, int lane) const {
    if constexpr (kScaled) {
      return {__shfl_sync(kAllLanes, state.m, lane), __shfl_sync(kAllLanes, state.e, lane)};
    } else {
      return __shfl_sync(kAllLanes, state, lane);
    }
  }

  struct Tile {
    State state[kPerThread];

    __device__ __forceinline__ void load(const Cumulation& p, const LineScan& scan, int64_t line, int64_t k,
                                         int64_t end) {
      T element[kPerThread];
      scan.load(p.x, line, k, end, element);
      state[0] = lift(element[0]);
#pragma unroll
      for (int e = 1; e < kPerThread; ++e) state[e] = p.merge(state[e - 1], lift(element[e]));
    }

    __device__ __forceinline__ void scan_warp(const Cumulation& p, unsigned lane) {
#pragma unroll
      for (unsigned half = 1; half < kWarp; half *= 2) {
        const State left = p.shuffle(last(), static_cast<int>((lane & ~(2 * half - 1)) + half - 1));
        if (lane & half) prepend(p, left);
      }
    }

    __device__ __forceinline__ State last() const { return state[kPerThread - 1]; }

    __device__ __forceinline__ void place(const Cumulation& p, unsigned, const Before<State>& start,
                                          const Before<State>& chunk) {
      if (start.some) prepend(p, start.state);
      if (chunk.some) prepend(p, chunk.state);
    }

    __device__ __forceinline__ void store(const Cumulation& p, const LineScan& scan, int64_t line, int64_t k,
                                          int64_t end) const {
      T element[kPerThread];
#pragma unroll
      for (int e = 0; e < kPerThread; ++e) element[e] = lower(state[e]);
      scan.store(p.y, line, k, end, element);
    }

   private:
    __device__ __forceinline__ void prepend(const Cumulation& p, State left) {
#pragma unroll
      for (int e = 0; e < kPerThread; ++e) state[e] = p.merge(left, state[e]);
    }
  };
};

template <template <class> class Op, class T, class S = typename Op<T>::Partial>
std::unique_ptr<Kernel> scan(const OpDesc& desc, const LineParameters& line) {
  return std::make_unique<LineScanKernel<Cumulation<Op, T, S>>>(desc, line);
}

}  // namespace
}  // namespace cotangent::cuda

#endif
