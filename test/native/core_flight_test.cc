// Values in flight on an asynchronous device: who may take their buffers, and how they land.
#include <cstdlib>
#include <new>

#include "native/backend/cpu/backend.h"
#include "test/native/core_testing.h"

namespace {
thread_local const cotangent::Value* watched = nullptr;  // somebody asks for it whenever this thread allocates
thread_local int taken = 0;                              // how often it could be had
}  // namespace

// Not inlined: GCC would see malloc and delete, or new and free, and call them mismatched.
#define REPLACED __attribute__((noinline))
REPLACED void* operator new(size_t bytes) {
  if (watched && watched->exclusive()) ++taken;
  if (void* const memory = std::malloc(bytes ? bytes : 1)) return memory;
  throw std::bad_alloc();
}
REPLACED void* operator new(size_t bytes, const std::nothrow_t&) noexcept {  // std::stable_sort's, which delete frees
  return std::malloc(bytes ? bytes : 1);
}
REPLACED void operator delete(void* memory) noexcept { std::free(memory); }
REPLACED void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace cotangent::testing {
namespace {

// The CPU as an asynchronous device that gets nowhere until it is let go.
struct Gate {
  std::mutex mutex;
  std::condition_variable wake;
  bool open = false;
  bool fault = false;

  void set(bool now_open) {
    const std::lock_guard<std::mutex> lock(mutex);
    open = now_open;
    wake.notify_all();
  }
} gate;

int32_t marker_create(ct_device*, ct_marker** marker, ct_error*) {
  *marker = reinterpret_cast<ct_marker*>(&gate);
  return CT_OK;
}
void marker_destroy(ct_marker*) {}
int32_t record(ct_queue*, ct_marker*, ct_error*) { return CT_OK; }
int32_t wait(ct_marker*, ct_error* error) {
  std::unique_lock<std::mutex> lock(gate.mutex);
  gate.wake.wait(lock, [] { return gate.open; });
  if (!gate.fault) return CT_OK;
  error->code = CT_DEVICE;
  std::snprintf(error->op, sizeof error->op, "gpu");
  std::snprintf(error->message, sizeof error->message, "[gpu] Expected the kernel to end, received a fault.");
  return CT_DEVICE;
}

Executor& asynchronous() {
  static auto* const instance = [] {
    static ct_backend backend = cpu::backend();
    backend.synchronous = 0;
    backend.marker_create = marker_create;
    backend.marker_destroy = marker_destroy;
    backend.record = record;
    backend.wait = wait;
    return new Executor(*new Device(backend));
  }();
  return *instance;
}

class Quiet final : public Client {
  void progress(uint32_t, const EmitPlan&, const double*) override {}
};

// Written, as JavaScript does it: launched, and nobody follows it.
Ref<Value> written() {
  Ref<Value> value = Ref<Value>::adopt(new Value(float64({4})));
  value->set_launched(Buffer::allocate(asynchronous().device().allocator(), 32), false);
  return value;
}

// A second holder counts from the moment the value is followed, not only once the flight is on its way.
void following() {
  Quiet client;
  const Ref<Value> value = written();
  Ref<Value> other = value;
  CHECK(!value->exclusive(), "two holders");
  gate.set(false);
  watched = value.get();
  asynchronous().follow(client, nullptr, *value);
  watched = nullptr;
  CHECK(taken == 0, "could be taken %d times from a value that somebody else holds", taken);
  CHECK(!value->exclusive(), "two holders and a flight");
  other = {};
  CHECK(value->exclusive(), "one holder and a flight");
  other = value;
  gate.set(true);
  asynchronous().drain(client);
  CHECK(value->state() == Value::State::kReady && !value->exclusive(), "two holders after the landing");
  other = {};
  CHECK(value->exclusive(), "one holder after the landing");
}

// Somebody asks all the time while the value is followed and lands; two hold it throughout.
void asking() {
  constexpr int kRounds = 40'000;
  std::atomic<Value*> next{nullptr};
  std::atomic<bool> over{false};
  std::thread follower([&] {
    while (!over.load()) {
      Value* const value = next.load();
      if (!value) continue;
      {
        const Ref<Value> flight(value);
        value->follow();
        for (int k = 0; k < 50; ++k) std::atomic_signal_fence(std::memory_order_seq_cst);  // in flight for a while
        value->landed({});
      }
      next.store(nullptr);
    }
  });
  int wrong = 0;
  for (int round = 0; round < kRounds; ++round) {
    const Ref<Value> value = Ref<Value>::adopt(new Value(float64())), other = value;
    value->set_launched({}, false);
    next.store(value.get());
    while (next.load()) wrong += value->exclusive();
  }
  over.store(true);
  follower.join();
  CHECK(wrong == 0, "exclusive %d times while two held it", wrong);
}

void loss() {
  Quiet client;
  const Ref<Value> value = written();
  gate.fault = true;
  asynchronous().follow(client, nullptr, *value);
  asynchronous().drain(client);
  CHECK(value->state() == Value::State::kFailed, "survived");
  const Failure& failure = *value->failure();
  CHECK(failure.code == CT_DEVICE && failure.op == "gpu", "code %d of %s", failure.code, failure.op.c_str());
  CHECK(failure.message ==
            "[gpu] Expected the kernel to end, received a fault. Hint: this process cannot use the "
            "device any more; start another one.",
        "%s", failure.message.c_str());
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent::testing;
  following();
  asking();
  loss();
  return failures ? 1 : 0;
}
