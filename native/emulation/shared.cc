// Shared memory of the block that runs: an arena in which gaps lie between the arrays.
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <new>
#include <string>
#include <vector>

#include "native/emulation/fault.h"
#include "native/emulation/limits.h"
#include "native/emulation/machine.h"
#include "native/emulation/memory.h"
#include "native/emulation/sanitizers.h"
#include "native/emulation/scheduler.h"
#include "native/emulation/symbols.h"

namespace cotangent::emulation {
namespace {

constexpr size_t kArena = 512 * 1024, kGap = 128;
constexpr uint32_t kGapWord = kPoisonLow;

struct Array {
  const void* key;
  size_t offset, bytes;
};

struct KernelLimits {
  size_t static_bytes = 0;     // that it was seen to use
  size_t allowed_dynamic = 0;  // by cudaFuncSetAttribute
};

struct Shared {
  char* arena = nullptr;
  size_t end = 0;           // of what is given out, with gaps
  size_t static_bytes = 0;  // of this block's static arrays
  std::vector<Array> arrays;
  std::map<const void*, KernelLimits> kernels;
};

Shared& shared() {
  static Shared* instance = new Shared;
  return *instance;
}

// Of an array with its padding: poison and gaps are words. The padding holds the gap's bytes.
size_t whole_words(size_t bytes) { return (bytes + 3) / 4 * 4; }

// Names the dynamic array.
const char dynamic_key = 0;

// Under ThreadSanitizer every block gets memory that the sanitizer has no memory of: blocks are not ordered.
void renew_arena() {
  Shared& s = shared();
  if (s.arena != nullptr && !kThreadSanitizer) return;
  if (s.arena != nullptr) munmap(s.arena, kArena);
#if defined(COTANGENT_EMULATION_TSAN)
  // By system call, so that it is not taken for a write by this thread.
  void* memory = reinterpret_cast<void*>(
      syscall(SYS_mmap, nullptr, kArena, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
#else
  void* memory = mmap(nullptr, kArena, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#endif
  if (memory == MAP_FAILED) throw std::bad_alloc();
  s.arena = static_cast<char*>(memory);
  poison(s.arena, kArena);
}

void* storage(const void* key, size_t bytes, size_t alignment, Poison kind) {
  Shared& s = shared();
  for (const Array& array : s.arrays) {
    if (array.key == key) return s.arena + array.offset;
  }
  const size_t whole = whole_words(bytes);
  // An array has the alignment of its type and, below 16 bytes, no more: who reads it as float4 is to be caught.
  const bool loose = key != &dynamic_key && alignment < 16;
  const size_t offset = (s.end + kGap + 31) / 32 * 32 + (loose ? std::max(alignment, size_t{4}) : 0);
  if (key != &dynamic_key) s.static_bytes += bytes;
  const Launch& launch = *machine().launch;
  KernelLimits& kernel = s.kernels[launch.kernel];
  if (s.static_bytes > kernel.static_bytes) kernel.static_bytes = s.static_bytes;
  if (s.static_bytes > kSharedPerBlock ||
      !scheduler::fits_shared(launch.kernel, s.static_bytes, launch.dynamic_shared_bytes) ||
      offset + whole + kGap > kArena) {
    scheduler::fail_lane(cudaErrorInvalidValue, std::to_string(s.static_bytes) + " bytes of static and " +
                                                    std::to_string(launch.dynamic_shared_bytes) +
                                                    " of dynamic shared memory, where " +
                                                    std::to_string(kSharedPerBlock) + " in all or " +
                                                    std::to_string(kernel.allowed_dynamic) + " of dynamic are allowed");
  }
  s.arrays.push_back({key, offset, bytes});
  unpoison(s.arena + s.end, offset + whole + kGap - s.end);
  for (size_t i = s.end; i < offset; i += 4) *reinterpret_cast<uint32_t*>(s.arena + i) = kGapWord;
  if (kind == Poison::kDouble) {
    fill_poison(s.arena + offset, whole, kPoisonLow, kPoisonHigh);
  } else {
    fill_poison(s.arena + offset, whole, kPoisonLow, kPoisonLow);
  }
  for (size_t i = whole; i < whole + kGap; i += 4) *reinterpret_cast<uint32_t*>(s.arena + offset + i) = kGapWord;
  poison(s.arena + s.end, offset - s.end);
  poison(s.arena + offset + bytes, whole - bytes + kGap);
  s.end = offset + whole;
  return s.arena + offset;
}

}  // namespace

void* shared_storage(const void* key, size_t bytes, size_t alignment, Poison poison) {
  return storage(key, bytes, alignment, poison);
}

void* dynamic_shared_storage(size_t alignment, Poison poison) {
  return storage(&dynamic_key, machine().launch->dynamic_shared_bytes, alignment, poison);
}

void begin_shared() {
  Shared& s = shared();
  renew_arena();
  poison(s.arena, s.end + kGap);
  s.end = s.static_bytes = 0;
  s.arrays.clear();
}

void end_shared() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(COTANGENT_EMULATION_TSAN)
  static const std::vector<uint32_t> words(kGap / 4 + 2, kGapWord);
  const char* const gap = reinterpret_cast<const char*>(words.data());
  Shared& s = shared();
  for (const Array& array : s.arrays) {
    const char *const begin = s.arena + array.offset, *const end = begin + array.bytes;
    const size_t padding = whole_words(array.bytes) - array.bytes;
    const bool before = std::memcmp(begin - kGap, gap, kGap) != 0;
    const bool after = std::memcmp(end, gap + array.bytes % 4, padding + kGap) != 0;
    if (!before && !after) continue;
    fault::report(cudaErrorIllegalAddress, std::string("a write ") + (before ? "before" : "past the end of") +
                                               " a shared array of " + std::to_string(array.bytes) +
                                               " bytes, in kernel " + name_of(machine().launch->kernel) + ", block (" +
                                               std::to_string(blockIdx.x) + ", " + std::to_string(blockIdx.y) + ", " +
                                               std::to_string(blockIdx.z) + ")");
    machine().aborted = true;
    return;
  }
#endif
}

namespace scheduler {

size_t static_shared_bytes(const void* kernel) { return shared().kernels[kernel].static_bytes; }
void allow_dynamic(const void* kernel, size_t bytes) { shared().kernels[kernel].allowed_dynamic = bytes; }
bool fits_shared(const void* kernel, size_t static_bytes, size_t dynamic_bytes) {
  const size_t all = static_bytes + dynamic_bytes;
  return all <= kSharedPerBlock ||
         (dynamic_bytes <= shared().kernels[kernel].allowed_dynamic && all <= kSharedPerBlockOptIn);
}

}  // namespace scheduler
}  // namespace cotangent::emulation
