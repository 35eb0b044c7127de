// What tests ask of the emulator, beside CUDA's own interface.
#ifndef COTANGENT_EMULATION_EMULATION_H
#define COTANGENT_EMULATION_EMULATION_H

#include <cstdint>
#include <string>

namespace cotangent::emulation {

// The fault that the device reports since the last reset: what happened, kernel, block, thread. Empty without one.
std::string last_fault();

// As cudaDeviceReset: waits, drops streams, events and memory, forgets the fault.
void reset();

// The order of lanes and blocks, and how eagerly streams run: "forward", "reverse", "random:SEED". False if it is none.
// The default is that of the environment variable COTANGENT_EMULATION_ORDER, else forward.
bool set_order(const std::string& order);

// The nth device allocation from now (counted from 1) fails with cudaErrorMemoryAllocation, once; 0: none. A library's
// handle counts as one, and fails with the library's own status.
// COTANGENT_EMULATION_FAIL_ALLOC gives the number at start.
void fail_allocation(int64_t nth);

// Stops a kernel at its first invalid floating-point operation, such as the use of poisoned memory. For kernels whose
// data and results are finite: comparisons with NaN and inf - inf are invalid, too. Off by default.
void trap_invalid_operations(bool on);

struct Statistics {
  uint64_t launches, blocks, lanes;
  uint64_t switches;     // between lanes, and to and from the scheduler
  uint64_t allocations;  // of device memory, alive
  uint64_t bytes;        // of device memory, alive
};
Statistics statistics();

}  // namespace cotangent::emulation

#endif
