// The emulated CUDA runtime, in place of the toolkit's header: what the C++ compiler needs to compile a .cu file.
#ifndef COTANGENT_EMULATION_CUDA_RUNTIME_H
#define COTANGENT_EMULATION_CUDA_RUNTIME_H

#define __global__
#define __device__
#define __host__
#define __constant__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
// Empty, because libstdc++ writes __attribute__((__noinline__)).
#define __noinline__

// clang-format off
#include "cuda_runtime_api.h"
#include "device_launch_parameters.h"
#include "native/emulation/device/atomics.h"
#include "native/emulation/device/intrinsics.h"
#include "native/emulation/device/warp.h"
// clang-format on

template <class R, class... P>
cudaError_t cudaFuncSetAttribute(R (*function)(P...), cudaFuncAttribute attribute, int value) {
  return cudaFuncSetAttribute(reinterpret_cast<const void*>(function), attribute, value);
}

template <class R, class... P>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, R (*function)(P...)) {
  return cudaFuncGetAttributes(attributes, reinterpret_cast<const void*>(function));
}

template <class R, class... P>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, R (*function)(P...), int block_size,
                                                          size_t dynamic_shared_bytes) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, reinterpret_cast<const void*>(function), block_size,
                                                       dynamic_shared_bytes);
}

// The block size, a multiple of the warp, that keeps most threads resident; the larger one of equals.
template <class F>
cudaError_t cudaOccupancyMaxPotentialBlockSize(int* grid_size, int* block_size, F function,
                                               size_t dynamic_shared_bytes = 0, int block_size_limit = 0) {
  int best_threads = 0, multiprocessors = 0;
  if (block_size_limit <= 0 || block_size_limit > 1024) block_size_limit = 1024;
  if (const cudaError_t error = cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, 0)) {
    return error;
  }
  for (int size = block_size_limit / 32 * 32; size > 0; size -= 32) {
    int blocks = 0;
    if (const cudaError_t error =
            cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function, size, dynamic_shared_bytes)) {
      return error;
    }
    if (blocks * size <= best_threads) continue;
    best_threads = blocks * size;
    *block_size = size;
    *grid_size = blocks * multiprocessors;
  }
  return best_threads > 0 ? cudaSuccess : cudaErrorInvalidConfiguration;
}

template <class T>
cudaError_t cudaMalloc(T** pointer, size_t bytes) {
  return cudaMalloc(reinterpret_cast<void**>(pointer), bytes);
}

template <class T>
cudaError_t cudaMallocAsync(T** pointer, size_t bytes, cudaStream_t stream) {
  return cudaMallocAsync(reinterpret_cast<void**>(pointer), bytes, stream);
}

template <class T>
cudaError_t cudaMallocHost(T** pointer, size_t bytes, unsigned flags = 0) {
  return cudaHostAlloc(reinterpret_cast<void**>(pointer), bytes, flags);
}

template <class T>
cudaError_t cudaHostAlloc(T** pointer, size_t bytes, unsigned flags) {
  return cudaHostAlloc(reinterpret_cast<void**>(pointer), bytes, flags);
}

#endif
