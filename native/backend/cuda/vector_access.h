// 16 bytes of device memory at a time, as elements.
#ifndef COTANGENT_BACKEND_CUDA_VECTOR_ACCESS_H
#define COTANGENT_BACKEND_CUDA_VECTOR_ACCESS_H

#include "native/backend/cuda/device_code.h"

namespace cotangent::cuda {

template <class T>
constexpr int kPerVector = 16 / sizeof(T);

// Elements from x to the next multiple of 16 bytes.
template <class T>
__device__ __forceinline__ int elements_to_alignment(const T* x) {
  return static_cast<int>((16 - reinterpret_cast<uintptr_t>(x) % 16) % 16 / sizeof(T));
}

// `from` and `to` are multiples of 16 bytes.
template <class T>
__device__ __forceinline__ void load_vector(T (&to)[kPerVector<T>], const T* from) {
  const uint4 raw = *reinterpret_cast<const uint4*>(from);
  __builtin_memcpy(to, &raw, sizeof raw);
}

template <class T>
__device__ __forceinline__ void store_vector(T* to, const T (&from)[kPerVector<T>]) {
  uint4 raw;
  __builtin_memcpy(&raw, from, sizeof raw);
  *reinterpret_cast<uint4*>(to) = raw;
}

}  // namespace cotangent::cuda

#endif
