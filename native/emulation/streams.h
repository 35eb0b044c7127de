// Streams run what is queued on them when something waits for it, in an order that the dependencies allow.
#ifndef COTANGENT_EMULATION_STREAMS_H
#define COTANGENT_EMULATION_STREAMS_H

#include <cuda_runtime_api.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace cotangent::emulation {

// Everything of the emulator happens under this lock: kernels, too.
std::recursive_mutex& runtime_lock();

namespace streams {

struct Stream;

// A point of a stream: all that was queued before it.
struct Mark {
  std::shared_ptr<Stream> stream;
  uint64_t sequence = 0;
  bool reached() const;
};

// nullptr if there is no such stream.
std::shared_ptr<Stream> find(cudaStream_t handle);
cudaStream_t create(bool blocking);
void destroy(const std::shared_ptr<Stream>& stream);

// Queues work of the device.
void enqueue(const std::shared_ptr<Stream>& stream, std::function<void()> work);
// Host code, which must not see device memory.
void enqueue_host(const std::shared_ptr<Stream>& stream, std::function<void()> work);
Mark mark(const std::shared_ptr<Stream>& stream);
void wait(const std::shared_ptr<Stream>& stream, const Mark& mark);

// Runs the stream up to the mark, and what that depends on.
void run(const Mark& mark);
void run_all();
void drop_all();

bool in_host_function();

}  // namespace streams

// Why no call can succeed now: the device's fault, or a host function that calls CUDA.
cudaError_t device_state();
// Remembers the error for cudaGetLastError of this thread, and returns it.
cudaError_t failed(cudaError_t error);

// The frame of an API function: under the lock; refuses what the device's fault or a host function forbids.
template <class F>
cudaError_t api(F&& body) {
  const std::lock_guard<std::recursive_mutex> guard(runtime_lock());
  if (const cudaError_t state = device_state()) return failed(state);
  if (const cudaError_t error = body()) return failed(error);
  // The body may have run what was queued.
  if (const cudaError_t state = device_state()) return failed(state);
  return cudaSuccess;
}

}  // namespace cotangent::emulation

#endif
