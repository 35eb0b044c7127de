// Errors, the device and its properties, and the hooks of emulation.h.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "native/emulation/emulation.h"
#include "native/emulation/events.h"
#include "native/emulation/fault.h"
#include "native/emulation/limits.h"
#include "native/emulation/memory.h"
#include "native/emulation/scheduler.h"
#include "native/emulation/streams.h"

namespace cotangent::emulation {
namespace {

thread_local cudaError_t last_error = cudaSuccess;

struct ErrorText {
  cudaError_t error;
  const char *name, *text;
};

constexpr ErrorText kErrors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorInvalidDeviceFunction, "cudaErrorInvalidDeviceFunction", "invalid device function"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorMisalignedAddress, "cudaErrorMisalignedAddress", "misaligned address"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorNotPermitted, "cudaErrorNotPermitted", "operation not permitted"},
};

const ErrorText* find_error(cudaError_t error) {
  for (const ErrorText& row : kErrors) {
    if (row.error == error) return &row;
  }
  return nullptr;
}

cudaError_t check_device(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; }

void fill(cudaDeviceProp& p) {
  p = cudaDeviceProp{};
  std::strncpy(p.name, "cotangent emulated device", sizeof p.name - 1);
  p.totalGlobalMem = memory::total();
  p.sharedMemPerBlock = kSharedPerBlock;
  p.sharedMemPerBlockOptin = kSharedPerBlockOptIn;
  p.maxThreadsPerBlock = kThreadsPerBlock;
  p.major = kMajor;
  p.minor = kMinor;
  p.multiProcessorCount = kMultiprocessors;
}

// The environment's order, read once.
const bool order_read = [] {
  const char* text = std::getenv("COTANGENT_EMULATION_ORDER");
  if (text != nullptr && !set_order(text)) {
    std::fprintf(stderr, "Expected COTANGENT_EMULATION_ORDER to be forward, reverse or random:SEED, received %s.\n",
                 text);
    std::abort();
  }
  return true;
}();

}  // namespace

cudaError_t failed(cudaError_t error) {
  if (error != cudaErrorNotReady) last_error = error;
  return error;
}

std::string last_fault() {
  const std::lock_guard<std::recursive_mutex> guard(runtime_lock());
  return fault::message();
}

void reset() {
  const std::lock_guard<std::recursive_mutex> guard(runtime_lock());
  streams::run_all();
  streams::drop_all();
  events::drop_all();
  memory::release_all();
  memory::fail_allocation(0);
  fault::clear();
  last_error = cudaSuccess;
}

bool set_order(const std::string& order) {
  const std::lock_guard<std::recursive_mutex> guard(runtime_lock());
  scheduler::OrderSetting setting;
  if (order.rfind("random:", 0) == 0) {
    const std::string seed = order.substr(7);
    if (seed.empty() || seed.size() > 18 || seed.find_first_not_of("0123456789") != std::string::npos) return false;
    setting.order = scheduler::Order::kRandom;
    setting.seed = std::stoull(seed);
  } else if (order == "reverse") {
    setting.order = scheduler::Order::kReverse;
  } else if (order != "forward") {
    return false;
  }
  scheduler::order_setting() = setting;
  return true;
}

void fail_allocation(int64_t nth) {
  const std::lock_guard<std::recursive_mutex> guard(runtime_lock());
  memory::fail_allocation(nth);
}

void trap_invalid_operations(bool on) {
  const std::lock_guard<std::recursive_mutex> guard(runtime_lock());
  fault::trap_invalid_operations(on);
}

Statistics statistics() {
  const std::lock_guard<std::recursive_mutex> guard(runtime_lock());
  Statistics result = scheduler::counters();
  result.allocations = memory::count();
  result.bytes = memory::used();
  return result;
}

}  // namespace cotangent::emulation

using namespace cotangent::emulation;

extern "C" {

cudaError_t cudaGetLastError() {
  const std::lock_guard<std::recursive_mutex> guard(runtime_lock());
  const cudaError_t error = last_error;
  last_error = device_state();  // a fault sticks
  return error != cudaSuccess ? error : last_error;
}

cudaError_t cudaPeekAtLastError() {
  const std::lock_guard<std::recursive_mutex> guard(runtime_lock());
  return last_error != cudaSuccess ? last_error : device_state();
}

const char* cudaGetErrorName(cudaError_t error) {
  const ErrorText* row = find_error(error);
  return row ? row->name : "unrecognized error code";
}

const char* cudaGetErrorString(cudaError_t error) {
  const ErrorText* row = find_error(error);
  return row ? row->text : "unrecognized error code";
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  return api([&] { return check_device(device); });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return api([&] {
    if (device == 0) fill(*properties);
    return check_device(device);
  });
}

cudaError_t cudaDeviceSynchronize() {
  return api([] {
    streams::run_all();
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceReset() {
  const std::lock_guard<std::recursive_mutex> guard(runtime_lock());
  if (streams::in_host_function()) return failed(cudaErrorNotPermitted);
  reset();
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = kVersion;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = kVersion;
  return cudaSuccess;
}

}  // extern "C"
