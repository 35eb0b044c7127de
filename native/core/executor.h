// One per device and process. Runs the tasks of all streams on a thread of its own: short Programs first, long ones in
// turns.
#ifndef COTANGENT_CORE_EXECUTOR_H
#define COTANGENT_CORE_EXECUTOR_H

#include <condition_variable>
#include <deque>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "native/core/stream.h"

namespace cotangent {

struct ExecutorStatistics {
  uint64_t programs_run, equations_run, blocked_enqueues;
  int pending, streams;
  double busy_seconds;
};

// Values of one call, in the order of the Program.
struct Arguments {
  std::vector<Ref<Value>> inputs, outputs;
  void clear() {
    inputs.clear();
    outputs.clear();
  }
};

class Executor {
 public:
  static constexpr int kMaxPending = 256;
  static constexpr int64_t kSliceNs = 2'000'000;
  static constexpr double kShortNs = 500'000;  // estimates (one plain thread) below that are short Programs

  // Never destroyed: its thread is detached. Throws Error when the device gives no queue.
  explicit Executor(Device& device);
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  Ref<Stream> create_stream(Client& client);
  // What is queued or running on the stream fails; so does all that is enqueued later.
  void abort(Stream& stream);

  // Takes the arguments (they are empty afterwards, with their capacity kept in exchange). Blocks while too much is
  // pending; `interrupted` is asked every few milliseconds then, without locks: true gives up, and the call returns
  // false.
  template <class F>
  bool enqueue(Stream& stream, Executable& executable, Arguments& arguments, F&& interrupted) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (full(executable)) {
      ++blocked_enqueues_;
      while (full(executable)) {
        space_.wait_for(lock, std::chrono::milliseconds(10));
        if (!full(executable)) break;
        lock.unlock();
        const bool stop = interrupted();
        lock.lock();
        if (stop) return false;
      }
    }
    push(stream, executable, arguments);
    lock.unlock();
    wake();
    return true;
  }

  // False when nothing of the client is pending; otherwise the waiter is told, and must live until then.
  bool wait_idle(Client& client, IdleWaiter* waiter);

  // Aborts the client's streams and returns when nothing of it is queued or running. No more callbacks after that.
  void close(Client& client);

  // Before the process runs its libraries' destructors: aborts everything and returns when the executor's thread has
  // stopped for good. OpenBLAS unmaps its buffers then, whoever uses them.
  void shut_down();

  ExecutorStatistics statistics();
  Device& device() { return device_; }

 private:
  friend class Stream;

  bool full(const Executable& executable);
  void push(Stream& stream, Executable& executable, Arguments& arguments);
  void wake();
  void schedule(Stream& stream);
  bool head_is_ready(const Stream& stream) const;
  Stream* pick(bool* is_long);
  void sleep(std::unique_lock<std::mutex>& lock);
  void work();
  bool run_slice(Task& task, int64_t deadline_ns);
  bool start(Task& task, const RunContext& context);
  void release_resources(Task& task);
  void finish(Stream& stream, Task& task);
  void unblock();
  void forget(Stream& stream);

  Device& device_;
  Queue queue_;

  std::mutex mutex_;
  std::condition_variable work_, space_, drained_;
  std::deque<Stream*> short_, long_;  // streams whose first task may run
  std::vector<Stream*> blocked_;      // streams whose first task waits for a value
  std::unordered_set<Stream*> streams_;
  std::vector<std::unique_ptr<Task>> idle_tasks_;
  uint32_t next_stream_ = 1;
  int pending_ = 0;
  uint64_t pending_bytes_ = 0;
  uint64_t blocked_enqueues_ = 0;
  bool started_ = false;
  bool shut_down_ = false, parked_ = false;
  Task* finishing_ = nullptr;  // no longer in its stream, and not yet counted as done
  Client* finishing_client_ = nullptr;

  std::atomic<uint32_t> signals_{0};  // counts wake-ups, for the spinning thread
  std::atomic<bool> asleep_{false};
  int64_t short_ns_ = 0;  // of short Programs since a long one had a slice; executor's thread only
  std::atomic<uint64_t> programs_run_{0}, equations_run_{0};
  std::atomic<int64_t> busy_ns_{0};
};

}  // namespace cotangent

#endif
