#include "native/emulation/streams.h"

#include <cstdlib>
#include <deque>
#include <utility>
#include <vector>

#include "native/emulation/emulation.h"
#include "native/emulation/fault.h"
#include "native/emulation/memory.h"
#include "native/emulation/scheduler.h"

namespace cotangent::emulation {

std::recursive_mutex& runtime_lock() {
  static auto* lock = new std::recursive_mutex;
  return *lock;
}

cudaError_t device_state() { return streams::in_host_function() ? cudaErrorNotPermitted : fault::code(); }

namespace streams {

struct Operation {
  std::function<void()> work;
  std::vector<Mark> after;
  bool host;
};

struct Stream {
  bool blocking = true;
  bool destroyed = false;
  uint64_t submitted = 0, completed = 0;
  std::deque<Operation> queue;
};

bool Mark::reached() const { return stream == nullptr || stream->completed >= sequence; }

namespace {

// What may wait in a stream before the older half of it runs. Half, because memory is opened and closed for each such
// run.
constexpr uint64_t kMostQueued = 256;

struct State {
  std::shared_ptr<Stream> legacy = std::make_shared<Stream>();
  std::vector<std::shared_ptr<Stream>> streams;
  int depth = 0;  // of `step`: a stream may wait for another
  bool in_host_function = false;
};

State& state() {
  static State* instance = new State;
  return *instance;
}

// The oldest operation of the stream, after those that it waits for.
void step(Stream& stream) {
  State& s = state();
  Operation operation = std::move(stream.queue.front());
  stream.queue.pop_front();
  for (const Mark& mark : operation.after) run(mark);
  if (fault::code() == cudaSuccess) {
    if (operation.host) {
      fault::leave_device();
      s.in_host_function = true;
      operation.work();
      s.in_host_function = false;
      fault::enter_device();
    } else {
      operation.work();
    }
  }
  ++stream.completed;
}

class DeviceWork {
 public:
  DeviceWork() {
    if (state().depth++ == 0) fault::enter_device();
  }
  ~DeviceWork() {
    if (--state().depth == 0) fault::leave_device();
  }
  DeviceWork(const DeviceWork&) = delete;
  DeviceWork& operator=(const DeviceWork&) = delete;
};

bool random_order() { return scheduler::order_setting().order == scheduler::Order::kRandom; }

// In random order, streams get ahead of what anybody waits for.
void run_ahead() {
  State& s = state();
  if (!random_order()) return;
  const size_t count = s.streams.size() + 1;
  for (uint64_t steps = scheduler::random(4); steps > 0; --steps) {
    const size_t pick = scheduler::random(count);
    Stream& stream = pick == 0 ? *s.legacy : *s.streams[pick - 1];
    if (!stream.queue.empty()) step(stream);
  }
}

void push(const std::shared_ptr<Stream>& stream, Operation operation) {
  State& s = state();
  // The legacy stream waits for all blocking streams, and they for it.
  if (stream == s.legacy) {
    for (const auto& other : s.streams) {
      if (other->blocking && !mark(other).reached()) operation.after.push_back(mark(other));
    }
  } else if (stream->blocking && !mark(s.legacy).reached()) {
    operation.after.push_back(mark(s.legacy));
  }
  stream->queue.push_back(std::move(operation));
  ++stream->submitted;
  const bool full = stream->submitted - stream->completed > kMostQueued;
  if (s.depth > 0 || !(full || random_order())) return;
  const DeviceWork work_frame;
  while (full && stream->submitted - stream->completed > kMostQueued / 2) step(*stream);
  run_ahead();
}

}  // namespace

std::shared_ptr<Stream> find(cudaStream_t handle) {
  State& s = state();
  if (handle == nullptr) return s.legacy;
  for (const auto& stream : s.streams) {
    if (reinterpret_cast<cudaStream_t>(stream.get()) == handle) return stream;
  }
  return nullptr;
}

cudaStream_t create(bool blocking) {
  auto stream = std::make_shared<Stream>();
  stream->blocking = blocking;
  state().streams.push_back(stream);
  return reinterpret_cast<cudaStream_t>(stream.get());
}

void destroy(const std::shared_ptr<Stream>& stream) {
  run(mark(stream));
  auto& streams = state().streams;
  for (auto it = streams.begin(); it != streams.end(); ++it) {
    if (*it != stream) continue;
    streams.erase(it);
    return;
  }
}

void enqueue(const std::shared_ptr<Stream>& stream, std::function<void()> work) {
  push(stream, {std::move(work), {}, false});
}

void enqueue_host(const std::shared_ptr<Stream>& stream, std::function<void()> work) {
  push(stream, {std::move(work), {}, true});
}

Mark mark(const std::shared_ptr<Stream>& stream) { return {stream, stream->submitted}; }

void wait(const std::shared_ptr<Stream>& stream, const Mark& mark) {
  if (!mark.reached()) push(stream, {[] {}, {mark}, false});
}

void run(const Mark& mark) {
  if (mark.reached()) return;
  const DeviceWork work_frame;
  while (!mark.reached()) step(*mark.stream);
}

void run_all() {
  State& s = state();
  run(mark(s.legacy));
  for (size_t i = 0; i < s.streams.size(); ++i) run(mark(s.streams[i]));
}

void drop_all() {
  State& s = state();
  s.streams.clear();
  s.legacy = std::make_shared<Stream>();
}

bool in_host_function() { return state().in_host_function; }

}  // namespace streams
}  // namespace cotangent::emulation
