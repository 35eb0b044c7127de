#include "native/backend/cuda/device_code.h"
#include "native/backend/cuda/dispatch.h"
#include "native/kernels/movement/iota.h"
#include "native/kernels/movement/movement_cuda.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kBlock = 256;

template <class T, class Index>
__global__ void __launch_bounds__(kBlock) iota_kernel(T* y, Index size, Index inner, Index count) {
  for (Index i = static_cast<Index>(grid_start()); i < count; i += static_cast<Index>(grid_step())) {
    y[i] = static_cast<T>(i / inner % size);
  }
}

class IotaKernel : public Kernel {
 public:
  explicit IotaKernel(const OpDesc& desc) : iota_(desc) { estimated_ns = estimate_ns(traffic(desc)); }

  ct_code run(const Launch& to, ct_error* error) const override {
    if (iota_.count == 0) return CT_OK;
    return dispatch_dtype(iota_.dtype, [&](auto element) {
      return dispatch_index(iota_.count, [&](auto index) {
        using T = decltype(element);
        using Index = decltype(index);
        const auto kernel = iota_kernel<T, Index>;
        const unsigned blocks = to.device.grid(kernel, iota_.count, kBlock);
        return check(launch(blocks, kBlock, 0, to.stream(), kernel, to.output<T>(0), static_cast<Index>(iota_.size),
                            static_cast<Index>(iota_.inner), static_cast<Index>(iota_.count)),
                     error, "iota");
      });
    });
  }

 private:
  const Iota iota_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_iota(const OpDesc& desc, Device&) { return std::make_unique<IotaKernel>(desc); }

}  // namespace cotangent::cuda
