// cudaStream*, cudaEvent* and cudaLaunchHostFunc.
#include <algorithm>
#include <chrono>
#include <vector>

#include "native/emulation/events.h"
#include "native/emulation/streams.h"

namespace cotangent::emulation {
namespace {

using Clock = std::chrono::steady_clock;

struct Event {
  bool timed;
  streams::Mark mark;  // of the last record; without a stream: never recorded
  // When that record was reached. Shared with the queue, where the event may be destroyed or recorded again before.
  std::shared_ptr<Clock::time_point> time;
};

std::vector<std::shared_ptr<Event>>& all_events() {
  static auto* events = new std::vector<std::shared_ptr<Event>>;
  return *events;
}

std::shared_ptr<Event> find(cudaEvent_t handle) {
  for (const auto& event : all_events()) {
    if (reinterpret_cast<cudaEvent_t>(event.get()) == handle) return event;
  }
  return nullptr;
}

// The bodies below: with the stream or event of the handle, or the error that there is none.
template <class F>
cudaError_t with_stream(cudaStream_t handle, F&& body) {
  return api([&]() -> cudaError_t {
    const auto stream = streams::find(handle);
    return stream ? body(stream) : cudaErrorInvalidResourceHandle;
  });
}

template <class F>
cudaError_t with_event(cudaEvent_t handle, F&& body) {
  return api([&]() -> cudaError_t {
    const auto event = find(handle);
    return event ? body(*event) : cudaErrorInvalidResourceHandle;
  });
}

}  // namespace

namespace events {
void drop_all() { all_events().clear(); }
}  // namespace events

}  // namespace cotangent::emulation

using namespace cotangent::emulation;

extern "C" {

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return api([&]() -> cudaError_t {
    if (flags != cudaStreamDefault && flags != cudaStreamNonBlocking) return cudaErrorInvalidValue;
    *stream = streams::create(flags == cudaStreamDefault);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  return with_stream(handle, [&](const auto& stream) -> cudaError_t {
    if (handle == nullptr) return cudaErrorInvalidResourceHandle;
    streams::destroy(stream);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  return with_stream(handle, [&](const auto& stream) {
    streams::run(streams::mark(stream));
    return cudaSuccess;
  });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event_handle, unsigned) {
  return with_stream(handle, [&](const auto& stream) -> cudaError_t {
    const auto event = find(event_handle);
    if (!event) return cudaErrorInvalidResourceHandle;
    streams::wait(stream, event->mark);
    return cudaSuccess;
  });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t function, void* data) {
  return with_stream(handle, [&](const auto& stream) -> cudaError_t {
    if (function == nullptr) return cudaErrorInvalidValue;
    streams::enqueue_host(stream, [=] { function(data); });
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* handle, unsigned flags) {
  return api([&]() -> cudaError_t {
    if (flags & ~unsigned{cudaEventBlockingSync | cudaEventDisableTiming}) return cudaErrorInvalidValue;
    auto event = std::make_shared<Event>();
    event->timed = !(flags & cudaEventDisableTiming);
    *handle = reinterpret_cast<cudaEvent_t>(event.get());
    all_events().push_back(std::move(event));
    return cudaSuccess;
  });
}

cudaError_t cudaEventRecord(cudaEvent_t event_handle, cudaStream_t handle) {
  return with_stream(handle, [&](const auto& stream) -> cudaError_t {
    const auto event = find(event_handle);
    if (!event) return cudaErrorInvalidResourceHandle;
    auto time = std::make_shared<Clock::time_point>();
    streams::enqueue(stream, [time] { *time = Clock::now(); });
    event->time = time;
    event->mark = streams::mark(stream);
    return cudaSuccess;
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  return with_event(handle, [](Event& event) {
    streams::run(event.mark);
    return cudaSuccess;
  });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  return with_event(start, [&](Event& first) -> cudaError_t {
    const auto last = find(end);
    if (!last || !first.timed || !last->timed || !first.time || !last->time) return cudaErrorInvalidResourceHandle;
    if (!first.mark.reached() || !last->mark.reached()) return cudaErrorNotReady;
    *milliseconds = std::chrono::duration<float, std::milli>(*last->time - *first.time).count();
    return cudaSuccess;
  });
}

cudaError_t cudaEventDestroy(cudaEvent_t handle) {
  return with_event(handle, [&](Event&) {
    auto& events = all_events();
    events.erase(std::remove_if(events.begin(), events.end(),
                                [&](const auto& e) { return reinterpret_cast<cudaEvent_t>(e.get()) == handle; }),
                 events.end());
    return cudaSuccess;
  });
}

}  // extern "C"
