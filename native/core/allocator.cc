#include "native/core/allocator.h"

#include <algorithm>
#include <string>

#include "native/core/types.h"
#include "native/core/value.h"

namespace cotangent {
namespace {

constexpr uint64_t kSmallStep = 64;     // classes are multiples of 64 bytes up to
constexpr uint64_t kSmallLimit = 1024;  // this size, then kStepsPerPower for each power of two
constexpr uint64_t kLargest = uint64_t{1} << 53;

int log2_floor(uint64_t value) { return 63 - __builtin_clzll(value); }

}  // namespace

Allocator::Allocator(const ct_backend& backend, ct_device* device)
    : backend_(backend), device_(device), limit_(backend.memory_bytes(device) / 5 * 4) {}

Allocator::~Allocator() { trim_locked(0); }

int Allocator::size_class(uint64_t bytes) {
  if (bytes <= kSmallLimit) return bytes == 0 ? 0 : static_cast<int>((bytes - 1) / kSmallStep);
  const int power = log2_floor(bytes - 1);  // 2^power < bytes <= 2^(power + 1)
  const uint64_t step = (uint64_t{1} << power) / kStepsPerPower;
  const int within = static_cast<int>((bytes - 1 - (uint64_t{1} << power)) / step);
  return static_cast<int>(kSmallLimit / kSmallStep) + (power - 10) * kStepsPerPower + within;
}

uint64_t Allocator::class_bytes(int index) {
  constexpr int kSmall = static_cast<int>(kSmallLimit / kSmallStep);
  static_assert(kLargest == kSmallLimit << ((kClasses - kSmall) / kStepsPerPower),
                "the largest size has the last class");
  if (index < kSmall) return static_cast<uint64_t>(index + 1) * kSmallStep;
  const int power = (index - kSmall) / kStepsPerPower + 10, within = (index - kSmall) % kStepsPerPower;
  return (uint64_t{1} << power) / kStepsPerPower * static_cast<uint64_t>(kStepsPerPower + within + 1);
}

void* Allocator::allocate(uint64_t bytes) {
  if (bytes > kLargest) return nullptr;
  const int index = size_class(bytes);
  const uint64_t size = class_bytes(index);
  std::lock_guard<std::mutex> lock(mutex_);
  if (size > limit_ || used_ > limit_ - size) return nullptr;
  void* pointer = nullptr;
  if (!free_[index].empty()) {
    pointer = free_[index].back();
    free_[index].pop_back();
    cached_ -= size;
  } else {
    if (used_ + cached_ + size > limit_) trim_locked(limit_ - used_ - size);
    ct_error error{};
    if (backend_.allocate(device_, size, &pointer, &error) != CT_OK) {
      trim_locked(0);
      error = {};
      const int32_t code = backend_.allocate(device_, size, &pointer, &error);
      if (code == CT_OUT_OF_MEMORY) {
        throw Error({CT_OUT_OF_MEMORY, "allocate",
                     "[allocate] Expected the device to have " + std::to_string(bytes) +
                         " bytes left, received none while " + std::to_string(used_) +
                         " bytes are in use, below the memory limit of " + std::to_string(limit_) +
                         " bytes. Hint: free tensors with dispose(), `using` or scope(), or end other programs that "
                         "use the device's memory."});
      }
      if (code != CT_OK) throw Error(to_failure(error));  // the device's fault, not its memory's
    }
  }
  used_ += size;
  peak_ = std::max(peak_, used_);
  return pointer;
}

void Allocator::release(void* pointer, uint64_t bytes) {
  const int index = size_class(bytes);
  const uint64_t size = class_bytes(index);
  std::lock_guard<std::mutex> lock(mutex_);
  used_ -= size;
  // Half the limit at most stays warm: the rest of the process needs memory, too.
  if (used_ + cached_ + size > limit_ || cached_ + size > limit_ / 2) {
    backend_.release(device_, pointer, size);
    return;
  }
  free_[index].push_back(pointer);
  cached_ += size;
}

void Allocator::trim_locked(uint64_t target) {
  for (int index = kClasses - 1; index >= 0 && cached_ > target; --index) {
    const uint64_t size = class_bytes(index);
    while (!free_[index].empty() && cached_ > target) {
      backend_.release(device_, free_[index].back(), size);
      free_[index].pop_back();
      cached_ -= size;
    }
  }
}

void Allocator::set_limit(uint64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  limit_ = bytes;
  if (used_ + cached_ > limit_) trim_locked(limit_ > used_ ? limit_ - used_ : 0);
}

MemoryStatistics Allocator::statistics() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return {used_, cached_, peak_, limit_};
}

void Allocator::refuse(uint64_t bytes) const {
  const MemoryStatistics now = statistics();
  throw Error({CT_OUT_OF_MEMORY, "allocate",
               "[allocate] Expected " + std::to_string(bytes) + " bytes to fit the memory limit of " +
                   std::to_string(now.limit) + " bytes, received a request while " + std::to_string(now.used) +
                   " bytes are in use. Hint: free tensors with dispose(), `using` or scope(), or raise the limit with "
                   "setMemoryLimit()."});
}

Ref<Buffer> Buffer::allocate(Allocator& allocator, uint64_t bytes) {
  void* const pointer = allocator.allocate(bytes);
  if (!pointer) allocator.refuse(bytes);
  return Ref<Buffer>::adopt(new Buffer(allocator, pointer, bytes));
}

void Buffer::release() {
  if (!drop()) return;
  allocator_.release(pointer_, bytes_);
  delete this;
}

}  // namespace cotangent
