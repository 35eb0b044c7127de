#include "native/core/pool.h"

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "native/core/relax.h"

namespace cotangent {
namespace {

constexpr int kMaxThreads = 1024;

std::atomic<void (*)()> start_hook{nullptr};
thread_local int fixed_threads = 0;  // 0: none
thread_local bool inside_part = false;

int initial_threads() {
  if (const char* text = std::getenv("COTANGENT_THREADS")) {
    const long wanted = std::strtol(text, nullptr, 10);
    if (wanted > 0) return static_cast<int>(std::min<long>(wanted, kMaxThreads));
  }
  return hardware_threads();
}

std::atomic<int>& setting() {
  static std::atomic<int> threads{initial_threads()};
  return threads;
}

struct Job {
  void (*body)(void*, int) = nullptr;
  void* context = nullptr;
};

class Pool final : public Parallel {
 public:
  int threads() const override { return fixed_threads ? fixed_threads : pool_threads(); }

  void run(int parts, void (*body)(void*, int), void* context) override {
    if (parts <= 1 || inside_part) {
      for (int part = 0; part < parts; ++part) body(context, part);
      return;
    }
    std::lock_guard<std::mutex> turn(launch_);
    if (!hire(parts - 1)) {
      for (int part = 0; part < parts; ++part) body(context, part);
      return;
    }
    job_ = {body, context};
    remaining_.store(parts - 1, std::memory_order_relaxed);
    for (int k = 0; k < parts - 1; ++k) workers_[k]->start();
    inside_part = true;
    body(context, 0);
    // What no worker has begun would wait for one: on a busy machine until another program gives up its core.
    for (int k = 0; k < parts - 1; ++k) {
      if (!workers_[k]->claim(workers_[k]->tickets.load(std::memory_order_relaxed))) continue;
      body(context, k + 1);
      remaining_.fetch_sub(1, std::memory_order_relaxed);
    }
    inside_part = false;
    wait();
  }

 private:
  struct alignas(64) Worker {
    std::atomic<uint64_t> tickets{0};  // launches this worker was asked to join
    std::atomic<uint64_t> claimed{0};  // of these, the ones whose part was begun, here or by the caller
    std::atomic<bool> asleep{false};
    std::mutex mutex;
    std::condition_variable wake;

    void start() {
      // Sequentially consistent with the worker's store to `asleep` and load of `tickets`: one of the two sees the
      // other.
      tickets.fetch_add(1, std::memory_order_seq_cst);
      if (asleep.load(std::memory_order_seq_cst)) {
        std::lock_guard<std::mutex> lock(mutex);
        wake.notify_one();
      }
    }

    // True for whoever may run the part of launch `ticket`, the newest one: every part is begun once.
    bool claim(uint64_t ticket) {
      uint64_t before = ticket - 1;
      return claimed.compare_exchange_strong(before, ticket, std::memory_order_acq_rel);
    }

    void await(uint64_t seen) {
      if (spin_until([&] { return tickets.load(std::memory_order_acquire) != seen; })) return;
      std::unique_lock<std::mutex> lock(mutex);
      asleep.store(true, std::memory_order_seq_cst);
      wake.wait(lock, [&] { return tickets.load(std::memory_order_seq_cst) != seen; });
      asleep.store(false, std::memory_order_relaxed);
    }
  };

  // False when the system refuses another thread.
  bool hire(int count) {
    while (static_cast<int>(workers_.size()) < count) {
      auto worker = std::make_unique<Worker>();
      const int part = static_cast<int>(workers_.size()) + 1;
      try {
        workers_.reserve(workers_.size() + 1);
        std::thread([this, raw = worker.get(), part] { work(*raw, part); }).detach();
      } catch (const std::exception&) {
        return false;
      }
      workers_.push_back(std::move(worker));
    }
    return true;
  }

  void work(Worker& worker, int part) {
    yield_to_interactive_threads();
    run_thread_start_hook();
    inside_part = true;
    for (uint64_t seen = 0;;) {
      worker.await(seen);
      seen = worker.tickets.load(std::memory_order_acquire);
      if (!worker.claim(seen)) continue;  // the caller took it
      job_.body(job_.context, part);
      if (remaining_.fetch_sub(1, std::memory_order_seq_cst) == 1 && caller_asleep_.load(std::memory_order_seq_cst)) {
        std::lock_guard<std::mutex> lock(done_mutex_);
        done_.notify_one();
      }
    }
  }

  void wait() {
    const auto finished = [&] { return remaining_.load(std::memory_order_seq_cst) == 0; };
    if (spin_until(finished)) return;
    std::unique_lock<std::mutex> lock(done_mutex_);
    caller_asleep_.store(true, std::memory_order_seq_cst);
    done_.wait(lock, finished);
    caller_asleep_.store(false, std::memory_order_relaxed);
  }

  std::mutex launch_;
  std::vector<std::unique_ptr<Worker>> workers_;
  Job job_;
  alignas(64) std::atomic<int> remaining_{0};
  std::atomic<bool> caller_asleep_{false};
  std::mutex done_mutex_;
  std::condition_variable done_;
};

class Serial final : public Parallel {
 public:
  int threads() const override { return fixed_threads ? fixed_threads : pool_threads(); }
  void run(int parts, void (*body)(void*, int), void* context) override {
    for (int part = 0; part < parts; ++part) body(context, part);
  }
};

}  // namespace

int hardware_threads() {
  const unsigned count = std::thread::hardware_concurrency();
  return count == 0 ? 1 : static_cast<int>(std::min<unsigned>(count, kMaxThreads));
}

int pool_threads() { return setting().load(std::memory_order_relaxed); }

void set_pool_threads(int threads) {
  setting().store(std::max(1, std::min(threads, kMaxThreads)), std::memory_order_relaxed);
}

Parallel& pool() {
  static Pool* const instance = new Pool;  // leaked: detached threads use it until the process ends
  return *instance;
}

Parallel& serial() {
  static Serial* const instance = new Serial;
  return *instance;
}

FixedThreads::FixedThreads(int threads) : previous_(fixed_threads) { fixed_threads = threads; }
FixedThreads::~FixedThreads() { fixed_threads = previous_; }

void set_thread_start_hook(void (*hook)()) { start_hook.store(hook, std::memory_order_release); }

void run_thread_start_hook() {
  if (void (*hook)() = start_hook.load(std::memory_order_acquire)) hook();
}

void yield_to_interactive_threads() {
#if defined(__linux__)
  const char* const text = std::getenv("COTANGENT_NICE");
  const long levels = text ? std::strtol(text, nullptr, 10) : 5;
  if (levels <= 0) return;
  const auto thread = static_cast<id_t>(syscall(SYS_gettid));
  setpriority(PRIO_PROCESS, thread, getpriority(PRIO_PROCESS, thread) + static_cast<int>(std::min<long>(levels, 19)));
#endif
}

}  // namespace cotangent
