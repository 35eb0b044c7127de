// A tensor at run time: a shared buffer and a state that is settled once.
#ifndef COTANGENT_CORE_VALUE_H
#define COTANGENT_CORE_VALUE_H

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "native/core/types.h"

namespace cotangent {

// Intrusive reference. T has `retain()` and `release()`; a new object is born with one reference, which `adopt` takes.
template <class T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* pointer) : pointer_(pointer) {
    if (pointer_) pointer_->retain();
  }
  static Ref adopt(T* pointer) {
    Ref ref;
    ref.pointer_ = pointer;
    return ref;
  }
  Ref(const Ref& other) : Ref(other.pointer_) {}
  Ref(Ref&& other) noexcept : pointer_(std::exchange(other.pointer_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(pointer_, other.pointer_);
    return *this;
  }
  ~Ref() {
    if (pointer_) pointer_->release();
  }

  T* get() const { return pointer_; }
  T* operator->() const { return pointer_; }
  T& operator*() const { return *pointer_; }
  explicit operator bool() const { return pointer_ != nullptr; }

 private:
  T* pointer_ = nullptr;
};

class RefCounted {
 public:
  void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
  // True when the caller holds the only reference: nobody else can then gain one.
  bool unique() const { return references() == 1; }

 protected:
  int32_t references() const { return references_.load(std::memory_order_acquire); }
  bool drop() { return references_.fetch_sub(1, std::memory_order_acq_rel) == 1; }

 private:
  std::atomic<int32_t> references_{1};
};

class Allocator;

// Device memory from the caching allocator. Immutable once the value that owns it is ready, unless uniquely owned.
class Buffer : public RefCounted {
 public:
  // Throws Error: CT_OUT_OF_MEMORY, or what the device reports.
  static Ref<Buffer> allocate(Allocator& allocator, uint64_t bytes);
  void release();
  void* pointer() const { return pointer_; }
  uint64_t bytes() const { return bytes_; }

 private:
  Buffer(Allocator& allocator, void* pointer, uint64_t bytes)
      : allocator_(allocator), pointer_(pointer), bytes_(bytes) {}
  Allocator& allocator_;
  void* const pointer_;
  const uint64_t bytes_;
};

// Told once, on the thread that settles the value. An intrusive list node: it must live until then.
class Waiter {
 public:
  virtual void settled() = 0;

 protected:
  ~Waiter() = default;

 private:
  friend class Value;
  Waiter* next_ = nullptr;
};

class Value : public RefCounted {
 public:
  enum class State : uint8_t { kPending = 0, kReady = 1, kFailed = 2 };

  explicit Value(const Type& type) : type_(type) {}
  ~Value() = default;
  void release() {
    if (drop()) delete this;
  }

  const Type& type() const { return type_; }
  State state() const { return state_.load(std::memory_order_acquire); }
  // Ready or failed, or launched: then its buffer is there for what is queued later on its asynchronous device, and
  // holds the value once the device got there.
  bool available() const {
    return launch_.load(std::memory_order_acquire) != Launch::kNone || state() != State::kPending;
  }

  // Valid once ready or launched.
  const Ref<Buffer>& buffer() const { return buffer_; }
  // Valid once failed.
  const std::shared_ptr<const Failure>& failure() const { return failure_; }

  void set_ready(Ref<Buffer> buffer) {
    buffer_ = std::move(buffer);
    settle(State::kReady);
  }
  void set_failed(std::shared_ptr<const Failure> failure) {
    failure_ = std::move(failure);
    settle(State::kFailed);
  }
  // For a value that never had an audience: skips looking for waiters.
  void make_ready(Ref<Buffer> buffer) {
    buffer_ = std::move(buffer);
    waiters_.store(closed(), std::memory_order_relaxed);
    state_.store(State::kReady, std::memory_order_release);
  }
  // `followed`: whoever launched it will call `landed` and let go of a reference then.
  void set_launched(Ref<Buffer> buffer, bool followed) {
    buffer_ = std::move(buffer);
    launch_.store(followed ? Launch::kFollowed : Launch::kLoose, std::memory_order_release);
  }
  // True when the caller has to follow a launched value from now on. It must hold the flight's reference already.
  bool follow() {
    Launch loose = Launch::kLoose;
    return launch_.compare_exchange_strong(loose, Launch::kFollowed, std::memory_order_acq_rel);
  }
  // The device got there; null: without a fault.
  void landed(const std::shared_ptr<const Failure>& failure) {
    if (failure_ = failure) {
      settle(State::kFailed);
    } else {
      settle(State::kReady);
    }
    launch_.store(Launch::kNone, std::memory_order_release);
  }

  // True when the caller holds the only reference but that of a launch in flight, which reads nothing. A flight has its
  // reference before the value counts as followed, and lets go of it after the value no longer does. So when the value
  // was followed before the count and still is after it, the flight's reference was among those counted: the other of
  // two is the caller's. A single look would not do: the flight may begin between the count and the look, and the other
  // of two may then be somebody's who reads.
  bool exclusive() const {
    const auto followed = [this] { return launch_.load(std::memory_order_acquire) == Launch::kFollowed; };
    const bool before = followed();
    const int32_t held = references();
    return held == 1 || (before && held == 2 && followed());
  }
  // For the exclusive owner that takes the buffer away to write into it.
  Ref<Buffer> take_buffer() { return std::move(buffer_); }

  // False when the value is settled already; the waiter is not told then.
  bool wait(Waiter* waiter) {
    Waiter* head = waiters_.load(std::memory_order_acquire);
    do {
      if (head == closed()) return false;
      waiter->next_ = head;
    } while (!waiters_.compare_exchange_weak(head, waiter, std::memory_order_acq_rel, std::memory_order_acquire));
    return true;
  }

 private:
  static Waiter* closed() { return reinterpret_cast<Waiter*>(uintptr_t{1}); }

  void settle(State state) {
    state_.store(state, std::memory_order_release);
    Waiter* waiter = waiters_.exchange(closed(), std::memory_order_acq_rel);
    while (waiter) {
      Waiter* const next = waiter->next_;  // the waiter may be gone once it was told
      waiter->settled();
      waiter = next;
    }
  }

  enum class Launch : uint8_t { kNone, kLoose, kFollowed };

  const Type type_;
  std::atomic<Launch> launch_{Launch::kNone};
  std::atomic<State> state_{State::kPending};
  std::atomic<Waiter*> waiters_{nullptr};
  Ref<Buffer> buffer_;
  std::shared_ptr<const Failure> failure_;
};

}  // namespace cotangent

#endif
