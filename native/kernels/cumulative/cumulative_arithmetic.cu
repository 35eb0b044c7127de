#include "native/kernels/cumulative/cumulation.h"
#include "native/kernels/cumulative/cumulative_cuda.h"

namespace cotangent::cuda {

// Integers wrap: they are summed as unsigned.
std::unique_ptr<Kernel> prepare_cum_sum(const OpDesc& desc, Device&) {
  const LineParameters line = LineParameters::of_cumulation(desc);
  if (line.dtype == CT_FLOAT32) return scan<SumOf, float>(desc, line);
  if (line.dtype == CT_FLOAT64) return scan<SumOf, double>(desc, line);
  return scan<SumOf, uint32_t>(desc, line);
}

std::unique_ptr<Kernel> prepare_cum_prod(const OpDesc& desc, Device&) {
  const LineParameters line = LineParameters::of_cumulation(desc);
  if (line.dtype == CT_FLOAT32) return scan<ProductOf, float, Scaled>(desc, line);
  if (line.dtype == CT_FLOAT64) return scan<ProductOf, double, Scaled>(desc, line);
  return scan<ProductOf, uint32_t>(desc, line);
}

}  // namespace cotangent::cuda
