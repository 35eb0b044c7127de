// randomGammaGradient: a thread an element, with the CPU's expansions (gamma_gradient.h). Lanes of a warp wait for the
// one whose series is longest: some tens of terms, a thousand for shapes near 10^4.
#include "native/backend/cuda/device_code.h"
#include "native/backend/cuda/dispatch.h"
#include "native/kernels/random/gamma_gradient.h"
#include "native/kernels/random/parameters.h"
#include "native/kernels/random/random_cuda.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kBlock = 128;

// y may be either operand.
template <class T>
__global__ void __launch_bounds__(kBlock)
    gamma_gradient_kernel(const T* shapes, const T* variables, T* y, int64_t count) {
  for (int64_t i = grid_start(); i < count; i += grid_step()) {
    y[i] =
        static_cast<T>(random::gamma_shape_gradient(static_cast<double>(shapes[i]), static_cast<double>(variables[i])));
  }
}

class GammaGradientKernel : public Kernel {
 public:
  explicit GammaGradientKernel(const OpDesc& desc) : gamma_(desc) {
    estimated_ns = estimate_ns(traffic(desc), 3000.0 * static_cast<double>(gamma_.count));
    in_place[0] = 3;
  }

  ct_code run(const Launch& to, ct_error* error) const override {
    if (gamma_.count == 0) return CT_OK;
    return dispatch_float(gamma_.dtype, [&](auto element) {
      using T = decltype(element);
      const auto kernel = gamma_gradient_kernel<T>;
      const unsigned grid = to.device.grid(kernel, gamma_.count, kBlock);
      return check(
          launch(grid, kBlock, 0, to.stream(), kernel, to.input<T>(0), to.input<T>(1), to.output<T>(0), gamma_.count),
          error, "randomGammaGradient");
    });
  }

 private:
  const GammaGradientParameters gamma_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_random_gamma_gradient(const OpDesc& desc, Device&) {
  return std::make_unique<GammaGradientKernel>(desc);
}

}  // namespace cotangent::cuda
