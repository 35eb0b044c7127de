// What all environments of the process share: the devices that were opened, each with its executor. Opened at first
// use, never closed.
#ifndef COTANGENT_NAPI_DEVICES_H
#define COTANGENT_NAPI_DEVICES_H

#include <atomic>
#include <string>
#include <vector>

#include "native/core/executor.h"

namespace cotangent {

struct OpenDevice {
  const uint32_t id;       // opened first: 0
  const std::string name;  // "cpu", "cuda:0", "cuda:emulated"
  Device device;
  Executor executor;
  std::atomic<uint64_t> programs_inline{0}, equations_inline{0};

  OpenDevice(uint32_t number, std::string called, const ct_backend& backend, int32_t index)
      : id(number), name(std::move(called)), device(backend, index), executor(device) {}
};

// Any thread. "cuda" is "cuda:0". Throws Error (CT_DEVICE): no such name, or why the device cannot be opened.
OpenDevice& open_device(const std::string& name);

// Throws Error (CT_INTERNAL).
OpenDevice& opened_device(uint32_t id);

struct KnownDevice {
  std::string name;
  std::string reason;  // why it cannot be opened; empty when it can
};

// Every device that there is a name for, without opening any.
std::vector<KnownDevice> known_devices();

}  // namespace cotangent

#endif
