#include "native/kernels/reduce/reduce_cuda.h"

namespace cotangent::cuda {

void register_reduce(Registry& registry) {
  registry.add("reduceSum", prepare_reduce_sum);
  registry.add("reduceProd", prepare_reduce_prod);
  registry.add("reduceMax", prepare_reduce_max);
  registry.add("reduceMin", prepare_reduce_min);
  registry.add("argMax", prepare_arg_max);
  registry.add("argMin", prepare_arg_min);
}

}  // namespace cotangent::cuda
