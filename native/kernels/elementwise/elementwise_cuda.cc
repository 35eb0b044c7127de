#include "native/kernels/elementwise/elementwise_cuda.h"

namespace cotangent::cuda {

void register_elementwise(Registry& registry) {
  registry.add("chain", prepare_chain);
  registry.add("chainReduce", prepare_chain_reduce);
  registry.add("cast", prepare_cast);
}

}  // namespace cotangent::cuda
