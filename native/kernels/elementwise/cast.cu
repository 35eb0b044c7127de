// cast on a GPU: one read and one write an element, four elements a thread.
#include "native/backend/cuda/device_code.h"
#include "native/backend/cuda/dispatch.h"
#include "native/backend/cuda/packed.h"
#include "native/kernels/elementwise/cast.h"
#include "native/kernels/elementwise/conversion.h"
#include "native/kernels/elementwise/elementwise_cuda.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kBlock = 256;
constexpr int kWidth = 4;

template <class From, class To>
__device__ __forceinline__ void convert(typename formula::Stored<To>::Type& to,
                                        typename formula::Stored<From>::Type from) {
  to = formula::Conversion<From, To>::apply(from);
}

// Not restrict: it may run in place between types of one size.
template <class From, class To>
__global__ void __launch_bounds__(kBlock) cast_kernel(const void* x, void* y, int64_t count, bool packed) {
  using In = typename formula::Stored<From>::Type;
  using Out = typename formula::Stored<To>::Type;
  const In* const from = static_cast<const In*>(x);
  Out* const to = static_cast<Out*>(y);
  for (int64_t i = grid_start() * kWidth; i < count; i += grid_step() * kWidth) {
    if (packed && count - i >= kWidth) {
      const auto in = *reinterpret_cast<const Packed<In, kWidth>*>(from + i);
      Packed<Out, kWidth> out;
#pragma unroll
      for (int k = 0; k < kWidth; ++k) convert<From, To>(out.element[k], in.element[k]);
      *reinterpret_cast<Packed<Out, kWidth>*>(to + i) = out;
    } else {
#pragma unroll
      for (int k = 0; k < kWidth; ++k) {
        if (i + k < count) convert<From, To>(to[i + k], from[i + k]);
      }
    }
  }
}

using CastFunction = void (*)(const void*, void*, int64_t, bool);

template <class From>
CastFunction cast_from(int32_t to) {
  switch (to) {
    case CT_FLOAT32:
      return cast_kernel<From, float>;
    case CT_FLOAT64:
      return cast_kernel<From, double>;
    case CT_INT32:
      return cast_kernel<From, int32_t>;
    case CT_UINT32:
      return cast_kernel<From, uint32_t>;
    default:
      return cast_kernel<From, formula::Bool>;
  }
}

CastFunction cast_function(int32_t from, int32_t to) {
  switch (from) {
    case CT_FLOAT32:
      return cast_from<float>(to);
    case CT_FLOAT64:
      return cast_from<double>(to);
    case CT_INT32:
      return cast_from<int32_t>(to);
    case CT_UINT32:
      return cast_from<uint32_t>(to);
    default:
      return cast_from<formula::Bool>(to);
  }
}

class CastKernel : public Kernel {
 public:
  explicit CastKernel(const OpDesc& desc) : cast_(desc), function_(cast_function(cast_.from, cast_.to)) {
    if (cast_.from_bytes == cast_.to_bytes) in_place[0] = 1;
    estimated_ns = estimate_ns(traffic(desc));
  }

  ct_code run(const Launch& to, ct_error* error) const override {
    if (cast_.count == 0) return CT_OK;
    const bool packed = aligned_to(kWidth * 8, to.in[0], to.out[0]);
    const unsigned blocks = to.device.grid(function_, (cast_.count + kWidth - 1) / kWidth, kBlock);
    return check(launch(blocks, kBlock, 0, to.stream(), function_, to.in[0], to.out[0], cast_.count, packed), error,
                 "cast");
  }

 private:
  const Cast cast_;
  const CastFunction function_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_cast(const OpDesc& desc, Device&) { return std::make_unique<CastKernel>(desc); }

}  // namespace cotangent::cuda
