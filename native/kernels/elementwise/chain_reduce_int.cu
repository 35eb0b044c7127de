#include "native/kernels/elementwise/chain_reduction.h"

namespace cotangent::cuda {

ChainReduceFunctions int_chain_reduce() {
  return {chain_reduce_kernel<int32_t, false>, combine_chunks_kernel<int32_t>};
}
ChainReduceFunctions uint_chain_reduce() {
  return {chain_reduce_kernel<uint32_t, false>, combine_chunks_kernel<uint32_t>};
}

}  // namespace cotangent::cuda
