#include "native/kernels/elementwise/chain_machine.h"

namespace cotangent::cuda {

ChainFunction double_chain(bool costly) { return costly ? chain_kernel<double, true> : chain_kernel<double, false>; }

}  // namespace cotangent::cuda
