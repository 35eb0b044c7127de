// Caching allocator: device memory in size classes, kept warm for reuse. Fresh pages cost more than most kernels.
#ifndef COTANGENT_CORE_ALLOCATOR_H
#define COTANGENT_CORE_ALLOCATOR_H

#include <cstdint>
#include <mutex>
#include <vector>

#include "native/backend/backend.h"

namespace cotangent {

struct MemoryStatistics {
  uint64_t used;    // handed out
  uint64_t cached;  // kept warm
  uint64_t peak;    // of used
  uint64_t limit;
};

class Allocator {
 public:
  // The limit is 80 % of the device's memory at first.
  Allocator(const ct_backend& backend, ct_device* device);
  ~Allocator();
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;

  // At least 64-byte aligned; null when the limit refuses. Throws Error: CT_OUT_OF_MEMORY when the device has no more,
  // or what else it reports.
  void* allocate(uint64_t bytes);
  // `bytes` as given to allocate.
  void release(void* pointer, uint64_t bytes);

  void set_limit(uint64_t bytes);
  MemoryStatistics statistics() const;

  // "[allocate] Expected ...": why the limit refused `bytes` bytes and what to do.
  [[noreturn]] void refuse(uint64_t bytes) const;

 private:
  static constexpr int kStepsPerPower = 8;                   // size classes per power of two: at most 12.5 % are wasted
  static constexpr int kClasses = 16 + 43 * kStepsPerPower;  // up to 1 KiB, and from there to 2^53 bytes

  static int size_class(uint64_t bytes);
  static uint64_t class_bytes(int index);
  void trim_locked(uint64_t target);  // gives cached blocks back until at most `target` bytes are cached

  const ct_backend& backend_;
  ct_device* const device_;
  mutable std::mutex mutex_;
  std::vector<void*> free_[kClasses];
  uint64_t used_ = 0, cached_ = 0, peak_ = 0, limit_;
};

}  // namespace cotangent

#endif
