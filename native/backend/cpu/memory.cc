#include "native/backend/cpu/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>

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

// The number in a control group's file; 0 when there is none ("max", or no such file).
uint64_t read_limit(const std::string& path) {
  std::ifstream file(path);
  uint64_t bytes = 0;
  return file >> bytes ? bytes : 0;
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

uint64_t machine_memory() {
  uint64_t bytes = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const auto consider = [&](uint64_t limit) {
    if (limit) bytes = std::min(bytes, limit);
  };
  consider(read_limit("/sys/fs/cgroup/memory.max"));
  consider(read_limit("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t path = line.find("::");  // the unified hierarchy's line is "0::/path"
    if (path != std::string::npos) consider(read_limit("/sys/fs/cgroup" + line.substr(path + 2) + "/memory.max"));
  }
  return bytes;
}

}  // namespace cotangent::cpu
