#include "native/kernels/elementwise/chain_reduction.h"

namespace cotangent::cuda {

ChainReduceFunctions double_chain_reduce(bool costly) {
  return {costly ? chain_reduce_kernel<double, true> : chain_reduce_kernel<double, false>,
          combine_chunks_kernel<double>};
}

}  // namespace cotangent::cuda
