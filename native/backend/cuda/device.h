// An opened GPU: its stream, the libraries' handles on it, and the staging memory that host data passes through.
//
// A device has one stream for work. Everything is queued on it in order, whichever thread asks, so a block of memory
// that the core hands out again is written only after its last use. A second stream serves reads of what is complete.
#ifndef COTANGENT_BACKEND_CUDA_DEVICE_H
#define COTANGENT_BACKEND_CUDA_DEVICE_H

#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <cusolverDn.h>

#include <map>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>
#include <vector>

#include "native/backend/description.h"

namespace cotangent::cuda {

// What a status of the runtime or of a library means to the core; CT_OK for success. The message names the call. The
// runtime forgets an error that is told here (but for faults, which stay): the next launch is not blamed for it.
ct_code check(cudaError_t status, ct_error* error, const char* call);
ct_code check(cublasStatus_t status, ct_error* error, const char* call);
ct_code check(cusolverStatus_t status, ct_error* error, const char* call);

// The same for code that may throw: `prepare` and `device_open`.
void require(cudaError_t status, const char* call);
void require(cublasStatus_t status, const char* call);
void require(cusolverStatus_t status, const char* call);
// Throws the KernelError of what a function above reported: without the prefix, which `guarded` adds.
[[noreturn]] void raise(const ct_error& error);

template <auto kDestroy>
struct Destroys {
  template <class T>
  void operator()(T* object) const {
    kDestroy(object);
  }
};

// What the runtime or a library has made.
template <class Handle, auto kDestroy>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, Destroys<kDestroy>>;
using Event = Owned<cudaEvent_t, cudaEventDestroy>;
using StreamHandle = Owned<cudaStream_t, cudaStreamDestroy>;
using BlasHandle = Owned<cublasHandle_t, cublasDestroy>;
using SolverHandle = Owned<cusolverDnHandle_t, cusolverDnDestroy>;

// Pinned host memory in a ring of slots. Writes fill one slot after the other; a slot is entered again when the copies
// out of it are over.
class Staging {
 public:
  static constexpr uint64_t kAlignment = 64;  // of what is written, within a slot

  // slot_bytes: a multiple of kAlignment; slots: at least 2. Throws KernelError.
  Staging(int slots, uint64_t slot_bytes);
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // Returns when `from` may be changed; the copy to the device follows in the stream's order.
  ct_code write(cudaStream_t stream, void* to_device, const void* from_host, uint64_t bytes, ct_error* error);
  // Returns when the data is there.
  ct_code read(cudaStream_t stream, void* to_host, const void* from_device, uint64_t bytes, ct_error* error);

 private:
  struct Slot {
    Owned<char*, cudaFreeHost> memory;
    Event free;  // recorded behind the slot's last use
  };

  const uint64_t slot_bytes_;
  std::vector<Slot> slots_;
  size_t current_ = 0;  // the slot that is being filled
  uint64_t used_ = 0;   // bytes of it that are taken
  std::mutex mutex_;
};

class Device {
 public:
  // Throws KernelError: no such device, no memory for what it needs.
  explicit Device(int index);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // The calling thread's current device becomes this one. The runtime keeps one current device a thread.
  ct_code select(ct_error* error) const;

  cudaStream_t stream() const { return stream_.get(); }
  cudaStream_t fetch_stream() const {
    return fetch_stream_.get();
  }  // for copies to the host outside the device's order
  const cudaDeviceProp& properties() const { return properties_; }
  Staging& writing() { return writing_; }
  Staging& reading() { return reading_; }
  Staging& fetching() { return fetching_; }
  int index() const { return index_; }

  // Handles on the stream, made when first asked for. Only the thread that runs kernels uses them, and `prepare` for
  // sizes of workspaces.
  ct_code blas(cublasHandle_t* handle, ct_error* error);
  ct_code solver(cusolverDnHandle_t* handle, ct_error* error);

  // Blocks of a one-dimensional grid-stride loop over `items` work items, `block` threads each: enough to fill the
  // device at the kernel's own occupancy, no more than there is work for, at least 1.
  template <class... P>
  unsigned grid(void (*kernel)(P...), int64_t items, unsigned block, size_t shared_bytes = 0) const {
    const int64_t wanted = (items + block - 1) / block;
    const int64_t resident = resident_blocks(reinterpret_cast<const void*>(kernel), block, shared_bytes);
    return static_cast<unsigned>(wanted < 1 ? 1 : wanted < resident ? wanted : resident);
  }

 private:
  // Blocks of the kernel that the whole device holds at once.
  int64_t resident_blocks(const void* kernel, unsigned block, size_t shared_bytes) const;

  const int index_;
  cudaDeviceProp properties_{};
  StreamHandle stream_, fetch_stream_;
  // A read waits for all that is queued, and nobody else may have to: it has memory of its own. What it reads is small.
  Staging writing_{4, 4 << 20}, reading_{2, 256 << 10};  // of the one stream
  Staging fetching_{4, 4 << 20};                         // of the other
  BlasHandle blas_;
  SolverHandle solver_;
  mutable std::mutex mutex_;  // guards the handles and the cache of occupancies
  mutable std::map<std::pair<const void*, std::pair<unsigned, size_t>>, int64_t> occupancy_;
};

}  // namespace cotangent::cuda

#endif
