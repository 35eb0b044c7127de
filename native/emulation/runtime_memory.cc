// cudaMalloc and its kin, copies and fills.
#include <cstring>
#include <vector>

#include "native/emulation/memory.h"
#include "native/emulation/streams.h"

namespace cotangent::emulation {
namespace {

enum class Side : uint8_t { kPageable, kPinned, kDevice };

Side side_of(const void* address) {
  if (memory::owns(address)) return Side::kDevice;
  return memory::is_host(address) ? Side::kPinned : Side::kPageable;
}

struct Copy {
  char* to;
  const char* from;
  size_t bytes;

  void run() const {
    memory::open(to);
    memory::open(from);
    std::memmove(to, from, bytes);
  }
};

// Device memory is in one allocation, which is there at the latest when the copy runs; a freed or foreign range is
// refused at once. An allocation that waits in its stream is checked by its address.
bool in_one_allocation(const void* address, size_t bytes) {
  const memory::Allocation* a = memory::find(address);
  const auto begin = reinterpret_cast<uintptr_t>(address);
  return a != nullptr && begin >= a->begin && begin + bytes <= a->begin + a->bytes;
}

cudaError_t check(const Copy& copy, cudaMemcpyKind kind, Side to, Side from) {
  if (copy.to == nullptr || copy.from == nullptr) return cudaErrorInvalidValue;
  // Page-locked memory is an address of the device, too.
  const bool to_device = kind != cudaMemcpyDeviceToHost, from_device = kind != cudaMemcpyHostToDevice;
  if (to_device ? to == Side::kPageable : to == Side::kDevice) return cudaErrorInvalidValue;
  if (from_device ? from == Side::kPageable : from == Side::kDevice) return cudaErrorInvalidValue;
  if (to == Side::kDevice && !in_one_allocation(copy.to, copy.bytes)) return cudaErrorInvalidValue;
  if (from == Side::kDevice && !in_one_allocation(copy.from, copy.bytes)) return cudaErrorInvalidValue;
  return cudaSuccess;
}

cudaError_t copy(const Copy& copy, cudaMemcpyKind kind, cudaStream_t handle, bool wait) {
  return api([&]() -> cudaError_t {
    const auto stream = streams::find(handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    if (copy.bytes == 0) return cudaSuccess;
    const Side to = side_of(copy.to), from = side_of(copy.from);
    if (const cudaError_t error = check(copy, kind, to, from)) return error;
    if (!wait && from == Side::kPageable && to != Side::kPageable) {
      // The driver stages pageable memory before the call returns: the caller may reuse it, and only it.
      const auto staged = std::make_shared<std::vector<char>>(copy.from, copy.from + copy.bytes);
      streams::enqueue(stream, [copy, staged] { Copy{copy.to, staged->data(), copy.bytes}.run(); });
      return cudaSuccess;
    }
    streams::enqueue(stream, [copy] { copy.run(); });
    // A copy that touches pageable memory returns when it is done; the others when they are queued.
    if (wait || to == Side::kPageable || from == Side::kPageable) streams::run(streams::mark(stream));
    return cudaSuccess;
  });
}

cudaError_t fill(void* address, int value, size_t bytes, cudaStream_t handle) {
  return api([&]() -> cudaError_t {
    const auto stream = streams::find(handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    if (bytes == 0) return cudaSuccess;
    const Side side = side_of(address);
    if (side == Side::kPageable || (side == Side::kDevice && !in_one_allocation(address, bytes))) {
      return cudaErrorInvalidValue;
    }
    streams::enqueue(stream, [=] {
      memory::open(address);
      std::memset(address, value, bytes);
    });
    return cudaSuccess;
  });
}

// The allocation that begins there and may be freed, or nullptr.
memory::Allocation* allocation_at(void* address) {
  memory::Allocation* a = memory::owns(address) ? memory::find(address) : nullptr;
  return a != nullptr && a->begin == reinterpret_cast<uintptr_t>(address) && !a->freed ? a : nullptr;
}

}  // namespace
}  // namespace cotangent::emulation

using namespace cotangent::emulation;

extern "C" {

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  return api([&]() -> cudaError_t {
    *pointer = nullptr;
    if (bytes == 0) return cudaSuccess;
    memory::Allocation* a = memory::allocate(bytes);
    if (a == nullptr) return cudaErrorMemoryAllocation;
    memory::commit(*a);
    memory::close();
    *pointer = reinterpret_cast<void*>(a->begin);
    return cudaSuccess;
  });
}

cudaError_t cudaFree(void* pointer) {
  return api([&]() -> cudaError_t {
    if (pointer == nullptr) return cudaSuccess;
    streams::run_all();  // as the device does
    memory::Allocation* a = allocation_at(pointer);
    if (a == nullptr) return cudaErrorInvalidValue;
    memory::release(*a);
    return cudaSuccess;
  });
}

cudaError_t cudaMallocAsync(void** pointer, size_t bytes, cudaStream_t handle) {
  return api([&]() -> cudaError_t {
    const auto stream = streams::find(handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    *pointer = nullptr;
    if (bytes == 0) return cudaSuccess;
    memory::Allocation* a = memory::allocate(bytes);
    if (a == nullptr) return cudaErrorMemoryAllocation;
    *pointer = reinterpret_cast<void*>(a->begin);
    streams::enqueue(stream, [a] { memory::commit(*a); });
    return cudaSuccess;
  });
}

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t handle) {
  return api([&]() -> cudaError_t {
    const auto stream = streams::find(handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    if (pointer == nullptr) return cudaSuccess;
    memory::Allocation* a = allocation_at(pointer);
    if (a == nullptr) return cudaErrorInvalidValue;
    a->freed = true;
    streams::enqueue(stream, [a] { memory::release(*a); });
    return cudaSuccess;
  });
}

cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) {
  return api([&]() -> cudaError_t {
    *pointer = bytes == 0 ? nullptr : memory::allocate_host(bytes);
    return bytes != 0 && *pointer == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
  });
}

cudaError_t cudaFreeHost(void* pointer) {
  return api([&]() -> cudaError_t {
    if (pointer == nullptr) return cudaSuccess;
    streams::run_all();
    return memory::release_host(pointer) ? cudaSuccess : cudaErrorInvalidValue;
  });
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return copy({static_cast<char*>(to), static_cast<const char*>(from), bytes}, kind, nullptr, true);
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  return copy({static_cast<char*>(to), static_cast<const char*>(from), bytes}, kind, stream, false);
}

cudaError_t cudaMemsetAsync(void* pointer, int value, size_t bytes, cudaStream_t stream) {
  return fill(pointer, value, bytes, stream);
}

}  // extern "C"
