// randomGamma: a thread an element, with the CPU's counters and formulas (random_formulas.h). Lanes of a warp wait for
// the one that needs most attempts: 1.05 on average, 2 or 3 for the slowest of 32.
#include "native/backend/cuda/device_code.h"
#include "native/backend/cuda/dispatch.h"
#include "native/kernels/random/parameters.h"
#include "native/kernels/random/random_cuda.h"
#include "native/kernels/random/random_formulas.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kBlock = 128;

// y may be the shapes.
template <class T>
__global__ void __launch_bounds__(kBlock)
    random_gamma_kernel(const uint32_t* __restrict__ keys, const T* shapes, T* y, int64_t count, int64_t lane) {
  for (int64_t i = grid_start(); i < count; i += grid_step()) {
    const int64_t stream = i / lane, element = i - stream * lane;
    y[i] = static_cast<T>(random::gamma(static_cast<double>(shapes[i]), static_cast<uint64_t>(element),
                                        keys[2 * stream], keys[2 * stream + 1]));
  }
}

class GammaKernel : public Kernel {
 public:
  explicit GammaKernel(const OpDesc& desc) : gamma_(desc) {
    estimated_ns = estimate_ns(traffic(desc), 1000.0 * static_cast<double>(gamma_.count));
    in_place[0] = 2;
  }

  ct_code run(const Launch& to, ct_error* error) const override {
    if (gamma_.count == 0) return CT_OK;
    return dispatch_float(gamma_.dtype, [&](auto element) {
      using T = decltype(element);
      const auto kernel = random_gamma_kernel<T>;
      const unsigned grid = to.device.grid(kernel, gamma_.count, kBlock);
      return check(launch(grid, kBlock, 0, to.stream(), kernel, to.input<uint32_t>(0), to.input<T>(1), to.output<T>(0),
                          gamma_.count, gamma_.lane),
                   error, "randomGamma");
    });
  }

 private:
  const GammaParameters gamma_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_random_gamma(const OpDesc& desc, Device&) {
  return std::make_unique<GammaKernel>(desc);
}

}  // namespace cotangent::cuda
