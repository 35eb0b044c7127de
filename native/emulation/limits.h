// The imaginary device: what a kernel may ask of compute capability 9.0 (CUDA C++ Programming Guide, "Compute
// Capabilities"). It has few multiprocessors, so that grids sized by occupancy stay small and grid-stride loops loop.
#ifndef COTANGENT_EMULATION_LIMITS_H
#define COTANGENT_EMULATION_LIMITS_H

#include <cstddef>

namespace cotangent::emulation {

constexpr int kMajor = 9, kMinor = 0, kMultiprocessors = 4;
constexpr int kThreadsPerBlock = 1024, kThreadsPerMultiprocessor = 2048, kBlocksPerMultiprocessor = 32;
constexpr int kBlockX = 1024, kBlockY = 1024, kBlockZ = 64;
constexpr int kGridX = 2147483647, kGridY = 65535, kGridZ = 65535;
constexpr size_t kSharedPerBlock = 48 * 1024, kSharedPerBlockOptIn = 227 * 1024, kSharedReserved = 1024;
constexpr size_t kSharedPerMultiprocessor = 228 * 1024;
constexpr int kVersion = 13000;

}  // namespace cotangent::emulation

#endif
