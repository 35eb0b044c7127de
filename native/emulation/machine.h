// The state of the block that runs, shared by the scheduler, the barriers and the shared memory.
#ifndef COTANGENT_EMULATION_MACHINE_H
#define COTANGENT_EMULATION_MACHINE_H

#include <memory>
#include <vector>

#include "native/emulation/fiber.h"
#include "native/emulation/launch.h"

namespace cotangent::emulation {

constexpr unsigned kWarp = 32, kMostThreads = 1024;

enum class State : uint8_t { kFresh, kReady, kAtBarrier, kInWarp, kEnded };

struct Lane {
  State state;
  Fiber* carrier;
  void* thread_state;  // ThreadSanitizer's
  uint3 thread;
  Location where;  // of the barrier or warp operation it waits at
  // Of its warp operation.
  WarpOperation operation;
  int source;
  unsigned mask;
  uint64_t value, result;
  char* event;  // that orders its group, to ThreadSanitizer
};

// What orders lanes to ThreadSanitizer. Fresh memory per block: blocks are not ordered. Two barriers in a row, and
// any two groups of lanes that synchronise, have different ones: a lane that runs ahead must not order those behind it.
struct Events {
  char barrier[2];
  char group[4096];
};

struct Machine {
  const Launch* launch = nullptr;
  unsigned count = 0, ended = 0;
  std::vector<Lane> lanes;
  std::vector<unsigned> order;  // of the lanes
  size_t cursor = 0;            // into `order`: from here on lanes may be fresh
  Lane* current = nullptr;      // nullptr: the scheduler runs
  bool aborted = false;

  Context scheduler;
  void* scheduler_thread_state = nullptr;
  Fiber* running = nullptr;
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::vector<Fiber*> idle;

  // The barrier of the block.
  unsigned arrived = 0;
  uint64_t generation = 0;

  // By warp: lanes that wait in a warp operation, and that have ended.
  unsigned waiting[kMostThreads / kWarp], gone[kMostThreads / kWarp];
  // Whether all that wait came with one mask and operation, those of `first`.
  bool uniform[kMostThreads / kWarp];
  const Lane* first[kMostThreads / kWarp];

  Events* events = nullptr;
  size_t groups = 0;            // that have had an event
  char* grid_events = nullptr;  // start, end, fence

  unsigned index_of(const Lane& lane) const { return static_cast<unsigned>(&lane - lanes.data()); }
  // Threads of the warp that exist.
  unsigned members(unsigned warp) const {
    const unsigned rest = count - warp * kWarp;
    return rest >= kWarp ? 0xffffffffu : (1u << rest) - 1;
  }
};

Machine& machine();

// From the current lane to the scheduler, and back when its state is ready again.
void wait_in_lane(State state);
// Of the barrier at which all remaining lanes wait; reports a divergent one and returns false.
bool release_barrier();
// What each waiting lane waits for, for the report of a deadlock.
std::string describe_waiting();

// Storage of the block's arrays.
void begin_shared();
// Reports a write outside of the arrays.
void end_shared();

}  // namespace cotangent::emulation

#endif
