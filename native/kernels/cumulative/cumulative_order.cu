#include "native/kernels/cumulative/cumulation.h"
#include "native/kernels/cumulative/cumulative_cuda.h"

namespace cotangent::cuda {
namespace {

template <template <class> class Op>
std::unique_ptr<Kernel> prepare(const OpDesc& desc) {
  const LineParameters line = LineParameters::of_cumulation(desc);
  switch (line.dtype) {
    case CT_FLOAT32:
      return scan<Op, float>(desc, line);
    case CT_FLOAT64:
      return scan<Op, double>(desc, line);
    case CT_INT32:
      return scan<Op, int32_t>(desc, line);
    default:
      return scan<Op, uint32_t>(desc, line);
  }
}

}  // namespace

std::unique_ptr<Kernel> prepare_cum_max(const OpDesc& desc, Device&) { return prepare<MaxOf>(desc); }
std::unique_ptr<Kernel> prepare_cum_min(const OpDesc& desc, Device&) { return prepare<MinOf>(desc); }

}  // namespace cotangent::cuda
