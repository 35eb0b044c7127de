#include "native/backend/cuda/device.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

namespace cotangent::cuda {
namespace {

ct_code set_error(ct_error* error, ct_code code, const char* call, const std::string& received) {
  if (error) {
    error->code = code;
    std::snprintf(error->message, sizeof error->message, "[cuda] Expected %s to succeed, received %s.", call,
                  received.c_str());
  }
  return code;
}

const char* name(cublasStatus_t status) { return cublasGetStatusString(status); }

const char* name(cusolverStatus_t status) {
  switch (status) {
    case CUSOLVER_STATUS_NOT_INITIALIZED:
      return "CUSOLVER_STATUS_NOT_INITIALIZED";
    case CUSOLVER_STATUS_ALLOC_FAILED:
      return "CUSOLVER_STATUS_ALLOC_FAILED";
    case CUSOLVER_STATUS_INVALID_VALUE:
      return "CUSOLVER_STATUS_INVALID_VALUE";
    case CUSOLVER_STATUS_EXECUTION_FAILED:
      return "CUSOLVER_STATUS_EXECUTION_FAILED";
    default:
      return "a failure of cuSOLVER";
  }
}

template <class Status>
void require_status(Status status, const char* call) {
  ct_error error{};
  const ct_code code = check(status, &error, call);
  if (code == CT_OK) return;
  const char* const message = error.message;
  throw KernelError{code, std::strncmp(message, "[cuda] ", 7) == 0 ? message + 7 : message};
}

}  // namespace

ct_code check(cudaError_t status, ct_error* error, const char* call) {
  if (status == cudaSuccess) return CT_OK;
  const ct_code code = status == cudaErrorMemoryAllocation ? CT_OUT_OF_MEMORY : CT_DEVICE;
  return set_error(error, code, call, std::string(cudaGetErrorName(status)) + ": " + cudaGetErrorString(status));
}

ct_code check(cublasStatus_t status, ct_error* error, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return CT_OK;
  return set_error(error, status == CUBLAS_STATUS_ALLOC_FAILED ? CT_OUT_OF_MEMORY : CT_DEVICE, call, name(status));
}

ct_code check(cusolverStatus_t status, ct_error* error, const char* call) {
  if (status == CUSOLVER_STATUS_SUCCESS) return CT_OK;
  return set_error(error, status == CUSOLVER_STATUS_ALLOC_FAILED ? CT_OUT_OF_MEMORY : CT_DEVICE, call, name(status));
}

void require(cudaError_t status, const char* call) { require_status(status, call); }
void require(cublasStatus_t status, const char* call) { require_status(status, call); }
void require(cusolverStatus_t status, const char* call) { require_status(status, call); }

// --- staging

Staging::Staging() {
  for (Slot& slot : slots_) {
    void* memory = nullptr;
    require(cudaHostAlloc(&memory, kSlotBytes, cudaHostAllocDefault), "cudaHostAlloc");
    slot.memory = static_cast<char*>(memory);
    require(cudaEventCreateWithFlags(&slot.free, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  }
}

Staging::~Staging() {
  for (Slot& slot : slots_) {
    if (slot.free) cudaEventDestroy(slot.free);
    if (slot.memory) cudaFreeHost(slot.memory);
  }
}

ct_code Staging::write(cudaStream_t stream, void* to_device, const void* from_host, uint64_t bytes, ct_error* error) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (uint64_t done = 0; done < bytes; done += kSlotBytes) {
    const size_t count = std::min(kSlotBytes, bytes - done);
    Slot& slot = slots_[next_];
    next_ = (next_ + 1) % kSlots;
    ct_code code = check(cudaEventSynchronize(slot.free), error, "cudaEventSynchronize");
    if (code != CT_OK) return code;
    std::memcpy(slot.memory, static_cast<const char*>(from_host) + done, count);
    code =
        check(cudaMemcpyAsync(static_cast<char*>(to_device) + done, slot.memory, count, cudaMemcpyHostToDevice, stream),
              error, "cudaMemcpyAsync");
    if (code != CT_OK) return code;
    code = check(cudaEventRecord(slot.free, stream), error, "cudaEventRecord");
    if (code != CT_OK) return code;
  }
  return CT_OK;
}

// The copy of one slot's worth runs while the one before it is brought to its place.
ct_code Staging::read(cudaStream_t stream, void* to_host, const void* from_device, uint64_t bytes, ct_error* error) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const uint64_t chunks = (bytes + kSlotBytes - 1) / kSlotBytes;
  const int first = next_;
  const auto slot_of = [&](uint64_t chunk) -> Slot& {
    return slots_[(first + static_cast<int>(chunk % kSlots)) % kSlots];
  };
  const auto length = [&](uint64_t chunk) { return std::min(kSlotBytes, bytes - chunk * kSlotBytes); };
  const auto start = [&](uint64_t chunk) {
    Slot& slot = slot_of(chunk);
    // Stream order keeps it behind an earlier copy out of the slot.
    const ct_code code = check(cudaMemcpyAsync(slot.memory, static_cast<const char*>(from_device) + chunk * kSlotBytes,
                                               length(chunk), cudaMemcpyDeviceToHost, stream),
                               error, "cudaMemcpyAsync");
    return code == CT_OK ? check(cudaEventRecord(slot.free, stream), error, "cudaEventRecord") : code;
  };
  for (uint64_t chunk = 0; chunk <= chunks; ++chunk) {
    if (chunk < chunks) {
      if (const ct_code code = start(chunk); code != CT_OK) return code;
    }
    if (chunk == 0) continue;
    const Slot& slot = slot_of(chunk - 1);
    if (const ct_code code = check(cudaEventSynchronize(slot.free), error, "cudaEventSynchronize"); code != CT_OK) {
      return code;
    }
    std::memcpy(static_cast<char*>(to_host) + (chunk - 1) * kSlotBytes, slot.memory, length(chunk - 1));
  }
  next_ = (first + static_cast<int>(chunks % kSlots)) % kSlots;
  return CT_OK;
}

// --- device

namespace {

int selected(int index) {
  require(cudaSetDevice(index), "cudaSetDevice");
  return index;
}

}  // namespace

Device::Device(int index) : index_(selected(index)) {
  require(cudaGetDeviceProperties(&properties_, index), "cudaGetDeviceProperties");
  require(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  require(cudaStreamCreateWithFlags(&fetch_stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
}

Device::~Device() {
  cudaSetDevice(index_);
  if (solver_) cusolverDnDestroy(solver_);
  if (blas_) cublasDestroy(blas_);
  if (fetch_stream_) cudaStreamDestroy(fetch_stream_);
  if (stream_) cudaStreamDestroy(stream_);
}

ct_code Device::select(ct_error* error) const { return check(cudaSetDevice(index_), error, "cudaSetDevice"); }

cublasHandle_t Device::blas(ct_error* error) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (blas_) return blas_;
  cublasHandle_t handle = nullptr;
  if (check(cublasCreate(&handle), error, "cublasCreate") != CT_OK) return nullptr;
  if (check(cublasSetStream(handle, stream_), error, "cublasSetStream") != CT_OK) {
    cublasDestroy(handle);
    return nullptr;
  }
  return blas_ = handle;
}

cusolverDnHandle_t Device::solver(ct_error* error) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (solver_) return solver_;
  cusolverDnHandle_t handle = nullptr;
  if (check(cusolverDnCreate(&handle), error, "cusolverDnCreate") != CT_OK) return nullptr;
  if (check(cusolverDnSetStream(handle, stream_), error, "cusolverDnSetStream") != CT_OK) {
    cusolverDnDestroy(handle);
    return nullptr;
  }
  return solver_ = handle;
}

int64_t Device::resident_blocks(const void* kernel, unsigned block, size_t shared_bytes) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  int64_t& known = occupancy_[{kernel, {block, shared_bytes}}];
  if (known == 0) {
    int blocks = 0;
    const bool asked = cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, static_cast<int>(block),
                                                                     shared_bytes) == cudaSuccess;
    known = static_cast<int64_t>(properties_.multiProcessorCount) * (asked && blocks > 0 ? blocks : 1);
  }
  return known;
}

}  // namespace cotangent::cuda
