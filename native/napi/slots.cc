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

Value& Environment::value(int32_t index) {
  if (index < 0 || static_cast<size_t>(index) >= slots_.size() || !slots_[static_cast<size_t>(index)].value) {
    throw Error({kDisposed, "addon",
                 "[addon] Expected a slot that holds a value, received empty slot " + std::to_string(index) + "."});
  }
  return *slots_[static_cast<size_t>(index)].value;
}

void Environment::put(Slot& slot, Ref<Value> value) {
  empty(slot);
  bytes_ += byte_count(value->type());
  ++handles_;
  slot.value = std::move(value);
}

void Environment::empty(Slot& slot) {
  if (!slot.value) return;
  bytes_ -= byte_count(slot.value->type());
  --handles_;
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

void Environment::write(int32_t index, const Type& type, const void* data) {
  Slot& to = slot(index);
  if (to.value && to.value->state() != Value::State::kFailed) {
    fail(CT_INTERNAL, "write", "a free slot", "slot " + std::to_string(index) + " in use");
  }
  Ref<Buffer> buffer = Buffer::allocate(runtime_.device.allocator(), static_cast<uint64_t>(byte_count(type)));
  ct_error error{};
  if (runtime_.device.backend().write(inline_queue_.get(), buffer->pointer(), data, buffer->bytes(), &error) != CT_OK) {
    throw Error(to_failure(error));
  }
  Ref<Value> written = Ref<Value>::adopt(new Value(type));
  written->make_ready(std::move(buffer));
  put(to, std::move(written));
  report_memory();
}

Value::State Environment::state(int32_t index) {
  const Value::State now = value(index).state();
  slots_[static_cast<size_t>(index)].seen_pending = now == Value::State::kPending;
  return now;
}

void Environment::read(const Value& value, void* to) {
  ct_error error{};
  const uint64_t bytes = static_cast<uint64_t>(byte_count(value.type()));
  if (bytes == 0) return;
  Device& device = runtime_.device;
  if (device.backend().fetch(device.handle(), to, value.buffer()->pointer(), bytes, &error) != CT_OK) {
    throw Error(to_failure(error));
  }
}

void Environment::wait(int32_t index) {
  const Ref<Value> awaited(&value(index));
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
