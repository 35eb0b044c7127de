// Checks a launch against the device's limits and queues it; occupancy and function attributes.
#include "native/emulation/launch.h"

#include <algorithm>
#include <memory>

#include "native/emulation/limits.h"
#include "native/emulation/scheduler.h"
#include "native/emulation/streams.h"

namespace cotangent::emulation {
namespace {

cudaError_t check(const Launch& launch) {
  if (launch.kernel == nullptr) return cudaErrorInvalidDeviceFunction;
  const dim3 &block = launch.block, &grid = launch.grid;
  if (block.x == 0 || block.y == 0 || block.z == 0 || grid.x == 0 || grid.y == 0 || grid.z == 0 || block.x > kBlockX ||
      block.y > kBlockY || block.z > kBlockZ || block.x * block.y * block.z > unsigned{kThreadsPerBlock} ||
      grid.x > unsigned{kGridX} || grid.y > unsigned{kGridY} || grid.z > unsigned{kGridZ}) {
    return cudaErrorInvalidConfiguration;
  }
  // Static arrays are known from the kernel's earlier runs; the first run checks them when it meets them.
  const size_t static_bytes = scheduler::static_shared_bytes(launch.kernel);
  return scheduler::fits_shared(launch.kernel, static_bytes, launch.dynamic_shared_bytes) ? cudaSuccess
                                                                                          : cudaErrorInvalidValue;
}

}  // namespace

cudaError_t enqueue_launch(Launch&& launch, cudaStream_t handle) {
  return api([&]() -> cudaError_t {
    const auto stream = streams::find(handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    if (const cudaError_t error = check(launch)) return error;
    const auto queued = std::make_shared<const Launch>(std::move(launch));
    streams::enqueue(stream, [queued] { scheduler::run(*queued); });
    return cudaSuccess;
  });
}

}  // namespace cotangent::emulation

using namespace cotangent::emulation;

extern "C" {

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  return api([&]() -> cudaError_t {
    if (function == nullptr) return cudaErrorInvalidDeviceFunction;
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
        static_cast<size_t>(value) + scheduler::static_shared_bytes(function) > kSharedPerBlockOptIn) {
      return cudaErrorInvalidValue;
    }
    scheduler::allow_dynamic(function, static_cast<size_t>(value));
    return cudaSuccess;
  });
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* function, int block_size,
                                                          size_t dynamic_shared_bytes) {
  return api([&]() -> cudaError_t {
    if (function == nullptr) return cudaErrorInvalidDeviceFunction;
    if (block_size <= 0) return cudaErrorInvalidValue;
    const size_t static_bytes = scheduler::static_shared_bytes(function);
    const size_t shared = dynamic_shared_bytes + static_bytes;
    const int whole_warps = (block_size + 31) / 32 * 32;
    *blocks = 0;
    if (block_size > kThreadsPerBlock || !scheduler::fits_shared(function, static_bytes, dynamic_shared_bytes)) {
      return cudaSuccess;
    }
    *blocks = std::min({kThreadsPerMultiprocessor / whole_warps, kBlocksPerMultiprocessor,
                        static_cast<int>(kSharedPerMultiprocessor / (shared + kSharedReserved))});
    return cudaSuccess;
  });
}

}  // extern "C"
