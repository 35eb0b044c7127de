// Barriers of a block, and operations of a warp.
#include <cstdio>

#include "native/emulation/fault.h"
#include "native/emulation/machine.h"
#include "native/emulation/memory.h"
#include "native/emulation/sanitizers.h"
#include "native/emulation/scheduler.h"
#include "native/emulation/symbols.h"

namespace cotangent::emulation {
namespace {

bool same(const Location& a, const Location& b) { return a.line == b.line && std::strcmp(a.file, b.file) == 0; }

std::string text(const Location& where) { return std::string(where.file) + ":" + std::to_string(where.line); }

std::string text(const uint3& v) {
  return "(" + std::to_string(v.x) + ", " + std::to_string(v.y) + ", " + std::to_string(v.z) + ")";
}

std::string text(unsigned mask) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "0x%08x", mask);
  return digits;
}

const char* name(WarpOperation operation) {
  switch (operation) {
    case WarpOperation::kSync:
      return "__syncwarp";
    case WarpOperation::kShuffle:
      return "a shuffle";
    case WarpOperation::kBallot:
      return "a vote";
    default:
      return "a match";
  }
}

std::string block_and_kernel() {
  return ", in kernel " + name_of(machine().launch->kernel) + ", block " + text(blockIdx);
}

// Empty if all lanes at the barrier stand at one place.
std::string divergence() {
  Machine& m = machine();
  const Lane* first = nullptr;
  for (const Lane& lane : m.lanes) {
    if (lane.state != State::kAtBarrier) continue;
    if (first == nullptr) first = &lane;
    if (same(first->where, lane.where)) continue;
    return "a divergent __syncthreads: thread " + text(first->thread) + " waits at " + text(first->where) +
           ", thread " + text(lane.thread) + " at " + text(lane.where);
  }
  return "";
}

void open_barrier() {
  Machine& m = machine();
  m.arrived = 0;
  ++m.generation;
  for (Lane& lane : m.lanes) {
    if (lane.state == State::kAtBarrier) lane.state = State::kReady;
  }
}

bool same_operation(const Lane& a, const Lane& b) { return a.mask == b.mask && a.operation == b.operation; }

// Two lanes whose masks name each other must come with one mask and operation: neither can go on otherwise. A lane that
// waits in a smaller group is none of the caller's business if that group does not name the caller.
void require_same_operation(unsigned warp, const Lane& caller) {
  Machine& m = machine();
  if (m.waiting[warp] == 0) {
    m.uniform[warp] = true;
    m.first[warp] = &caller;
    return;
  }
  if (m.uniform[warp] && same_operation(*m.first[warp], caller)) return;
  m.uniform[warp] = false;
  const unsigned bit = 1u << m.index_of(caller) % kWarp;
  for (unsigned i = 0; i < kWarp; ++i) {
    const Lane& other = m.lanes[warp * kWarp + i];
    if (!(m.waiting[warp] & caller.mask & 1u << i) || !(other.mask & bit) || same_operation(other, caller)) continue;
    scheduler::fail_lane(cudaErrorLaunchFailure, std::string("unequal warp operations: ") + name(caller.operation) +
                                                     " with mask " + text(caller.mask) + " at " + text(caller.where) +
                                                     " and, in thread " + text(other.thread) + ", " +
                                                     name(other.operation) + " with mask " + text(other.mask) + " at " +
                                                     text(other.where));
  }
}

// The lanes that wait for the same as the caller.
unsigned waiting_with(unsigned warp, const Lane& caller) {
  Machine& m = machine();
  if (m.uniform[warp]) return m.waiting[warp];
  unsigned lanes = 0;
  for (unsigned i = 0; i < kWarp; ++i) {
    if (m.waiting[warp] >> i & 1 && same_operation(m.lanes[warp * kWarp + i], caller)) lanes |= 1u << i;
  }
  return lanes;
}

// Of the caller's group: that of a lane which waits in it, or a new one.
char* group_event(unsigned warp, const Lane& caller) {
  Machine& m = machine();
  if (const unsigned group = waiting_with(warp, caller)) {
    return m.lanes[warp * kWarp + static_cast<unsigned>(__builtin_ctz(group))].event;
  }
  return &m.events->group[m.groups++ % sizeof m.events->group];
}

// Gives each lane in `mask`, all of which wait, its result and lets it go on.
void complete(unsigned warp, unsigned mask) {
  Machine& m = machine();
  Lane* lanes = &m.lanes[warp * kWarp];
  unsigned ballot = 0;
  for (unsigned i = 0; i < kWarp; ++i) {
    if (mask >> i & 1 && lanes[i].value != 0) ballot |= 1u << i;
  }
  for (unsigned i = 0; i < kWarp; ++i) {
    if (!(mask >> i & 1)) continue;
    Lane& lane = lanes[i];
    switch (lane.operation) {
      case WarpOperation::kSync:
        break;
      case WarpOperation::kShuffle:
        lane.result = mask >> lane.source & 1 ? lanes[lane.source].value : uint64_t{kPoisonHigh} << 32 | kPoisonLow;
        break;
      case WarpOperation::kBallot:
        lane.result = ballot;
        break;
      default:
        lane.result = 0;
        for (unsigned j = 0; j < kWarp; ++j) {
          if (mask >> j & 1 && lanes[j].value == lane.value) lane.result |= 1u << j;
        }
    }
    lane.state = State::kReady;
  }
  m.waiting[warp] &= ~mask;
}

}  // namespace

void block_barrier(Location where) {
  Machine& m = machine();
  Lane& lane = *m.current;
  char* event = kThreadSanitizer ? &m.events->barrier[m.generation % 2] : nullptr;
  happens_before(event);
  lane.where = where;
  ++m.arrived;
  if (m.arrived + m.ended == m.count) {
    lane.state = State::kAtBarrier;
    std::string different = divergence();
    if (!different.empty()) scheduler::fail_lane(cudaErrorLaunchFailure, std::move(different));
    open_barrier();
  } else {
    wait_in_lane(State::kAtBarrier);
  }
  happens_after(event);
}

bool release_barrier() {
  Machine& m = machine();
  if (m.arrived > 0 && m.arrived + m.ended == m.count) {
    const std::string different = divergence();
    if (different.empty()) {
      open_barrier();
      return true;
    }
    fault::report(cudaErrorLaunchFailure, different + block_and_kernel());
  } else {
    fault::report(cudaErrorLaunchFailure, "a deadlock: " + describe_waiting() + block_and_kernel());
  }
  m.aborted = true;
  return false;
}

std::string describe_waiting() {
  Machine& m = machine();
  // Of the lanes that wait at one place for the same, the first.
  std::vector<const Lane*> kinds;
  std::string result;
  for (const Lane& lane : m.lanes) {
    if (lane.state == State::kEnded) continue;
    bool known = false;
    for (const Lane* other : kinds) {
      known = known || (other->state == lane.state && same(other->where, lane.where) &&
                        (lane.state == State::kAtBarrier || other->mask == lane.mask));
    }
    if (known || kinds.size() == 4) continue;
    kinds.push_back(&lane);
    if (!result.empty()) result += ", ";
    result += "thread " + text(lane.thread) + " waits at " + text(lane.where) + " in ";
    if (lane.state == State::kAtBarrier) {
      result += "__syncthreads";
      continue;
    }
    const unsigned warp = m.index_of(lane) / kWarp, missing = lane.mask & ~m.waiting[warp];
    result += std::string(name(lane.operation)) + " with mask " + text(lane.mask);
    if (missing & m.gone[warp]) result += " for lanes " + text(missing & m.gone[warp]) + ", which have ended";
    if (missing & ~m.gone[warp]) result += " for lanes " + text(missing & ~m.gone[warp]) + ", which wait elsewhere";
  }
  return result;
}

int shuffle_source(Shuffle kind, int operand, int width) {
  const int lane = static_cast<int>(machine().index_of(*machine().current) % kWarp), first = lane & ~(width - 1),
            last = first + width - 1;
  operand &= 31;  // the device looks at five bits
  switch (kind) {
    case Shuffle::kIndex:
      return first + (operand & (width - 1));
    case Shuffle::kUp:
      return lane - operand < first ? lane : lane - operand;
    case Shuffle::kDown:
      return lane + operand > last ? lane : lane + operand;
    default:
      return (lane ^ operand) > last ? lane : lane ^ operand;
  }
}

uint64_t warp_operation(WarpOperation operation, unsigned mask, uint64_t value, int source, Location where) {
  Machine& m = machine();
  Lane& lane = *m.current;
  const unsigned index = m.index_of(lane), warp = index / kWarp, bit = 1u << index % kWarp;
  const auto call = [&] { return std::string(name(operation)) + " with mask " + text(mask) + " at " + text(where); };
  if (!(mask & bit)) scheduler::fail_lane(cudaErrorLaunchFailure, call() + " by a thread that is not in it");
  if (const unsigned absent = mask & ~m.members(warp)) {
    scheduler::fail_lane(cudaErrorLaunchFailure,
                         call() + ", which names lanes " + text(absent) + " that the block does not have");
  }
  if (const unsigned ended = mask & m.gone[warp]) {
    scheduler::fail_lane(cudaErrorLaunchFailure, call() + ", which names lanes " + text(ended) + " that have ended");
  }
  lane.where = where;
  lane.operation = operation;
  lane.mask = mask;
  lane.value = value;
  lane.source = source;
  require_same_operation(warp, lane);
  // Of these operations, only __syncwarp orders memory.
  const bool orders = kThreadSanitizer && operation == WarpOperation::kSync;
  if (orders) {
    lane.event = group_event(warp, lane);
    happens_before(lane.event);
  }
  m.waiting[warp] |= bit;
  if ((waiting_with(warp, lane) & mask) == mask) {
    complete(warp, mask);
  } else {
    wait_in_lane(State::kInWarp);
  }
  if (orders) happens_after(lane.event);
  return lane.result;
}

}  // namespace cotangent::emulation
