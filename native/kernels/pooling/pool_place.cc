// poolGather: y[i, p] = x[i, index[i, p]]; poolScatter: x[i, q] = the sum of y[i, p] over p with index[i, p] = q, in
// the order of p. The trailing axes are seen as one. A negative index stands for no place: 0, or nothing is added.
#include <algorithm>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/pooling/parameters.h"
#include "native/kernels/pooling/pooling.h"

namespace cotangent::cpu {
namespace {

constexpr int64_t kGrain = 16384;  // elements worth a thread

template <class T>
class PoolGatherKernel : public Kernel {
 public:
  PoolGatherKernel(const OpDesc& desc, const PoolPlaces& places) : places_(places) {
    estimated_ns = estimate_ns(traffic(desc));
  }

  int pieces(int threads) const override { return pieces_by_time(threads, places_.planes); }

  ct_code run(const Launch& launch, ct_error*) const override {
    const T* const x = static_cast<const T*>(launch.in[0]);
    const int32_t* const index = static_cast<const int32_t*>(launch.in[1]);
    T* const y = static_cast<T*>(launch.out[0]);
    const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, places_.results));
    const Piece piece(places_.planes, launch.piece, pieces(launch.parallel.threads()));
    launch.parallel.range(piece.length(), grain, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = piece.begin + begin; i < piece.begin + end; ++i) {
        for (int64_t p = i * places_.results; p < (i + 1) * places_.results; ++p) {
          const int64_t q = index[p];
          y[p] = q >= 0 && q < places_.sources ? x[i * places_.sources + q] : T(0);
        }
      }
    });
    return CT_OK;
  }

 private:
  PoolPlaces places_;
};

template <class T>
class PoolScatterKernel : public Kernel {
 public:
  PoolScatterKernel(const OpDesc& desc, const PoolPlaces& places) : places_(places) {
    estimated_ns = estimate_ns(traffic(desc));
  }

  int pieces(int threads) const override { return pieces_by_time(threads, places_.planes); }

  ct_code run(const Launch& launch, ct_error*) const override {
    const T* const y = static_cast<const T*>(launch.in[0]);
    const int32_t* const index = static_cast<const int32_t*>(launch.in[1]);
    T* const x = static_cast<T*>(launch.out[0]);
    const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, places_.sources + places_.results));
    const Piece piece(places_.planes, launch.piece, pieces(launch.parallel.threads()));
    launch.parallel.range(piece.length(), grain, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = piece.begin + begin; i < piece.begin + end; ++i) {
        T* const plane = x + i * places_.sources;
        std::fill(plane, plane + places_.sources, T(0));
        for (int64_t p = i * places_.results; p < (i + 1) * places_.results; ++p) {
          const int64_t q = index[p];
          if (q >= 0 && q < places_.sources) plane[q] += y[p];
        }
      }
    });
    return CT_OK;
  }

 private:
  PoolPlaces places_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_pool_gather(const OpDesc& desc) {
  const PoolPlaces places = PoolPlaces::of_gather(desc);
  if (places.dtype == CT_FLOAT32) return std::make_unique<PoolGatherKernel<float>>(desc, places);
  return std::make_unique<PoolGatherKernel<double>>(desc, places);
}

std::unique_ptr<Kernel> prepare_pool_scatter(const OpDesc& desc) {
  const PoolPlaces places = PoolPlaces::of_scatter(desc);
  if (places.dtype == CT_FLOAT32) return std::make_unique<PoolScatterKernel<float>>(desc, places);
  return std::make_unique<PoolScatterKernel<double>>(desc, places);
}

}  // namespace cotangent::cpu
