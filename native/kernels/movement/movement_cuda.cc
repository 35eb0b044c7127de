#include "native/kernels/movement/movement_cuda.h"

namespace cotangent::cuda {

void register_movement(Registry& registry) { registry.add("iota", prepare_iota); }

}  // namespace cotangent::cuda
