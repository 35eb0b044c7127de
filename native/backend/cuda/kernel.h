// What a GPU kernel is inside the CUDA backend, as native/backend/cpu/kernel.h is for the CPU. A kernel has three
// parts: the __global__ function (pure), the launch (geometry, a Kernel's `run`) and the op (`prepare`: validation,
// shared with the CPU through the family's header).
#ifndef COTANGENT_BACKEND_CUDA_KERNEL_H
#define COTANGENT_BACKEND_CUDA_KERNEL_H

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "native/backend/cuda/device.h"
#include "native/backend/description.h"

namespace cotangent::cuda {

// One launch. Buffers are device memory that begins at multiples of 64 bytes (what native/core/layout.cc gives), but
// for what a loop's body reads and writes of stacked operands and results: there, at any element. `workspace` holds
// workspace_bytes() bytes and begins at a multiple of 64.
struct Launch {
  const void* const* in;
  void* const* out;
  void* workspace;
  Device& device;

  cudaStream_t stream() const { return device.stream(); }
  template <class T>
  const T* input(int k) const {
    return static_cast<const T*>(in[k]);
  }
  template <class T>
  T* output(int k) const {
    return static_cast<T*>(out[k]);
  }
};

// A prepared equation. Immutable after `prepare`. `run` queues work on the device's stream and does not wait for it.
class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual ct_code run(const Launch& launch, ct_error* error) const = 0;
  virtual uint64_t workspace_bytes() const { return 0; }

  double estimated_ns = 0;
  uint64_t in_place[CT_MAX_OPERANDS] = {};  // bit k of in_place[j]: output j may share the buffer of input k
};

// Throws KernelError. The device is for queries (sizes of a library's workspace).
using Prepare = std::unique_ptr<Kernel> (*)(const OpDesc& desc, Device& device);

class Registry {
 public:
  void add(const char* name, Prepare prepare) { table_[name] = prepare; }
  Prepare find(std::string_view name) const {
    const auto found = table_.find(name);
    return found == table_.end() ? nullptr : found->second;
  }

 private:
  std::map<std::string, Prepare, std::less<>> table_;
};

void register_elementwise(Registry& registry);
void register_movement(Registry& registry);
void register_reduce(Registry& registry);
void register_cumulative(Registry& registry);
void register_sort(Registry& registry);
void register_random(Registry& registry);
void register_matmul(Registry& registry);
void register_linalg(Registry& registry);
void register_convolution(Registry& registry);
void register_pooling(Registry& registry);
void register_fft(Registry& registry);

// A launch and half of an H100's memory bandwidth and arithmetic: decides scheduling only.
inline double estimate_ns(double bytes, double flops = 0) { return 3000 + bytes / 1600 + flops / 30000; }

}  // namespace cotangent::cuda

#endif
