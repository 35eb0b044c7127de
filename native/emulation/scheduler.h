// Runs the blocks and lanes of a launch on the calling thread.
#ifndef COTANGENT_EMULATION_SCHEDULER_H
#define COTANGENT_EMULATION_SCHEDULER_H

#include <string>

#include "native/emulation/emulation.h"
#include "native/emulation/launch.h"

namespace cotangent::emulation::scheduler {

enum class Order : uint8_t { kForward, kReverse, kRandom };
struct OrderSetting {
  Order order = Order::kForward;
  uint64_t seed = 0;
};
// The setting in force; what varies by it draws from `random`.
OrderSetting& order_setting();
uint64_t random(uint64_t below);

// To its end, or to the fault that it reports.
void run(const Launch& launch);

// Static shared memory that the kernel was seen to use; 0 before its first run.
size_t static_shared_bytes(const void* kernel);
// Whether a block may have this much: 48 KiB in all, or as much dynamic memory as cudaFuncSetAttribute allowed.
bool fits_shared(const void* kernel, size_t static_bytes, size_t dynamic_bytes);
void allow_dynamic(const void* kernel, size_t bytes);

// For the fault handler: whether a lane runs; its whole stack, given up; whether an address is past its stack's end.
bool in_lane();
char* abandon_stack();
bool overflows(const void* address);
// Reports the fault in the lane that runs, and ends the launch. The lane's calls are given up, so `what` is moved out
// of.
[[noreturn]] void fail_lane(cudaError_t error, std::string&& what);

Statistics& counters();

}  // namespace cotangent::emulation::scheduler

#endif
