// What all environments of the process share: the device and its executor. Created at first use, never destroyed.
#ifndef COTANGENT_NAPI_RUNTIME_H
#define COTANGENT_NAPI_RUNTIME_H

#include <atomic>

#include "native/core/executor.h"

namespace cotangent {

struct Runtime {
  Device device;
  Executor executor;
  std::atomic<uint64_t> programs_inline{0}, equations_inline{0};

  explicit Runtime(const ct_backend& backend) : device(backend), executor(device) {}
};

// Throws Error when the device cannot be opened.
Runtime& runtime();

}  // namespace cotangent

#endif
