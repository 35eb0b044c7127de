#include "native/kernels/reduce/combining.h"
#include "native/kernels/reduce/reduce_cuda.h"

namespace cotangent::cuda {

std::unique_ptr<Kernel> prepare_reduce_prod(const OpDesc& desc, Device&) { return prepare_arithmetic<ProductOf>(desc); }

}  // namespace cotangent::cuda
