// An opened device: the backend, its handle and the memory above it.
#ifndef COTANGENT_CORE_DEVICE_H
#define COTANGENT_CORE_DEVICE_H

#include "native/backend/backend.h"
#include "native/core/allocator.h"
#include "native/core/types.h"

namespace cotangent {

class Device {
 public:
  // Throws Error (CT_DEVICE or what the backend reports).
  explicit Device(const ct_backend& backend, int32_t index = 0)
      : backend_(backend), handle_(open(backend, index)), allocator_(backend, handle_) {}
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const ct_backend& backend() const { return backend_; }
  ct_device* handle() const { return handle_.pointer; }
  Allocator& allocator() { return allocator_; }

 private:
  struct Handle {
    const ct_backend& backend;
    ct_device* pointer;
    ~Handle() { backend.device_close(pointer); }
    operator ct_device*() const { return pointer; }
  };

  static Handle open(const ct_backend& backend, int32_t index) {
    if (backend.abi != CT_BACKEND_ABI) {
      fail(CT_DEVICE, "device", "a backend of ABI " + std::to_string(CT_BACKEND_ABI),
           "ABI " + std::to_string(backend.abi));
    }
    ct_device* device = nullptr;
    ct_error error{};
    if (backend.device_open(index, &device, &error) != CT_OK) throw Error(to_failure(error));
    return {backend, device};
  }

  const ct_backend& backend_;
  const Handle handle_;  // closed after the allocator gave its blocks back
  Allocator allocator_;
};

// A queue of launches, closed with its owner.
class Queue {
 public:
  Queue(Device& device, bool run_inline) : backend_(device.backend()) {
    ct_error error{};
    if (backend_.queue_create(device.handle(), run_inline, &queue_, &error) != CT_OK) throw Error(to_failure(error));
  }
  ~Queue() { backend_.queue_destroy(queue_); }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;
  ct_queue* get() const { return queue_; }

 private:
  const ct_backend& backend_;
  ct_queue* queue_ = nullptr;
};

// A place in an asynchronous device's order of work, destroyed with its owner.
class Marker {
 public:
  explicit Marker(Device& device) : backend_(device.backend()) {
    ct_error error{};
    if (backend_.marker_create(device.handle(), &marker_, &error) != CT_OK) throw Error(to_failure(error));
  }
  ~Marker() { backend_.marker_destroy(marker_); }
  Marker(const Marker&) = delete;
  Marker& operator=(const Marker&) = delete;
  ct_marker* get() const { return marker_; }

 private:
  const ct_backend& backend_;
  ct_marker* marker_ = nullptr;
};

}  // namespace cotangent

#endif
