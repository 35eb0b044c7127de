// What the lanes of a warp find together, by shuffles. All lanes take part, and the order is fixed.
#ifndef COTANGENT_BACKEND_CUDA_WARP_H
#define COTANGENT_BACKEND_CUDA_WARP_H

#include <type_traits>

#include "native/backend/cuda/device_code.h"

namespace cotangent::cuda {

// NaN where any lane has it: all lanes hold the same, so that a branch on it keeps the warp together.
template <class T>
__device__ __forceinline__ T warp_max(T value) {
  for (unsigned step = kWarp / 2; step > 0; step /= 2) {
    const T other = __shfl_xor_sync(kAllLanes, value, static_cast<int>(step));
    bool taken = value < other;
    if constexpr (std::is_floating_point_v<T>) taken = taken || other != other;
    value = taken ? other : value;
  }
  return value;
}

// The same bits in all lanes.
template <class T>
__device__ __forceinline__ T warp_sum(T value) {
  for (unsigned step = kWarp / 2; step > 0; step /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, static_cast<int>(step));
  }
  return value;
}

// The sum over the lanes up to and with this one.
template <class T>
__device__ __forceinline__ T warp_inclusive_scan(T value, unsigned lane) {
  for (unsigned delta = 1; delta < kWarp; delta *= 2) {
    const T before = __shfl_up_sync(kAllLanes, value, delta);
    if (lane >= delta) value += before;
  }
  return value;
}

}  // namespace cotangent::cuda

#endif
