// The accumulation of reduceSum, reduceProd, reduceMax and reduceMin: elements are combined by an operator of
// reduce_ops.h. float32 sums and products accumulate in double throughout, between passes and stages too, so their
// error is that of one rounding; a float64 sum of n elements has one of at most (32 + log2 n) eps sum|x| or so, since
// every chain of additions is short and chains are merged pairwise.
#ifndef COTANGENT_KERNELS_REDUCE_COMBINING_H
#define COTANGENT_KERNELS_REDUCE_COMBINING_H

#include "native/kernels/reduce/reduce_device.h"
#include "native/kernels/reduce/reduce_ops.h"

namespace cotangent::cuda {
namespace {

template <template <class> class Op, class T>
struct Combining {
  using Acc = typename Op<T>::Partial;
  using Wide = Op<Acc>;
  static constexpr bool kBlocksFinish = true;

  Combining<Op, Acc> later() const { return {}; }
  __device__ __forceinline__ Acc identity() const { return Wide::kIdentity; }
  template <class In>
  __device__ __forceinline__ Acc take(Acc acc, In element, int64_t) const {
    return Wide::of(acc, static_cast<Acc>(element));
  }
  __device__ __forceinline__ Acc merge(Acc a, Acc b) const { return Wide::of(a, b); }
  __device__ __forceinline__ Acc shuffle(Acc acc, int mask) const { return shuffle_xor(acc, mask); }
  template <class Out>
  __device__ __forceinline__ void store(Out* y, Acc acc) const {
    *y = static_cast<Out>(acc);
  }
};

template <template <class> class Op, class T>
std::unique_ptr<Kernel> combine(const OpDesc& desc, const ReduceParameters& reduce) {
  return std::make_unique<ReducePasses<Combining<Op, T>, T, T>>(desc, reduce.stages, Combining<Op, T>{});
}

// Integers wrap: they are summed as unsigned.
template <template <class> class Op>
std::unique_ptr<Kernel> prepare_arithmetic(const OpDesc& desc) {
  const ReduceParameters reduce(desc, true);
  switch (reduce.dtype) {
    case CT_FLOAT32:
      return combine<Op, float>(desc, reduce);
    case CT_FLOAT64:
      return combine<Op, double>(desc, reduce);
    default:
      return combine<Op, uint32_t>(desc, reduce);
  }
}

template <template <class> class Op>
std::unique_ptr<Kernel> prepare_order(const OpDesc& desc) {
  const ReduceParameters reduce(desc, false);
  switch (reduce.dtype) {
    case CT_FLOAT32:
      return combine<Op, float>(desc, reduce);
    case CT_FLOAT64:
      return combine<Op, double>(desc, reduce);
    case CT_INT32:
      return combine<Op, int32_t>(desc, reduce);
    case CT_UINT32:
      return combine<Op, uint32_t>(desc, reduce);
    default:
      return combine<Op, uint8_t>(desc, reduce);
  }
}

}  // namespace
}  // namespace cotangent::cuda

#endif
