#include "native/kernels/elementwise/chain_machine.h"

namespace cotangent::cuda {

ChainFunction int_chain() { return chain_kernel<int32_t, false>; }
ChainFunction uint_chain() { return chain_kernel<uint32_t, false>; }

}  // namespace cotangent::cuda
