// Device memory: one reserved range of addresses. An allocation is inaccessible but while the device works on it, and
// lies between inaccessible pages.
#ifndef COTANGENT_EMULATION_MEMORY_H
#define COTANGENT_EMULATION_MEMORY_H

#include <cstddef>
#include <cstdint>
#include <string>

namespace cotangent::emulation {

// Fills with words that are a signalling NaN as a float, and in pairs one as a double (0x7ff4dead7fa0dead):
// uninitialised memory shows as NaN whichever way it is read.
constexpr uint32_t kPoisonLow = 0x7fa0dead, kPoisonHigh = 0x7ff4dead;
void fill_poison(void* address, size_t bytes, uint32_t even = kPoisonLow, uint32_t odd = kPoisonHigh);

namespace memory {

struct Allocation {
  uintptr_t begin;  // a multiple of 256; ends with the last page but for the rounding
  size_t bytes;
  uintptr_t pages_begin;
  size_t pages_bytes;
  bool live = false;   // from commit to retire: in stream order, accessible to the device
  bool open = false;   // accessible now
  bool freed = false;  // its release is queued
  Allocation* next_open = nullptr;
};

// Reserves the addresses; nullptr if the device has no such room left or a failure was asked for.
Allocation* allocate(size_t bytes);
// From here on the device may use it. Its content is poison.
void commit(Allocation& allocation);
// From here on any use faults.
void retire(Allocation& allocation);
// Gives the addresses back, to be reused as late as possible.
void release(Allocation& allocation);
void release_all();

bool owns(const void* address);
// The allocation in whose pages the address lies, or nullptr.
Allocation* find(const void* address);
// Bytes from the address to the end of its live allocation; 0 outside of one.
size_t room(const void* address);

// Makes the live allocation around the address accessible until `close`; false if there is none or it is open already.
// Safe in a signal handler.
bool open(const void* address);
void close();
// What was overwritten around the open allocations; empty if nothing.
std::string damage();
// Where the address lies, in words.
std::string describe(const void* address);

size_t total();
size_t used();
size_t count();
void fail_allocation(int64_t nth);
// Counts an allocation; true if it is the one that fails.
bool refuses();

// Page-locked host memory.
void* allocate_host(size_t bytes);
bool release_host(void* address);
bool is_host(const void* address);

}  // namespace memory
}  // namespace cotangent::emulation

#endif
