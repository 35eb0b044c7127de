#include "native/kernels/elementwise/chain_machine.h"

namespace cotangent::cuda {

ChainFunction float_chain(bool costly) { return costly ? chain_kernel<float, true> : chain_kernel<float, false>; }

}  // namespace cotangent::cuda
