#include "native/backend/cuda/device.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

#if defined(COTANGENT_CUDA_EMULATED)
#include "native/emulation/emulation.h"
#endif

namespace cotangent::cuda {
namespace {

constexpr const char* kOp = "cuda";  // unless a kernel is to blame: `run` names it

ct_code set_error(ct_error* error, ct_code code, const char* call, const std::string& received) {
  if (error) {
    error->code = code;
    std::snprintf(error->op, sizeof error->op, "%s", kOp);
    std::snprintf(error->message, sizeof error->message, "[%s] Expected %s to succeed, received %s.", kOp, call,
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
  if (check(status, &error, call) != CT_OK) raise(error);
}

}  // namespace

ct_code check(cudaError_t status, ct_error* error, const char* call) {
  if (status == cudaSuccess) return CT_OK;
  cudaGetLastError();
  const ct_code code = status == cudaErrorMemoryAllocation ? CT_OUT_OF_MEMORY : CT_DEVICE;
  std::string received = std::string(cudaGetErrorName(status)) + ": " + cudaGetErrorString(status);
#if defined(COTANGENT_CUDA_EMULATED)
  if (const std::string fault = emulation::last_fault(); !fault.empty()) received += " (" + fault + ")";
#endif
  return set_error(error, code, call, received);
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

void raise(const ct_error& error) {
  const std::string message = error.message, prefix = std::string("[") + kOp + "] ";
  throw KernelError{static_cast<ct_code>(error.code),
                    message.rfind(prefix, 0) == 0 ? message.substr(prefix.size()) : message};
}

// --- staging

Staging::Staging(int slots, uint64_t slot_bytes) : slot_bytes_(slot_bytes), slots_(static_cast<size_t>(slots)) {
  for (Slot& slot : slots_) {
    void* memory = nullptr;
    require(cudaHostAlloc(&memory, slot_bytes_, cudaHostAllocDefault), "cudaHostAlloc");
    slot.memory.reset(static_cast<char*>(memory));
    cudaEvent_t event = nullptr;
    require(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    slot.free.reset(event);
  }
}

ct_code Staging::write(cudaStream_t stream, void* to_device, const void* from_host, uint64_t bytes, ct_error* error) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (uint64_t done = 0; done < bytes;) {
    if (used_ == slot_bytes_) {
      const size_t next = (current_ + 1) % slots_.size();
      const ct_code code = check(cudaEventSynchronize(slots_[next].free.get()), error, "cudaEventSynchronize");
      if (code != CT_OK) return code;
      current_ = next;
      used_ = 0;
    }
    const Slot& slot = slots_[current_];
    char* const staged = slot.memory.get() + used_;
    const size_t count = std::min(slot_bytes_ - used_, bytes - done);
    used_ += (count + kAlignment - 1) / kAlignment * kAlignment;
    std::memcpy(staged, static_cast<const char*>(from_host) + done, count);
    ct_code code =
        check(cudaMemcpyAsync(static_cast<char*>(to_device) + done, staged, count, cudaMemcpyHostToDevice, stream),
              error, "cudaMemcpyAsync");
    if (code != CT_OK) return code;
    code = check(cudaEventRecord(slot.free.get(), stream), error, "cudaEventRecord");
    if (code != CT_OK) return code;
    done += count;
  }
  return CT_OK;
}

// The copy of one slot's worth runs while the one before it is brought to its place. All slots are free afterwards.
ct_code Staging::read(cudaStream_t stream, void* to_host, const void* from_device, uint64_t bytes, ct_error* error) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const uint64_t chunks = (bytes + slot_bytes_ - 1) / slot_bytes_;
  const auto length = [&](uint64_t chunk) { return std::min(slot_bytes_, bytes - chunk * slot_bytes_); };
  const auto start = [&](uint64_t chunk) {
    const Slot& slot = slots_[chunk % slots_.size()];
    // Stream order keeps it behind an earlier copy out of the slot.
    const ct_code code =
        check(cudaMemcpyAsync(slot.memory.get(), static_cast<const char*>(from_device) + chunk * slot_bytes_,
                              length(chunk), cudaMemcpyDeviceToHost, stream),
              error, "cudaMemcpyAsync");
    return code == CT_OK ? check(cudaEventRecord(slot.free.get(), stream), error, "cudaEventRecord") : code;
  };
  for (uint64_t chunk = 0; chunk <= chunks; ++chunk) {
    if (chunk < chunks) {
      if (const ct_code code = start(chunk); code != CT_OK) return code;
    }
    if (chunk == 0) continue;
    const Slot& slot = slots_[(chunk - 1) % slots_.size()];
    if (const ct_code code = check(cudaEventSynchronize(slot.free.get()), error, "cudaEventSynchronize");
        code != CT_OK) {
      return code;
    }
    std::memcpy(static_cast<char*>(to_host) + (chunk - 1) * slot_bytes_, slot.memory.get(), length(chunk - 1));
  }
  return CT_OK;
}

// --- device

namespace {

int selected(int index) {
  require(cudaSetDevice(index), "cudaSetDevice");
  return index;
}

StreamHandle make_stream() {
  cudaStream_t stream = nullptr;
  require(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  return StreamHandle(stream);
}

}  // namespace

Device::Device(int index) : index_(selected(index)), stream_(make_stream()), fetch_stream_(make_stream()) {
  require(cudaGetDeviceProperties(&properties_, index), "cudaGetDeviceProperties");
}

Device::~Device() { select(nullptr); }  // for the members' sake

ct_code Device::select(ct_error* error) const { return check(cudaSetDevice(index_), error, "cudaSetDevice"); }

ct_code Device::blas(cublasHandle_t* handle, ct_error* error) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!blas_) {
    cublasHandle_t created = nullptr;
    if (const ct_code code = check(cublasCreate(&created), error, "cublasCreate"); code != CT_OK) return code;
    BlasHandle made(created);
    const ct_code code = check(cublasSetStream(created, stream()), error, "cublasSetStream");
    if (code != CT_OK) return code;
    blas_ = std::move(made);
  }
  *handle = blas_.get();
  return CT_OK;
}

ct_code Device::solver(cusolverDnHandle_t* handle, ct_error* error) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!solver_) {
    cusolverDnHandle_t created = nullptr;
    if (const ct_code code = check(cusolverDnCreate(&created), error, "cusolverDnCreate"); code != CT_OK) return code;
    SolverHandle made(created);
    const ct_code code = check(cusolverDnSetStream(created, stream()), error, "cusolverDnSetStream");
    if (code != CT_OK) return code;
    solver_ = std::move(made);
  }
  *handle = solver_.get();
  return CT_OK;
}

int64_t Device::resident_blocks(const void* kernel, unsigned block, size_t shared_bytes) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  int64_t& known = occupancy_[{kernel, {block, shared_bytes}}];
  if (known == 0) {
    int blocks = 0;
    const cudaError_t asked =
        cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, static_cast<int>(block), shared_bytes);
    if (check(asked, nullptr, "cudaOccupancyMaxActiveBlocksPerMultiprocessor") != CT_OK) blocks = 0;  // launching tells
    known = static_cast<int64_t>(properties_.multiProcessorCount) * std::max(1, blocks);
  }
  return known;
}

}  // namespace cotangent::cuda
