#include "native/kernels/reduce/combining.h"
#include "native/kernels/reduce/reduce_cuda.h"

namespace cotangent::cuda {

std::unique_ptr<Kernel> prepare_reduce_min(const OpDesc& desc, Device&) { return prepare_order<MinOf>(desc); }

}  // namespace cotangent::cuda
