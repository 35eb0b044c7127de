// What a .cu file includes first. The same sources are compiled by nvcc and, for tests on machines without a GPU, by
// the C++ compiler against native/emulation, whose headers stand in for the toolkit's.
//
//   auto& tile = SHARED(float[32][33]);     static shared memory
//   float* rows = dynamic_shared<float>();  what the launch gave
//   launch(grid, block, shared_bytes, stream, kernel<float>, x, y, n);
#ifndef COTANGENT_BACKEND_CUDA_DEVICE_CODE_H
#define COTANGENT_BACKEND_CUDA_DEVICE_CODE_H

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#if defined(COTANGENT_CUDA_EMULATED)

#include "native/emulation/launch.h"

#else

#define SHARED(...)              \
  ([]() -> auto& {               \
    using Storage = __VA_ARGS__; \
    __shared__ Storage storage;  \
    return storage;              \
  }())

namespace cotangent::cuda {

template <class T>
__device__ __forceinline__ T* dynamic_shared() {
  extern __shared__ double2 storage[];  // one name and one type for all: aligned to 16 bytes
  return reinterpret_cast<T*>(storage);
}

template <class T>
struct Identity {
  using Type = T;
};

// Argument types come from the kernel's signature, so that a literal of another type is converted, not misread.
template <class... P>
cudaError_t launch(dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream, void (*kernel)(P...),
                   typename Identity<P>::Type... arguments) {
  kernel<<<grid, block, shared_bytes, stream>>>(arguments...);
  return cudaPeekAtLastError();
}

}  // namespace cotangent::cuda

#endif

namespace cotangent::cuda {

constexpr unsigned kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

// Where a thread starts and how far it steps in a loop over all elements of a one-dimensional grid.
__device__ __forceinline__ int64_t grid_start() { return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ __forceinline__ int64_t grid_step() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

}  // namespace cotangent::cuda

#endif
