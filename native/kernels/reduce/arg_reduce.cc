// argMax and argMin along one axis: the first winner; NaN wins. The operand is seen as [outer, size, inner].
#include "native/kernels/reduce/arg_reduce.h"

#include <algorithm>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/reduce/parameters.h"
#include "native/kernels/reduce/reduce_loops.h"

namespace cotangent::cpu {
namespace {

class ArgKernel : public Kernel {
 public:
  ArgKernel(const OpDesc& desc, const ArgReduceParameters& parameters, ArgLoops loops)
      : loops_(loops),
        outer_(parameters.stage.outer),
        size_(parameters.stage.size),
        inner_(parameters.stage.inner),
        element_(element_bytes(parameters.dtype)) {
    estimated_ns = estimate_ns(2 * traffic(desc));
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    constexpr int64_t kGrain = 32768;
    const char* const x = static_cast<const char*>(launch.in[0]);
    int32_t* const y = static_cast<int32_t*>(launch.out[0]);
    if (inner_ == 1) {
      launch.parallel.range(outer_, kGrain / size_, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) y[i] = loops_.row(x + i * size_ * element_, size_);
      });
      return CT_OK;
    }
    const int64_t tiles = (inner_ + kReduceWidth - 1) / kReduceWidth;
    const int64_t item = std::max<int64_t>(1, size_ * std::min(inner_, kReduceWidth));
    launch.parallel.range(outer_ * tiles, kGrain / item, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t outer = i / tiles, column = i % tiles * kReduceWidth;
        loops_.columns(x + (outer * size_ * inner_ + column) * element_, size_, inner_,
                       std::min(kReduceWidth, inner_ - column), y + outer * inner_ + column);
      }
    });
    return CT_OK;
  }

 private:
  ArgLoops loops_;
  int64_t outer_, size_, inner_, element_;
};

std::unique_ptr<Kernel> prepare(const OpDesc& desc, Reduction reduction) {
  const ArgReduceParameters parameters(desc);
  const ArgLoops loops = COTANGENT_SIMD_DISPATCH(arg_loops)(reduction, parameters.dtype);
  return std::make_unique<ArgKernel>(desc, parameters, loops);
}

}  // namespace

std::unique_ptr<Kernel> prepare_arg_max(const OpDesc& desc) { return prepare(desc, Reduction::kMax); }
std::unique_ptr<Kernel> prepare_arg_min(const OpDesc& desc) { return prepare(desc, Reduction::kMin); }

}  // namespace cotangent::cpu
