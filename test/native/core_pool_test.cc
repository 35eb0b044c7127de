// The thread pool, whoever is late: every part runs once, and before `run` returns. What the parts write is not atomic,
// so that ThreadSanitizer sees a hand-over that orders too little.
#include <chrono>
#include <future>

#include "native/core/pool.h"
#include "test/native/core_testing.h"

namespace cotangent::testing {
namespace {

using namespace std::chrono_literals;

// Pool threads wait here before they serve for the first time. Never destroyed: they outlive main.
struct Gate {
  std::mutex mutex;
  std::condition_variable opened;
  bool open = false;

  void pass() {
    std::unique_lock<std::mutex> lock(mutex);
    opened.wait(lock, [this] { return open; });
  }
  void let_in() {
    std::lock_guard<std::mutex> lock(mutex);
    open = true;
    opened.notify_all();
  }
};
Gate& gate() {
  static Gate* const instance = new Gate;
  return *instance;
}

constexpr int kParts = 4;

void finishes_without_workers() {
  std::vector<int> runs(kParts);
  std::vector<std::thread::id> by(kParts);
  std::thread::id caller;
  std::future<void> launch = std::async(std::launch::async, [&] {
    caller = std::this_thread::get_id();
    pool().parts(kParts, [&](int part) {
      ++runs[part];
      by[part] = std::this_thread::get_id();
    });
  });
  const bool finished = launch.wait_for(20s) == std::future_status::ready;
  CHECK(finished, "the launch waits for threads that have not begun");
  gate().let_in();
  launch.get();
  for (int part = 0; part < kParts; ++part) {
    CHECK(runs[part] == 1, "part %d ran %d times", part, runs[part]);
    CHECK(!finished || by[part] == caller, "part %d ran on a thread that was held back", part);
  }
}

// The caller waits for what a worker has begun, spinning at first and then asleep.
void waits_for_what_has_begun(std::chrono::microseconds work) {
  std::atomic<bool> begun{false};
  bool done = false;
  std::thread::id caller = std::this_thread::get_id(), worker;
  pool().parts(2, [&](int part) {
    if (part == 0) {
      while (!begun.load(std::memory_order_relaxed)) std::this_thread::yield();
      return;
    }
    begun.store(true, std::memory_order_relaxed);
    worker = std::this_thread::get_id();
    std::this_thread::sleep_for(work);
    done = true;
  });
  CHECK(done, "the launch was over before its part of %d us", static_cast<int>(work.count()));
  CHECK(worker != caller, "the caller ran a part while it was inside another");
}

// Launches one after the other, of changing width, whose first part takes now less, now more time than waking a worker:
// parts are begun by both, and workers arrive when their part, or the whole launch, is over.
void launches(uint64_t seed, int count) {
  Random random(seed);
  std::vector<int> runs(8);
  int64_t nested = 0;
  for (int launch = 0; launch < count; ++launch) {
    const int parts = 2 + random.below(7);
    const auto busy = std::chrono::nanoseconds(random.below(launch % 50 == 0 ? 400'000 : 20'000));
    pool().parts(parts, [&](int part) {
      ++runs[part];
      if (part > 0) return;
      pool().parts(3, [&](int) { ++nested; });  // inside a part: on this thread
      const auto end = std::chrono::steady_clock::now() + busy;
      while (std::chrono::steady_clock::now() < end) {
      }
    });
    for (int part = 0; part < 8; ++part) {
      CHECK(runs[part] == (part < parts), "launch %d: part %d of %d ran %d times", launch, part, parts, runs[part]);
      runs[part] = 0;
    }
  }
  CHECK(nested == 3 * static_cast<int64_t>(count), "%d nested parts", static_cast<int>(nested));
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent::testing;
  using namespace std::chrono_literals;
  cotangent::set_thread_start_hook([] { gate().pass(); });
  finishes_without_workers();
  for (const auto work : {0us, 20us, 2000us}) waits_for_what_has_begun(work);
  launches(1, 4000);
  std::vector<std::thread> launchers;
  for (uint64_t seed = 2; seed <= 4; ++seed) launchers.emplace_back([seed] { launches(seed, 1000); });
  for (std::thread& launcher : launchers) launcher.join();
  return failures ? 1 : 0;
}
