// The thread on which the test device works.
#ifndef COTANGENT_TEST_DEVICE_WORKER_H
#define COTANGENT_TEST_DEVICE_WORKER_H

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "native/backend/backend.h"
#include "native/core/pool.h"

namespace cotangent::testing {

struct Range {
  const char* begin;
  const char* end;
};

// Runs jobs in order on a thread of its own, until one fails.
class Worker {
 public:
  Worker() : thread_([this] { work(); }) {}
  ~Worker() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      over_ = true;
      wake_.notify_one();
    }
    thread_.join();
  }

  using Job = std::function<int32_t(ct_error*)>;

  uint64_t push(std::vector<Range> written, Job job) { return push(Queued{std::move(written), std::move(job), false}); }

  // What gives something back, and is done on a lost device, too.
  uint64_t push_release(Job job) { return push(Queued{{}, std::move(job), true}); }

  uint64_t position() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return pushed_;
  }

  int32_t wait(uint64_t position, ct_error* error) {
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [&] { return finished_ >= position; });
    return fault(error);
  }

  // Whether queued work writes to these bytes.
  bool will_write(const Range& range) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const Queued& queued : jobs_) {
      for (const Range& written : queued.written) {
        if (written.begin < range.end && range.begin < written.end) return true;
      }
    }
    return false;
  }

  int32_t check(ct_error* error) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return fault(error);
  }

 private:
  struct Queued {
    std::vector<Range> written;
    Job job;
    bool always;
  };

  uint64_t push(Queued queued) {
    const std::lock_guard<std::mutex> lock(mutex_);
    jobs_.push_back(std::move(queued));
    wake_.notify_one();
    return ++pushed_;
  }

  int32_t fault(ct_error* error) const {
    if (fault_.code != CT_OK) *error = fault_;
    return fault_.code;
  }

  void work() {
    const cotangent::FixedThreads one(1);
    cotangent::run_thread_start_hook();
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return over_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      Job job = std::move(jobs_.front().job);  // its ranges stay until it is done
      ct_error error{};
      const bool skipped = fault_.code != CT_OK && !jobs_.front().always;
      lock.unlock();
      const int32_t code = skipped ? CT_OK : job(&error);
      job = nullptr;
      lock.lock();
      if (code != CT_OK) fault_ = error;
      jobs_.pop_front();
      ++finished_;
      done_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::deque<Queued> jobs_;
  uint64_t pushed_ = 0, finished_ = 0;
  ct_error fault_{};
  bool over_ = false;
  std::thread thread_;
};

}  // namespace cotangent::testing

#endif
