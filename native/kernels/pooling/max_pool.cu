// maxPool: a thread a result, in the order of the results, so that neighbouring threads read neighbouring windows: the
// overlap comes from the cache. The winner is the first largest element, or the first NaN.
#include "native/backend/cuda/device_code.h"
#include "native/backend/cuda/dispatch.h"
#include "native/backend/cuda/divisor.h"
#include "native/kernels/pooling/parameters.h"
#include "native/kernels/pooling/pooling_cuda.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kBlock = 256;

struct Window {
  int source, result, window, stride, low, dilation;
};

struct Windows {
  Window axis[kPoolAxes];
  Divisor by_result[kPoolAxes];
};

// Divides `rest` by the axis' results; returns the remainder.
template <class Index>
__device__ __forceinline__ int take_position(Index& rest, const Windows& windows, int k) {
  const Index whole = rest;
  if constexpr (sizeof(Index) == 4) {
    rest = static_cast<Index>(windows.by_result[k].quotient(static_cast<uint32_t>(whole)));
  } else {
    rest = whole / windows.axis[k].result;
  }
  return static_cast<int>(whole - rest * windows.axis[k].result);
}

// Taps [begin, end) of the window at `result` that meet the source, and where tap 0 lies.
struct Taps {
  int begin, end;
  int64_t first;

  __device__ __forceinline__ Taps(const Window& w, int result) {
    first = static_cast<int64_t>(result) * w.stride - w.low;
    const int64_t room = w.source - first;  // source elements from tap 0 on
    const int64_t from = first < 0 ? (-first + w.dilation - 1) / w.dilation : 0;
    const int64_t to = room > 0 ? (room + w.dilation - 1) / w.dilation : 0;
    begin = static_cast<int>(from < w.window ? from : w.window);
    end = static_cast<int>(to < w.window ? to : w.window);
  }
};

template <class T, class Index>
__global__ void __launch_bounds__(kBlock) max_pool_kernel(const T* __restrict__ x, T* __restrict__ y,
                                                          int32_t* __restrict__ index, Windows windows, Index count) {
  const Window &outer = windows.axis[0], &middle = windows.axis[1], &inner = windows.axis[2];
  for (Index i = static_cast<Index>(grid_start()); i < count; i += static_cast<Index>(grid_step())) {
    Index rest = i;
    const int p2 = take_position(rest, windows, 2), p1 = take_position(rest, windows, 1),
              p0 = take_position(rest, windows, 0);
    const int64_t plane = rest;
    const Taps t0(outer, p0), t1(middle, p1), t2(inner, p2);
    const T* const from = x + plane * outer.source * middle.source * inner.source;
    T best = static_cast<T>(-INFINITY);
    int32_t place = -1;
    for (int k0 = t0.begin; k0 < t0.end; ++k0) {
      const int64_t row0 = (t0.first + static_cast<int64_t>(k0) * outer.dilation) * middle.source;
      for (int k1 = t1.begin; k1 < t1.end; ++k1) {
        const int64_t row = (row0 + t1.first + static_cast<int64_t>(k1) * middle.dilation) * inner.source + t2.first;
        for (int k2 = t2.begin; k2 < t2.end; ++k2) {
          const int32_t q = static_cast<int32_t>(row + static_cast<int64_t>(k2) * inner.dilation);
          const T now = from[q];
          const bool wins = now > best || (now != now && best == best) || place < 0;
          best = wins ? now : best;
          place = wins ? q : place;
        }
      }
    }
    y[i] = best;
    index[i] = place;
  }
}

class MaxPoolKernel : public Kernel {
 public:
  explicit MaxPoolKernel(const OpDesc& desc) : pool_(desc), count_(element_count(desc.out(0))) {
    estimated_ns = estimate_ns(traffic(desc), 4 * pool_.window() * static_cast<double>(count_));
    for (int k = 0; k < kPoolAxes; ++k) {
      const PoolAxis& a = pool_.axis[k];
      windows_.axis[k] = {static_cast<int>(a.source), static_cast<int>(a.result), static_cast<int>(a.window),
                          static_cast<int>(a.stride), static_cast<int>(a.low),    static_cast<int>(a.dilation)};
      if (a.result > 0) windows_.by_result[k] = Divisor(a.result);
    }
  }

  ct_code run(const Launch& to, ct_error* error) const override {
    if (count_ == 0) return CT_OK;
    return dispatch_float(pool_.dtype, [&](auto element) {
      return dispatch_index(count_, [&](auto counter) {
        using T = decltype(element);
        using Index = decltype(counter);
        const auto kernel = max_pool_kernel<T, Index>;
        const unsigned grid = to.device.grid(kernel, count_, kBlock);
        return check(launch(grid, kBlock, 0, to.stream(), kernel, to.input<T>(0), to.output<T>(0),
                            to.output<int32_t>(1), windows_, static_cast<Index>(count_)),
                     error, "maxPool");
      });
    });
  }

 private:
  const MaxPoolParameters pool_;
  const int64_t count_;
  Windows windows_{};
};

}  // namespace

std::unique_ptr<Kernel> prepare_max_pool(const OpDesc& desc, Device&) { return std::make_unique<MaxPoolKernel>(desc); }

}  // namespace cotangent::cuda
