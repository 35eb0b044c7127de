// One per device and process. Runs the tasks of all streams on a thread of its own: short Programs first, long ones in
// turns. On an asynchronous device it launches ahead: results may be used by what is launched later, and a second
// thread, which waits for the device, settles them.
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
  uint64_t programs_run, equations_run, reads, blocked_enqueues;
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

  // Never destroyed: its threads are detached. Throws Error when the device gives no queue.
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
    return admit(executable.plan.output_bytes, interrupted, [&] { push(stream, executable, arguments); });
  }

  // The same for a copy: one input, on `source`, and one output here. The input must be settled or followed.
  template <class F>
  bool enqueue_copy(Stream& stream, Device& source, Arguments& arguments, F&& interrupted) {
    const auto bytes = static_cast<uint64_t>(byte_count(arguments.outputs[0]->type()));
    return admit(bytes, interrupted, [&] { push_copy(stream, source, arguments, bytes); });
  }

  // Settles a launched value that nobody follows, once the device has done what is queued. `queue`: the caller's own.
  // Throws Error.
  void follow(Client& client, ct_queue* queue, Value& value);

  // Records the marker behind what is launched; the client is not idle before the device got there. `queue`: the
  // caller's own. Throws Error.
  void mark(Client& client, ct_queue* queue, ct_marker* marker);

  // False when nothing of the client is pending; otherwise the waiter is told, and must live until then.
  bool wait_idle(Client& client, IdleWaiter* waiter);

  // Aborts the client's streams. `drain` returns when nothing of it is queued or running: no more callbacks after that.
  void abort_all(Client& client);
  void drain(Client& client);

  // Before the process runs its libraries' destructors: aborts everything and returns when the executor's threads have
  // stopped for good, and the device has. OpenBLAS unmaps its buffers then, whoever uses them.
  void shut_down();

  ExecutorStatistics statistics();
  Device& device() { return device_; }

 private:
  friend class Stream;
  class Arrival;
  enum class Verdict { kSuspended, kOver, kInFlight };

  bool full(uint64_t bytes);
  template <class F, class Push>
  bool admit(uint64_t bytes, F&& interrupted, Push&& push) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (full(bytes)) {
      ++blocked_enqueues_;
      while (full(bytes)) {
        space_.wait_for(lock, std::chrono::milliseconds(10));
        if (!full(bytes)) break;
        lock.unlock();
        const bool stop = interrupted();
        lock.lock();
        if (stop) return false;
      }
    }
    push();
    lock.unlock();
    wake();
    return true;
  }
  Task& add(Client& client, Arguments& arguments, uint64_t bytes);
  void push(Stream& stream, Executable& executable, Arguments& arguments);
  void push_copy(Stream& stream, Device& source, Arguments& arguments, uint64_t bytes);
  void append(Stream& stream, Task& task);
  void wake();
  void schedule(Stream& stream);
  bool head_is_ready(const Stream& stream) const;
  Stream* pick(bool* is_long);
  void sleep(std::unique_lock<std::mutex>& lock);
  void work();
  Verdict run_slice(Task& task, int64_t deadline_ns);
  void start(Task& task, const RunContext& context);
  bool copy(Task& task);
  void release_resources(Task& task);
  void leave(Stream& stream, Task& task, bool in_flight);
  void retire(Task& task);
  void unblock();
  void forget(Stream& stream);

  // Asynchronous devices.
  void record(Task& task, ct_queue* queue);
  Task& add_leaving(Client& client, Arguments& arguments);
  void fly(Task& task);
  void throttle();
  void land();
  std::shared_ptr<const Failure> lost();

  Device& device_;
  const bool asynchronous_;
  Queue queue_;

  std::mutex mutex_;
  std::condition_variable work_, space_, drained_, flights_;
  std::deque<Stream*> short_, long_;  // streams whose first task may run
  std::vector<Stream*> blocked_;      // streams whose first task waits for a value
  std::unordered_set<Stream*> streams_;
  std::vector<std::unique_ptr<Task>> idle_tasks_;
  std::vector<Task*> leaving_;   // no longer in their streams, and not yet counted as done
  std::deque<Task*> in_flight_;  // of those, what the device has not done yet, in its order
  int pending_ = 0;
  uint64_t pending_bytes_ = 0;
  uint64_t blocked_enqueues_ = 0;
  bool started_ = false, landing_ = false;  // the threads
  bool shut_down_ = false, parked_ = false, landing_parked_ = false;
  std::shared_ptr<const Failure> lost_;  // what the device failed with while nobody looked: nothing runs any more

  std::atomic<uint32_t> signals_{0};  // counts wake-ups, for the spinning thread
  std::atomic<bool> asleep_{false};
  int64_t short_ns_ = 0;                       // of short Programs since a long one had a slice; executor's thread only
  ct_marker* slices_[2] = {nullptr, nullptr};  // behind the last two slices of long Programs; executor's thread only
  int slice_ = 0;
  std::atomic<uint64_t> programs_run_{0}, equations_run_{0}, reads_{0};
  std::atomic<int64_t> busy_ns_{0};
};

}  // namespace cotangent

#endif
