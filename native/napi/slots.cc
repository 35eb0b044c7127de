// Slots: the values that JavaScript holds by number.
#include <algorithm>
#include <condition_variable>

#include "native/napi/environment.h"

namespace cotangent {
namespace {

constexpr int32_t kMaxSlots = 1 << 26;
constexpr int64_t kReportStep = 1 << 20;  // bytes: the collector hears of memory in steps
constexpr std::chrono::milliseconds kPoll{20};

// Wakes a thread that blocks in `wait`. On the heap: the settling thread may be in here while the other one returns.
class Signal final : public RefCounted, public Waiter {
 public:
  void release() {
    if (drop()) delete this;
  }
  void settled() override {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      done_ = true;
      wake_.notify_one();
    }
    release();
  }
  bool wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    return wake_.wait_for(lock, kPoll, [this] { return done_; });
  }

 private:
  ~Signal() = default;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool done_ = false;
};

}  // namespace

Environment::Slot& Environment::slot(int32_t index) {
  if (index < 0 || index >= kMaxSlots) {
    fail(CT_INTERNAL, "addon", "a slot from 0 to " + std::to_string(kMaxSlots - 1), std::to_string(index));
  }
  if (static_cast<size_t>(index) >= slots_.size())
    slots_.resize(std::max<size_t>(static_cast<size_t>(index) + 1, slots_.size() * 2));
  return slots_[static_cast<size_t>(index)];
}

Environment::Slot& Environment::free_slot(const char* op, int32_t index) {
  Slot& found = slot(index);
  if (found.value && found.value->state() != Value::State::kFailed) {
    fail(CT_INTERNAL, op, "a free slot", "slot " + std::to_string(index) + " in use");
  }
  return found;
}

Environment::Slot& Environment::held(int32_t index) {
  if (index < 0 || static_cast<size_t>(index) >= slots_.size() || !slots_[static_cast<size_t>(index)].value) {
    throw Error({kDisposed, "addon",
                 "[addon] Expected a slot that holds a value, received empty slot " + std::to_string(index) + "."});
  }
  return slots_[static_cast<size_t>(index)];
}

// Somebody wants to know when the value is there. What was written to an asynchronous device has nobody to say so yet.
void Environment::follow(const Slot& slot) {
  if (slot.value->state() != Value::State::kPending) return;
  slot.site->device.executor.follow(*slot.site, slot.site->queue.get(), *slot.value);
}

void Environment::put(Slot& slot, Ref<Value> value, Site& site) {
  empty(slot);
  bytes_ += byte_count(value->type());
  ++site.handles;
  slot.value = std::move(value);
  slot.site = &site;
}

void Environment::empty(Slot& slot) {
  if (!slot.value) return;
  bytes_ -= byte_count(slot.value->type());
  --slot.site->handles;
  slot = {};
}

void Environment::release_slots(const int32_t* slots, size_t count) {
  for (size_t k = 0; k < count; ++k) empty(slot(slots[k]));
  report_memory();
}

void Environment::report_memory() {
  const int64_t change = bytes_ - reported_bytes_;
  if (change > -kReportStep && change < kReportStep) return;
  Napi::MemoryManagement::AdjustExternalMemory(env_, change);
  reported_bytes_ = bytes_;
}

void Environment::write(uint32_t on, int32_t index, const Type& type, const void* data) {
  Site& at = site(on);
  Device& device = at.device.device;
  Slot& to = free_slot("write", index);
  Ref<Buffer> buffer = Buffer::allocate(device.allocator(), static_cast<uint64_t>(byte_count(type)));
  ct_error error{};
  if (device.backend().write(at.queue.get(), buffer->pointer(), data, buffer->bytes(), &error) != CT_OK) {
    throw Error(to_failure(error));
  }
  Ref<Value> written = Ref<Value>::adopt(new Value(type));
  if (device.backend().synchronous) {
    written->make_ready(std::move(buffer));
  } else {
    written->set_launched(std::move(buffer), false);
  }
  put(to, std::move(written), at);
  report_memory();
}

Value::State Environment::state(int32_t index) {
  Slot& asked = held(index);
  follow(asked);
  const Value::State now = asked.value->state();
  asked.seen_pending = now == Value::State::kPending;
  return now;
}

void Environment::read(const Answer& answer, void* to) {
  ct_error error{};
  const auto bytes = static_cast<uint64_t>(byte_count(answer.value->type()));
  if (bytes == 0) return;
  Device& device = answer.device->device;
  if (device.backend().fetch(device.handle(), to, answer.value->buffer()->pointer(), bytes, &error) != CT_OK) {
    throw Error(to_failure(error));
  }
}

void Environment::wait(int32_t index) {
  const Slot& slot = held(index);
  follow(slot);
  const Ref<Value> awaited = slot.value;
  if (spin_until([&] { return awaited->state() != Value::State::kPending; })) return;
  const Ref<Signal> signal = Ref<Signal>::adopt(new Signal);
  signal->retain();  // the registration's reference
  if (!awaited->wait(signal.get())) {
    signal->release();
    return;
  }
  while (!signal->wait()) {
    if (terminating()) throw Error(*aborted_failure());
  }
}

}  // namespace cotangent
