// poolGather: a thread a result. poolScatter: x[i, q] = the sum of y[i, p] over p with index[i, p] = q, in the order of
// p, the CPU's bits: a warp owns a stretch of a plane's sources and walks all the plane's results, 32 at a time; lanes
// that meet at one place take turns. There are about as many warps as the device holds, so few planes are cut into many
// stretches, and each result is read that many times, from the cache.
#include "native/backend/cuda/device_code.h"
#include "native/backend/cuda/dispatch.h"
#include "native/kernels/pooling/parameters.h"
#include "native/kernels/pooling/pooling_cuda.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kBlock = 256;

template <class T, class Index>
__global__ void __launch_bounds__(kBlock)
    pool_gather_kernel(const T* __restrict__ x, const int32_t* __restrict__ index, T* __restrict__ y, Index count,
                       Index results, int64_t sources) {
  for (Index i = static_cast<Index>(grid_start()); i < count; i += static_cast<Index>(grid_step())) {
    const int32_t q = index[i];
    y[i] = q >= 0 && q < sources ? x[i / results * sources + q] : T(0);
  }
}

template <class T>
__global__ void __launch_bounds__(kBlock)
    pool_scatter_kernel(const T* __restrict__ y, const int32_t* __restrict__ index, T* x, int64_t planes,
                        int64_t sources, int64_t results, int64_t stretch, int64_t stretches) {
  const unsigned lane = threadIdx.x % kWarp, before = (1u << lane) - 1;
  for (int64_t item = grid_start() / kWarp; item < planes * stretches; item += grid_step() / kWarp) {
    const int64_t plane = item / stretches, first = item % stretches * stretch;
    const int64_t stop = first + stretch < sources ? first + stretch : sources;
    T* const to = x + plane * sources;
    const T* const from = y + plane * results;
    const int32_t* const places = index + plane * results;
    for (int64_t q = first + lane; q < stop; q += kWarp) to[q] = T(0);
    __syncwarp(kAllLanes);
    for (int64_t base = 0; base < results; base += kWarp) {
      const int64_t p = base + lane;
      const int32_t q = p < results ? places[p] : -1;
      const bool mine = q >= first && q < stop;
      if (__ballot_sync(kAllLanes, mine) == 0) continue;
      const T value = mine ? from[p] : T(0);
      const unsigned meeting = __match_any_sync(kAllLanes, mine ? q : -1);
      const int turn = mine ? __popc(meeting & before) : -1;
      for (int now = 0;; ++now) {
        if (turn == now) to[q] += value;
        __syncwarp(kAllLanes);
        if (__ballot_sync(kAllLanes, turn > now) == 0) break;
      }
    }
  }
}

template <class T>
class PoolGatherKernel : public Kernel {
 public:
  PoolGatherKernel(const OpDesc& desc, const PoolPlaces& places) : places_(places) {
    estimated_ns = estimate_ns(traffic(desc));
  }

  ct_code run(const Launch& to, ct_error* error) const override {
    const int64_t count = places_.planes * places_.results;
    if (count == 0) return CT_OK;
    return dispatch_index(count, [&](auto counter) {
      using Index = decltype(counter);
      const auto kernel = pool_gather_kernel<T, Index>;
      const unsigned grid = to.device.grid(kernel, count, kBlock);
      return check(launch(grid, kBlock, 0, to.stream(), kernel, to.input<T>(0), to.input<int32_t>(1), to.output<T>(0),
                          static_cast<Index>(count), static_cast<Index>(places_.results), places_.sources),
                   error, "poolGather");
    });
  }

 private:
  const PoolPlaces places_;
};

template <class T>
class PoolScatterKernel : public Kernel {
 public:
  PoolScatterKernel(const OpDesc& desc, const PoolPlaces& places) : places_(places) {
    constexpr int64_t kWarps = 4096, kLeastStretch = 256;
    estimated_ns = estimate_ns(traffic(desc));
    const int64_t wanted = places.planes > 0 ? (kWarps + places.planes - 1) / places.planes : 1;
    stretch_ = std::max(kLeastStretch, (places.sources + wanted - 1) / wanted);
    stretches_ = (places.sources + stretch_ - 1) / stretch_;
  }

  ct_code run(const Launch& to, ct_error* error) const override {
    const int64_t items = places_.planes * stretches_;
    if (items == 0) return CT_OK;
    const auto kernel = pool_scatter_kernel<T>;
    const unsigned grid = to.device.grid(kernel, items * kWarp, kBlock);
    return check(launch(grid, kBlock, 0, to.stream(), kernel, to.input<T>(0), to.input<int32_t>(1), to.output<T>(0),
                        places_.planes, places_.sources, places_.results, stretch_, stretches_),
                 error, "poolScatter");
  }

 private:
  const PoolPlaces places_;
  int64_t stretch_, stretches_;
};

template <template <class> class K>
std::unique_ptr<Kernel> make(const OpDesc& desc, const PoolPlaces& places) {
  if (places.dtype == CT_FLOAT32) return std::make_unique<K<float>>(desc, places);
  return std::make_unique<K<double>>(desc, places);
}

}  // namespace

std::unique_ptr<Kernel> prepare_pool_gather(const OpDesc& desc, Device&) {
  return make<PoolGatherKernel>(desc, PoolPlaces::of_gather(desc));
}

std::unique_ptr<Kernel> prepare_pool_scatter(const OpDesc& desc, Device&) {
  return make<PoolScatterKernel>(desc, PoolPlaces::of_scatter(desc));
}

}  // namespace cotangent::cuda
