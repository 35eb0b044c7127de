#include "native/kernels/matmul/matmul_cuda.h"

namespace cotangent::cuda {

void register_matmul(Registry& registry) { registry.add("matmul", prepare_matmul); }

}  // namespace cotangent::cuda
