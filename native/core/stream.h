// Streams and the tasks that wait in them. Everything here belongs to the executor and is guarded by its mutex, except
// as noted.
#ifndef COTANGENT_CORE_STREAM_H
#define COTANGENT_CORE_STREAM_H

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "native/core/execution.h"
#include "native/core/relax.h"

namespace cotangent {

class Executor;
class Stream;

// What an executor knows of an environment: who owns streams and hears of progress. One for each device in use.
class Client {
 public:
  // On the executor's thread; never after Executor::drain.
  virtual void progress(uint32_t stream, const EmitPlan& emit, const double* values) = 0;

 protected:
  ~Client() = default;

 private:
  friend class Executor;
  int pending_ = 0;  // tasks
};

// Counts down the tasks that were pending when somebody asked for idleness.
struct IdleWaiter {
  explicit IdleWaiter(Waiter* told) : waiter(told) {}
  Waiter* const waiter;
  int remaining = 0;
};

// A queued run of a Program, or copy of a value from another device, or the completion of what is queued on an
// asynchronous device. Task objects are reused.
struct Task {
  Ref<Executable> executable;
  Device* source = nullptr;  // a copy from this device
  Ref<Stream> stream;
  Client* client = nullptr;
  std::vector<Ref<Value>> inputs, outputs;
  uint64_t output_bytes = 0;
  std::vector<IdleWaiter*> idle_waiters;
  Task* next = nullptr;
  ct_marker* marker = nullptr;  // asynchronous devices: behind the last launch

  // From here on the executor's thread only.
  std::unique_ptr<Execution> execution;  // set once started
  bool is_long = false;
  int threads = 1;
  void* arena = nullptr;
  uint64_t arena_bytes = 0;
};

// Programs of one stream run in order. References are held by the environment and by queued tasks.
class Stream final : public RefCounted, private ProgressSink {
 public:
  uint32_t id() const { return id_; }
  // Sticky; any thread.
  bool aborted() const { return aborted_.load(std::memory_order_relaxed); }
  int64_t epoch_ns() const { return epoch_ns_; }
  // Keeps a record of what runs from now on, for good.
  void start_profiling() {
    if (!profiler()) profiler_.store(new Profiler, std::memory_order_release);
  }
  Profiler* profiler() const { return profiler_.load(std::memory_order_acquire); }
  void release();

 private:
  friend class Executor;
  enum class Place : uint8_t { kIdle, kShort, kLong, kBlocked, kRunning };

  Stream(Executor& executor, Client& client, uint32_t id) : executor_(executor), client_(client), id_(id) {}
  ~Stream() { delete profiler(); }

  // Scalars of a tag reach JavaScript at most every kProgressNs.
  static constexpr int64_t kProgressNs = 40'000'000;
  int64_t& last_progress(const EmitPlan& emit) {
    for (auto& [tag, last] : last_progress_) {
      if (tag == emit.tag) return last;
    }
    return last_progress_.emplace_back(emit.tag, asked_ - kProgressNs).second;
  }
  bool wants(const EmitPlan& emit) override {
    asked_ = now_ns();
    return asked_ - last_progress(emit) >= kProgressNs;
  }
  void progress(const EmitPlan& emit, const double* values) override {
    last_progress(emit) = asked_;
    client_.progress(id_, emit, values);
  }

  Executor& executor_;
  Client& client_;
  const uint32_t id_;
  const int64_t epoch_ns_ = now_ns();
  std::atomic<bool> aborted_{false};
  std::atomic<Profiler*> profiler_{nullptr};  // the environment's thread sets it once
  Place place_ = Place::kIdle;
  Task* first_ = nullptr;
  Task* last_ = nullptr;
  std::vector<std::pair<std::string, int64_t>> last_progress_;  // per tag; executor's thread only
  int64_t asked_ = 0;                                           // when `wants` was last called; the same
};

}  // namespace cotangent

#endif
