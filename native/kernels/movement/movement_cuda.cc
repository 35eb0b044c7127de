#include "native/kernels/movement/movement_cuda.h"

namespace cotangent::cuda {

void register_movement(Registry& registry) {
  registry.add("broadcast", prepare_broadcast);
  registry.add("reshape", prepare_reshape);
  registry.add("transpose", prepare_transpose);
  registry.add("slice", prepare_slice);
  registry.add("pad", prepare_pad);
  registry.add("concatenate", prepare_concatenate);
  registry.add("gather", prepare_gather);
  registry.add("scatterAdd", prepare_scatter_add);
  registry.add("scatterSet", prepare_scatter_set);
  registry.add("takeAlongAxis", prepare_take_along_axis);
  registry.add("addAlongAxis", prepare_add_along_axis);
  registry.add("reverse", prepare_reverse);
  registry.add("dynamicSlice", prepare_dynamic_slice);
  registry.add("dynamicUpdate", prepare_dynamic_update);
  registry.add("iota", prepare_iota);
}

}  // namespace cotangent::cuda
