#include "native/kernels/pooling/pooling_cuda.h"

namespace cotangent::cuda {

void register_pooling(Registry& registry) {
  registry.add("maxPool", prepare_max_pool);
  registry.add("poolGather", prepare_pool_gather);
  registry.add("poolScatter", prepare_pool_scatter);
}

}  // namespace cotangent::cuda
