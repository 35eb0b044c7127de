// argMax and argMin: the first place of the largest (smallest) element; NaN wins. Elements are compared by their keys
// of sort_keys.h, in which NaN is the largest in either direction and -0 equals 0.
#include "native/backend/cuda/dispatch.h"
#include "native/kernels/reduce/reduce_cuda.h"
#include "native/kernels/reduce/reduce_device.h"
#include "native/kernels/sort/sort_keys.h"

namespace cotangent::cuda {
namespace {

template <class K>
struct Winner {
  K key;
  int32_t place;  // kNowhere: no element yet
};

// Smallest keys win: those of descending order for the largest element.
template <class T>
struct Choosing {
  using K = Key<T>;
  using Acc = Winner<K>;
  static constexpr bool kBlocksFinish = false;
  static constexpr int32_t kNowhere = INT32_MAX;

  bool largest;

  // Of the types with the same keys, one.
  Choosing<std::conditional_t<sizeof(K) == 8, double, uint32_t>> later() const { return {largest}; }
  __device__ __forceinline__ Acc identity() const { return {static_cast<K>(~K(0)), kNowhere}; }
  __device__ __forceinline__ Acc take(Acc acc, T element, int64_t place) const {
    return merge(acc, {first_key(element, largest), static_cast<int32_t>(place)});
  }
  __device__ __forceinline__ Acc take(Acc acc, Acc element, int64_t) const { return merge(acc, element); }
  __device__ __forceinline__ Acc merge(Acc a, Acc b) const {
    const bool second = b.key < a.key || (b.key == a.key && b.place < a.place);
    return second ? b : a;
  }
  __device__ __forceinline__ Acc shuffle(Acc acc, int mask) const {
    return {shuffle_xor(acc.key, mask), shuffle_xor(acc.place, mask)};
  }
  __device__ __forceinline__ void store(int32_t* y, Acc acc) const { *y = acc.place; }
  __device__ __forceinline__ void store(Acc* y, Acc acc) const { *y = acc; }

 private:
  // NaN, which is last for a sort, is first here.
  __device__ static __forceinline__ K first_key(T x, bool largest) {
    if constexpr (std::is_floating_point_v<T>) {
      if (x != x) return K(0);
    }
    const K key = key_of<T, false>(x);
    return largest ? static_cast<K>(~key) : key;
  }
};

std::unique_ptr<Kernel> prepare(const OpDesc& desc, bool largest) {
  const ArgReduceParameters parameters(desc);
  return dispatch_dtype(parameters.dtype, [&](auto element) -> std::unique_ptr<Kernel> {
    using T = decltype(element);
    return std::make_unique<ReducePasses<Choosing<T>, T, int32_t>>(desc, std::vector<ReduceShape>{parameters.stage},
                                                                   Choosing<T>{largest});
  });
}

}  // namespace

std::unique_ptr<Kernel> prepare_arg_max(const OpDesc& desc, Device&) { return prepare(desc, true); }
std::unique_ptr<Kernel> prepare_arg_min(const OpDesc& desc, Device&) { return prepare(desc, false); }

}  // namespace cotangent::cuda
