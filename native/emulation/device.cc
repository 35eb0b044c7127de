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
    {cudaErrorInitializationError, "cudaErrorInitializationError", "initialization error"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInvalidPitchValue, "cudaErrorInvalidPitchValue", "invalid pitch argument"},
    {cudaErrorInvalidSymbol, "cudaErrorInvalidSymbol", "invalid device symbol"},
    {cudaErrorInvalidHostPointer, "cudaErrorInvalidHostPointer", "invalid host pointer"},
    {cudaErrorInvalidDevicePointer, "cudaErrorInvalidDevicePointer", "invalid device pointer"},
    {cudaErrorInvalidMemcpyDirection, "cudaErrorInvalidMemcpyDirection", "invalid copy direction for memcpy"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorInvalidDeviceFunction, "cudaErrorInvalidDeviceFunction", "invalid device function"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorLaunchOutOfResources, "cudaErrorLaunchOutOfResources", "too many resources requested for launch"},
    {cudaErrorAssert, "cudaErrorAssert", "device-side assert triggered"},
    {cudaErrorMisalignedAddress, "cudaErrorMisalignedAddress", "misaligned address"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorNotPermitted, "cudaErrorNotPermitted", "operation not permitted"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    {cudaErrorUnknown, "cudaErrorUnknown", "unknown error"},
};

const ErrorText* find_error(cudaError_t error) {
  for (const ErrorText& row : kErrors) {
    if (row.error == error) return &row;
  }
  return nullptr;
}

cudaError_t check_device(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; }

int attribute(cudaDeviceAttr attribute) {
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      return kThreadsPerBlock;
    case cudaDevAttrMaxBlockDimX:
      return kBlockX;
    case cudaDevAttrMaxBlockDimY:
      return kBlockY;
    case cudaDevAttrMaxBlockDimZ:
      return kBlockZ;
    case cudaDevAttrMaxGridDimX:
      return kGridX;
    case cudaDevAttrMaxGridDimY:
      return kGridY;
    case cudaDevAttrMaxGridDimZ:
      return kGridZ;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      return kSharedPerBlock;
    case cudaDevAttrTotalConstantMemory:
      return kConstantBytes;
    case cudaDevAttrWarpSize:
      return 32;
    case cudaDevAttrMaxRegistersPerBlock:
    case cudaDevAttrMaxRegistersPerMultiprocessor:
      return kRegistersPerBlock;
    case cudaDevAttrMultiProcessorCount:
      return kMultiprocessors;
    case cudaDevAttrL2CacheSize:
      return kCacheBytes;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      return kThreadsPerMultiprocessor;
    case cudaDevAttrComputeCapabilityMajor:
      return kMajor;
    case cudaDevAttrComputeCapabilityMinor:
      return kMinor;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      return kSharedPerMultiprocessor;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      return kSharedPerBlockOptIn;
    case cudaDevAttrMaxBlocksPerMultiprocessor:
      return kBlocksPerMultiprocessor;
    case cudaDevAttrReservedSharedMemoryPerBlock:
      return kSharedReserved;
    case cudaDevAttrCanMapHostMemory:
    case cudaDevAttrConcurrentKernels:
    case cudaDevAttrAsyncEngineCount:
    case cudaDevAttrUnifiedAddressing:
    case cudaDevAttrMemoryPoolsSupported:
      return 1;
    case cudaDevAttrIntegrated:
    case cudaDevAttrComputeMode:
    case cudaDevAttrManagedMemory:
    case cudaDevAttrPageableMemoryAccess:
    case cudaDevAttrConcurrentManagedAccess:
    case cudaDevAttrCooperativeLaunch:
      return 0;
  }
  return -1;
}

void fill(cudaDeviceProp& p) {
  p = cudaDeviceProp{};
  std::strncpy(p.name, "cotangent emulated device", sizeof p.name - 1);
  p.totalGlobalMem = memory::total();
  p.sharedMemPerBlock = kSharedPerBlock;
  p.regsPerBlock = p.regsPerMultiprocessor = kRegistersPerBlock;
  p.warpSize = 32;
  p.memPitch = kGridX;
  p.maxThreadsPerBlock = kThreadsPerBlock;
  p.maxThreadsDim[0] = kBlockX;
  p.maxThreadsDim[1] = kBlockY;
  p.maxThreadsDim[2] = kBlockZ;
  p.maxGridSize[0] = kGridX;
  p.maxGridSize[1] = kGridY;
  p.maxGridSize[2] = kGridZ;
  p.totalConstMem = kConstantBytes;
  p.major = kMajor;
  p.minor = kMinor;
  p.multiProcessorCount = kMultiprocessors;
  p.canMapHostMemory = p.concurrentKernels = p.asyncEngineCount = p.unifiedAddressing = p.memoryPoolsSupported = 1;
  p.l2CacheSize = kCacheBytes;
  p.maxThreadsPerMultiProcessor = kThreadsPerMultiprocessor;
  p.sharedMemPerMultiprocessor = kSharedPerMultiprocessor;
  p.sharedMemPerBlockOptin = kSharedPerBlockOptIn;
  p.maxBlocksPerMultiProcessor = kBlocksPerMultiprocessor;
  p.reservedSharedMemPerBlock = kSharedReserved;
}

// The environment's order, read once.
const bool order_read = [] {
  const char* text = std::getenv("COTANGENT_EMULATION_ORDER");
  if (text != nullptr && !set_order(text)) {
    std::fprintf(stderr,
                 "Expected COTANGENT_EMULATION_ORDER to be forward, reverse or random:SEED, received %s.\n", text);
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
    char* end = nullptr;
    setting.order = scheduler::Order::kRandom;
    setting.seed = std::strtoull(order.c_str() + 7, &end, 10);
    if (end == order.c_str() + 7 || *end != '\0') return false;
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

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

cudaError_t cudaSetDeviceFlags(unsigned) { return cudaSuccess; }

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return api([&] {
    if (device == 0) fill(*properties);
    return check_device(device);
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr name, int device) {
  return api([&] {
    *value = attribute(name);
    return *value < 0 ? cudaErrorInvalidValue : check_device(device);
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

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = *greatest = 0;
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
