#include "native/kernels/cumulative/cumulative_cuda.h"

namespace cotangent::cuda {

void register_cumulative(Registry& registry) {
  registry.add("cumSum", prepare_cum_sum);
  registry.add("cumProd", prepare_cum_prod);
  registry.add("cumMax", prepare_cum_max);
  registry.add("cumMin", prepare_cum_min);
  registry.add("linearRecurrence", prepare_linear_recurrence);
}

}  // namespace cotangent::cuda
