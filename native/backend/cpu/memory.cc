#include "native/backend/cpu/memory.h"

#include <sys/mman.h>

#include <cstdlib>

namespace cotangent::cpu {
namespace {

constexpr uint64_t kAlignment = 64;
constexpr uint64_t kHugePage = uint64_t{2} << 20;
constexpr uint64_t kMapped = uint64_t{4} << 20;
constexpr uint64_t kLimit = uint64_t{1} << 56;  // above any address space; keeps the rounding below from wrapping

uint64_t round_up(uint64_t bytes, uint64_t unit) { return (bytes + unit - 1) / unit * unit; }

// Maps one huge page too much and gives back what lies outside the aligned block.
void* map_block(uint64_t size) {
  void* const start = mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return nullptr;
  char* const base = static_cast<char*>(start);
  const uint64_t before = round_up(reinterpret_cast<uintptr_t>(base), kHugePage) - reinterpret_cast<uintptr_t>(base);
  char* const block = base + before;
  if (before) munmap(base, before);
  if (before < kHugePage) munmap(block + size, kHugePage - before);
#ifdef MADV_HUGEPAGE
  madvise(block, size, MADV_HUGEPAGE);  // advice only: without huge pages the block works as well
#endif
  return block;
}

}  // namespace

void* allocate_block(uint64_t bytes) {
  if (bytes > kLimit) return nullptr;
  if (bytes >= kMapped) return map_block(round_up(bytes, kHugePage));
  void* pointer = nullptr;
  return posix_memalign(&pointer, kAlignment, bytes ? bytes : kAlignment) == 0 ? pointer : nullptr;
}

void release_block(void* pointer, uint64_t bytes) {
  if (!pointer) return;
  if (bytes >= kMapped) {
    munmap(pointer, round_up(bytes, kHugePage));
  } else {
    std::free(pointer);
  }
}

}  // namespace cotangent::cpu
