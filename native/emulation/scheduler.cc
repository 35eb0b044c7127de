#include "native/emulation/scheduler.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <numeric>

#include "native/emulation/fault.h"
#include "native/emulation/machine.h"
#include "native/emulation/memory.h"
#include "native/emulation/sanitizers.h"
#include "native/emulation/symbols.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;
const int warpSize = 32;

namespace cotangent::emulation {

Machine& machine() {
  static Machine* instance = new Machine;
  return *instance;
}

void thread_fence() {
  Machine& m = machine();
  if (m.grid_events == nullptr) return;
  happens_before(m.grid_events + 2);
  happens_after(m.grid_events + 2);
}

void wait_in_lane(State state) {
  Machine& m = machine();
  Lane* lane = m.current;
  lane->state = state;
  m.current = nullptr;
  ++scheduler::counters().switches;
  happens_before(m.grid_events + 1);  // the launch may end while the lane waits
  switch_thread_state(m.scheduler_thread_state);
  lane->carrier->suspend(m.scheduler);
}

namespace scheduler {
namespace {

void make_current(Lane& lane) {
  Machine& m = machine();
  m.current = &lane;
  threadIdx = lane.thread;
}

Lane* next_fresh() {
  Machine& m = machine();
  while (m.cursor < m.count) {
    Lane& lane = m.lanes[m.order[m.cursor++]];
    if (lane.state == State::kFresh) return &lane;
  }
  return nullptr;
}

void run_lane(Lane& lane) {
  Machine& m = machine();
  make_current(lane);
  happens_after(m.grid_events);
  m.launch->lane();
  happens_before(m.grid_events + 1);
  lane.state = State::kEnded;
  const unsigned index = m.index_of(lane);
  m.gone[index / kWarp] |= 1u << index % kWarp;
  ++m.ended;
}

// Lanes run one after another on one fiber until one of them waits; that one keeps the fiber, and the scheduler takes
// another for the rest. So a kernel that never waits is a loop. To ThreadSanitizer each lane is a thread with a stack.
void carry_lanes() {
  Machine& m = machine();
  Fiber* self = m.running;
  self->started(m.scheduler);
  for (;;) {
    while (Lane* lane = kThreadSanitizer ? m.current : next_fresh()) {
      lane->carrier = self;
      run_lane(*lane);
      if (kThreadSanitizer) break;
    }
    m.current = nullptr;
    if (!kThreadSanitizer) m.idle.push_back(self);
    ++counters().switches;
    switch_thread_state(m.scheduler_thread_state);
    self->suspend(m.scheduler);
  }
}

Fiber* idle_fiber() {
  Machine& m = machine();
  if (m.idle.empty()) {
    m.fibers.push_back(std::make_unique<Fiber>());
    m.fibers.back()->reset(carry_lanes);
    return m.fibers.back().get();
  }
  Fiber* fiber = m.idle.back();
  m.idle.pop_back();
  return fiber;
}

// The lane at this position of the order, and on a fresh fiber all fresh ones after it.
void resume(unsigned position) {
  Machine& m = machine();
  Lane& lane = m.lanes[m.order[position]];
  ++counters().switches;
  if (lane.state == State::kFresh && !kThreadSanitizer) {
    m.cursor = position;
    m.running = idle_fiber();
  } else {
    lane.state = State::kReady;
    make_current(lane);
    m.running = lane.carrier;
    switch_thread_state(lane.thread_state);
  }
  m.running->resume(m.scheduler);
}

void arrange_lanes() {
  Machine& m = machine();
  m.order.resize(m.count);
  std::iota(m.order.begin(), m.order.end(), 0u);
  switch (order_setting().order) {
    case Order::kForward:
      break;
    case Order::kReverse:
      for (unsigned i = 0; i < m.count; ++i) m.order[i] = m.count - 1 - i;
      break;
    case Order::kRandom:
      for (unsigned i = m.count - 1; i > 0; --i) std::swap(m.order[i], m.order[random(i + 1)]);
      break;
  }
}

void give_up() {
  Machine& m = machine();
  m.current = nullptr;
  m.idle.clear();
  for (auto& fiber : m.fibers) {
    fiber->reset(carry_lanes);
    m.idle.push_back(fiber.get());
  }
}

// One block, to its end; false on a fault.
bool run_lanes() {
  Machine& m = machine();
  for (;;) {
    bool progress = false;
    for (unsigned k = 0; k < m.count; ++k) {
      const State state = m.lanes[m.order[k]].state;
      if (state != State::kFresh && state != State::kReady) continue;
      resume(k);
      progress = true;
      if (m.aborted) return false;
      if (m.ended == m.count) return true;
    }
    if (!progress && !release_barrier()) return false;
    if (order_setting().order == Order::kRandom) arrange_lanes();
  }
}

#if defined(COTANGENT_EMULATION_TSAN)
// Stacks whose addresses ThreadSanitizer has no memory of: mapped behind its back, unmapped in its sight.
class FreshStacks {
 public:
  explicit FreshStacks(size_t count) : bytes_(count * Fiber::kStackBytes + sizeof(Events)) {
    memory_ = reinterpret_cast<char*>(
        syscall(SYS_mmap, nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  }
  ~FreshStacks() { munmap(memory_, bytes_); }
  FreshStacks(const FreshStacks&) = delete;
  FreshStacks& operator=(const FreshStacks&) = delete;
  char* stack(size_t index) const { return memory_ + index * Fiber::kStackBytes; }
  Events* events() const { return reinterpret_cast<Events*>(memory_ + bytes_ - sizeof(Events)); }

 private:
  size_t bytes_;
  char* memory_;
};

bool run_watched_lanes() {
  Machine& m = machine();
  const FreshStacks stacks(m.count);
  m.events = stacks.events();
  std::vector<std::unique_ptr<Fiber>> fibers;
  for (unsigned i = 0; i < m.count; ++i) {
    fibers.push_back(std::make_unique<Fiber>(stacks.stack(i)));
    fibers.back()->reset(carry_lanes);
    m.lanes[i].carrier = fibers.back().get();
    m.lanes[i].thread_state = create_thread_state();
  }
  const bool success = run_lanes();
  for (Lane& lane : m.lanes) destroy_thread_state(lane.thread_state);
  return success;
}
#endif

bool run_block() {
  Machine& m = machine();
  m.ended = m.arrived = 0;
  m.cursor = 0;
  m.generation = 0;
  if (order_setting().order == Order::kRandom) arrange_lanes();
  for (Lane& lane : m.lanes) lane.state = State::kFresh;
  for (unsigned warp = 0; warp * kWarp < m.count; ++warp) m.waiting[warp] = m.gone[warp] = 0;
  begin_shared();
#if defined(COTANGENT_EMULATION_TSAN)
  const bool success = run_watched_lanes();
#else
  const bool success = run_lanes();
#endif
  if (success) end_shared();
  return success && !m.aborted;
}

// The kth block in the order of the setting: for `random` an affine map, which is a permutation if `step` and the
// count have no common factor.
class BlockOrder {
 public:
  explicit BlockOrder(uint64_t count) : count_(count), order_(order_setting().order) {
    if (order_ != Order::kRandom) return;
    offset_ = random(count);
    do {
      step_ = 1 + random(count);
    } while (std::gcd(step_, count) != 1);
  }
  uint64_t operator()(uint64_t k) const {
    if (order_ == Order::kForward) return k;
    if (order_ == Order::kReverse) return count_ - 1 - k;
    return static_cast<uint64_t>((static_cast<unsigned __int128>(step_) * k + offset_) % count_);
  }

 private:
  uint64_t count_, step_ = 1, offset_ = 0;
  Order order_;
};

bool check_pointers(const Launch& launch) {
  for (int i = 0; i < launch.pointer_count; ++i) {
    const auto [pointer, position] = launch.pointers[i];
    if (memory::owns(pointer)) {
      memory::open(pointer);
    } else if (!memory::is_host(pointer)) {
      fault::report(cudaErrorIllegalAddress, "argument " + std::to_string(position) + " of kernel " +
                                                 name_of(launch.kernel) +
                                                 " points to host memory: " + memory::describe(pointer));
      return false;
    }
  }
  return true;
}

}  // namespace

OrderSetting& order_setting() {
  static OrderSetting* setting = new OrderSetting;
  return *setting;
}

uint64_t random(uint64_t below) {
  // splitmix64; the bias of the remainder does not matter here.
  uint64_t z = order_setting().seed += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return (z ^ z >> 31) % below;
}

Statistics& counters() {
  static Statistics* statistics = new Statistics{};
  return *statistics;
}

void run(const Launch& launch) {
  Machine& m = machine();
  if (!check_pointers(launch)) return;
  m.launch = &launch;
  m.aborted = false;
  m.count = launch.block.x * launch.block.y * launch.block.z;
  m.scheduler_thread_state = current_thread_state();
  m.lanes.assign(m.count, Lane{});
  for (unsigned i = 0; i < m.count; ++i) {
    m.lanes[i].thread = {i % launch.block.x, i / launch.block.x % launch.block.y,
                         i / (launch.block.x * launch.block.y)};
  }
  blockDim = launch.block;
  gridDim = launch.grid;
  arrange_lanes();
  const auto grid_events = std::make_unique<char[]>(3);
  m.grid_events = grid_events.get();
  happens_before(m.grid_events);
  const uint64_t blocks = uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
  const BlockOrder block_order(blocks);
  ++counters().launches;
  for (uint64_t k = 0; k < blocks; ++k) {
    const uint64_t block = block_order(k);
    blockIdx = {static_cast<unsigned>(block % launch.grid.x),
                static_cast<unsigned>(block / launch.grid.x % launch.grid.y),
                static_cast<unsigned>(block / launch.grid.x / launch.grid.y)};
    ++counters().blocks;
    counters().lanes += m.count;
    if (run_block()) continue;
    give_up();
    break;
  }
  happens_after(m.grid_events + 1);
  m.grid_events = nullptr;
  m.launch = nullptr;
  if (fault::code() != cudaSuccess) return;
  const std::string damage = memory::damage();
  if (!damage.empty()) fault::report(cudaErrorIllegalAddress, damage + ", by kernel " + name_of(launch.kernel));
}

bool in_lane() { return machine().current != nullptr; }

char* abandon_stack() {
  Fiber* fiber = machine().running;
  unpoison(fiber->stack_bottom(), Fiber::kStackBytes);
  return fiber->stack_top();
}

bool overflows(const void* address) { return machine().running->guards(reinterpret_cast<uintptr_t>(address)); }

void fail_lane(cudaError_t error, std::string&& what) {
  Machine& m = machine();
  const auto text = [](const uint3& v) {
    return "(" + std::to_string(v.x) + ", " + std::to_string(v.y) + ", " + std::to_string(v.z) + ")";
  };
  fault::report(error, std::move(what) + ", in kernel " + name_of(m.launch->kernel) + ", block " + text(blockIdx) +
                           ", thread " + text(m.current->thread));
  m.aborted = true;
  wait_in_lane(State::kEnded);
  std::abort();  // the scheduler does not come back to a lane that failed
}

}  // namespace scheduler
}  // namespace cotangent::emulation
