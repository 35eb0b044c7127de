#include "native/emulation/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <new>

#include "native/emulation/sanitizers.h"

namespace cotangent::emulation {

void fill_poison(void* address, size_t bytes, uint32_t even, uint32_t odd) {
  auto* words = static_cast<uint32_t*>(address);
  for (size_t i = 0; i < bytes / 4; ++i) words[i] = i % 2 ? odd : even;
}

namespace memory {
namespace {

constexpr size_t kReserved = size_t{64} << 30, kAlignment = 256, kGuardPages = 2;
constexpr size_t kGapChecked = 256;  // bytes before an allocation that are looked at

// A number of the environment.
int64_t setting(const char* name, int64_t least, int64_t otherwise) {
  const char* text = std::getenv(name);
  if (text == nullptr) return otherwise;
  char* end = nullptr;
  errno = 0;
  const long long value = std::strtoll(text, &end, 10);
  if (end == text || *end != '\0' || errno != 0 || value < least) {
    std::fprintf(stderr, "Expected %s to be a number of %" PRId64 " or more, received %s.\n", name, least, text);
    std::abort();
  }
  return value;
}

struct State {
  uintptr_t base = 0, first = 0, cursor = 0;
  size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  size_t used = 0;
  int64_t failing = 0;                                           // allocations until the one that fails
  std::map<uintptr_t, std::unique_ptr<Allocation>> allocations;  // by their first page
  std::map<uintptr_t, size_t> host;
  Allocation* opened = nullptr;

  State() {
    void* range = mmap(nullptr, kReserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED) throw std::bad_alloc();
    base = reinterpret_cast<uintptr_t>(range);
    cursor = first = base + kGuardPages * page;
    failing = setting("COTANGENT_EMULATION_FAIL_ALLOC", 0, 0);
  }
};

// Never destroyed: threads may outlive static destructors.
State& state() {
  static State* instance = new State;
  return *instance;
}

uintptr_t address_of(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }
void* pointer_to(uintptr_t address) { return reinterpret_cast<void*>(address); }
size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

// The next hole of `bytes` from the cursor on, round about the range; 0 if there is none.
uintptr_t find_hole(size_t bytes) {
  State& s = state();
  for (int turn = 0; turn < 2; ++turn) {
    uintptr_t start = turn == 0 ? s.cursor : s.first;
    for (auto next = s.allocations.lower_bound(start);; ++next) {
      const uintptr_t end = next == s.allocations.end() ? s.base + kReserved : next->first;
      if (end - start >= bytes) return start;
      if (next == s.allocations.end()) break;
      start = next->first + next->second->pages_bytes + kGuardPages * s.page;
    }
  }
  return 0;
}

// The last allocation whose pages begin at or before the address, or nullptr.
Allocation* last_before(uintptr_t address) {
  State& s = state();
  auto next = s.allocations.upper_bound(address);
  return next == s.allocations.begin() ? nullptr : std::prev(next)->second.get();
}

#if !defined(__SANITIZE_ADDRESS__)  // the gaps are poisoned then: who writes there is stopped at once
bool intact(uintptr_t begin, uintptr_t end, uintptr_t pages_begin) {
  for (uintptr_t word = round_up(begin, 4); word + 4 <= end; word += 4) {
    const uint32_t expected = (word - pages_begin) / 4 % 2 ? kPoisonHigh : kPoisonLow;
    if (*reinterpret_cast<const uint32_t*>(word) != expected) return false;
  }
  return true;
}
#endif

}  // namespace

Allocation* allocate(size_t bytes) {
  State& s = state();
  if (refuses()) return nullptr;
  if (bytes > total() || s.used + bytes > total()) return nullptr;
  const size_t payload = round_up(bytes, kAlignment), pages = round_up(payload, s.page);
  const uintptr_t start = find_hole(pages + kGuardPages * s.page);
  if (start == 0) return nullptr;
  auto allocation = std::make_unique<Allocation>();
  allocation->pages_begin = start;
  allocation->pages_bytes = pages;
  allocation->begin = start + pages - payload;
  allocation->bytes = bytes;
  s.cursor = start + pages + kGuardPages * s.page;
  s.used += bytes;
  Allocation* result = allocation.get();
  s.allocations.emplace(start, std::move(allocation));
  return result;
}

void commit(Allocation& a) {
  unpoison(pointer_to(a.pages_begin), a.pages_bytes);
  mprotect(pointer_to(a.pages_begin), a.pages_bytes, PROT_READ | PROT_WRITE);
  fill_poison(pointer_to(a.pages_begin), a.pages_bytes);
  poison(pointer_to(a.pages_begin), a.begin - a.pages_begin);
  poison(pointer_to(a.begin + a.bytes), a.pages_begin + a.pages_bytes - a.begin - a.bytes);
  a.live = true;
  a.open = true;
  a.next_open = state().opened;
  state().opened = &a;
}

void retire(Allocation& a) {
  State& s = state();
  a.live = false;
  for (Allocation** link = &s.opened; *link != nullptr; link = &(*link)->next_open) {
    if (*link != &a) continue;
    *link = a.next_open;
    break;
  }
  a.open = false;
  mprotect(pointer_to(a.pages_begin), a.pages_bytes, PROT_NONE);
  madvise(pointer_to(a.pages_begin), a.pages_bytes, MADV_DONTNEED);
  poison(pointer_to(a.begin), a.bytes);
}

void release(Allocation& a) {
  State& s = state();
  if (a.live) retire(a);
  s.used -= a.bytes;
  s.allocations.erase(a.pages_begin);
}

void release_all() {
  while (!state().allocations.empty()) release(*state().allocations.begin()->second);
}

bool owns(const void* address) { return address_of(address) - state().base < kReserved; }

Allocation* find(const void* address) {
  Allocation* a = last_before(address_of(address));
  return a != nullptr && address_of(address) < a->pages_begin + a->pages_bytes ? a : nullptr;
}

size_t room(const void* address) {
  const Allocation* a = find(address);
  if (a == nullptr || !a->live || address_of(address) < a->begin) return 0;
  const uintptr_t end = a->begin + a->bytes;
  return address_of(address) < end ? end - address_of(address) : 0;
}

bool open(const void* address) {
  Allocation* a = owns(address) ? find(address) : nullptr;
  if (a == nullptr || !a->live || a->open) return false;
  mprotect(pointer_to(a->pages_begin), a->pages_bytes, PROT_READ | PROT_WRITE);
  a->open = true;
  a->next_open = state().opened;
  state().opened = a;
  return true;
}

void close() {
  State& s = state();
  while (Allocation* a = s.opened) {
    mprotect(pointer_to(a->pages_begin), a->pages_bytes, PROT_NONE);
    a->open = false;
    s.opened = a->next_open;
  }
}

std::string damage() {
#if !defined(__SANITIZE_ADDRESS__)
  for (const Allocation* a = state().opened; a != nullptr; a = a->next_open) {
    const uintptr_t end = a->begin + a->bytes, pages_end = a->pages_begin + a->pages_bytes;
    const uintptr_t before = a->begin - a->pages_begin > kGapChecked ? a->begin - kGapChecked : a->pages_begin;
    if (!intact(before, a->begin, a->pages_begin)) return "a write before " + describe(pointer_to(a->begin));
    if (!intact(end, pages_end, a->pages_begin)) return "a write past the end of " + describe(pointer_to(a->begin));
  }
#endif
  return "";
}

std::string describe(const void* address) {
  const uintptr_t guard = kGuardPages * state().page;
  const auto owned_by = [&](const Allocation* a) {
    return a != nullptr && address_of(address) + guard >= a->pages_begin &&
           address_of(address) < a->pages_begin + a->pages_bytes + guard;
  };
  char text[160];
  std::snprintf(text, sizeof text, "%p", address);
  if (!owns(address)) return std::string(text) + ", which is not device memory";
  // Of this allocation, or of the guard behind or before one.
  const Allocation* a = last_before(address_of(address));
  if (!owned_by(a)) a = last_before(address_of(address) + guard);
  if (!owned_by(a)) return std::string(text) + ", in device memory that is not allocated";
  std::snprintf(text, sizeof text, "%p, byte %" PRId64 " of a device allocation of %zu bytes", address,
                static_cast<int64_t>(address_of(address) - a->begin), a->bytes);
  return std::string(text) + (a->live ? "" : ", which is freed or not yet allocated in stream order");
}

size_t total() {
  static const auto bytes = static_cast<size_t>(setting("COTANGENT_EMULATION_MEMORY", 1, int64_t{4} << 30));
  return bytes;
}

size_t used() { return state().used; }
size_t count() { return state().allocations.size(); }
void fail_allocation(int64_t nth) { state().failing = nth; }
bool refuses() { return state().failing > 0 && --state().failing == 0; }

void* allocate_host(size_t bytes) {
  void* address = nullptr;
  if (posix_memalign(&address, state().page, round_up(bytes, 8)) != 0) return nullptr;
  fill_poison(address, round_up(bytes, 8));
  state().host[address_of(address)] = bytes;
  return address;
}

bool release_host(void* address) {
  if (state().host.erase(address_of(address)) == 0) return false;
  std::free(address);
  return true;
}

bool is_host(const void* address) {
  const auto next = state().host.upper_bound(address_of(address));
  if (next == state().host.begin()) return false;
  const auto& [begin, bytes] = *std::prev(next);
  return address_of(address) - begin <= bytes;  // one past the end, too, as a pointer argument may be
}

}  // namespace memory
}  // namespace cotangent::emulation
