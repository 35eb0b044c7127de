// What ran on a stream, and when: one event per kernel, or piece of one.
#ifndef COTANGENT_CORE_PROFILER_H
#define COTANGENT_CORE_PROFILER_H

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace cotangent {

class Profiler {
 public:
  struct Event {
    uint32_t name;
    int64_t start_ns, duration_ns;  // on the now_ns() clock
  };

  // Events beyond the limit are counted, not kept: a loop of days must not fill the memory.
  static constexpr size_t kMostEvents = 1 << 20;

  // Any thread; `name` is kept by value.
  void record(const std::string& name, int64_t start_ns, int64_t duration_ns) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (events_.size() >= kMostEvents) {
      ++dropped_;
      return;
    }
    const auto [found, fresh] = numbers_.emplace(name, static_cast<uint32_t>(names_.size()));
    if (fresh) names_.push_back(name);
    events_.push_back({found->second, start_ns, duration_ns});
  }

  struct Profile {
    std::vector<std::string> names;
    std::vector<Event> events;
    uint64_t dropped;
  };
  Profile take() {
    std::lock_guard<std::mutex> lock(mutex_);
    Profile profile{std::move(names_), std::move(events_), dropped_};
    names_.clear();
    events_.clear();
    numbers_.clear();
    dropped_ = 0;
    return profile;
  }

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, uint32_t> numbers_;
  std::vector<std::string> names_;
  std::vector<Event> events_;
  uint64_t dropped_ = 0;
};

}  // namespace cotangent

#endif
