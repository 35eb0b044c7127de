#include "native/kernels/elementwise/chain_reduction.h"

namespace cotangent::cuda {

ChainReduceFunctions float_chain_reduce(bool costly) {
  return {costly ? chain_reduce_kernel<float, true> : chain_reduce_kernel<float, false>, combine_chunks_kernel<float>};
}

}  // namespace cotangent::cuda
