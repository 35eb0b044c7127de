#include "native/emulation/libraries/library.h"

#include <dlfcn.h>

#include "native/emulation/fault.h"
#include "native/emulation/memory.h"
#include "native/emulation/streams.h"

namespace cotangent::emulation {
namespace {

// Looked up by name so that a BLAS without it links as well.
template <class F>
F* optional_symbol(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_DEFAULT, name));
}

}  // namespace

void force_single_thread() {
  // Per thread: a BLAS built with OpenMP keeps its thread count per thread. Under the runtime's lock.
  thread_local bool done = false;
  if (done) return;
  if (auto* set = optional_symbol<void(int)>("openblas_set_num_threads")) set(1);
  if (auto* set = optional_symbol<int(int)>("MKL_Set_Num_Threads_Local")) set(1);
  if (auto* set = optional_symbol<void(long)>("bli_thread_set_num_threads")) set(1);
  done = true;
}

bool submit(cudaStream_t handle, std::function<void()> work) {
  return api([&]() -> cudaError_t {
           const auto stream = streams::find(handle);
           if (!stream) return cudaErrorInvalidResourceHandle;
           streams::enqueue(stream, [work = std::move(work)] {
             force_single_thread();
             work();
           });
           return cudaSuccess;
         }) == cudaSuccess;
}

bool stream_exists(cudaStream_t handle) {
  const std::lock_guard<std::recursive_mutex> guard(runtime_lock());
  return streams::find(handle) != nullptr;
}

bool refuses_handle() {
  const std::lock_guard<std::recursive_mutex> guard(runtime_lock());
  return memory::refuses();
}

bool Operands::distinct(const char* result, const void* result_data, const char* operand, const void* operand_data) {
  if (!ok_ || result_data != operand_data) return ok_;
  ok_ = false;
  fault::report(cudaErrorLaunchFailure, std::string(function_) + ": " + result + " is in place of " + operand);
  return false;
}

bool Operands::require(const char* name, const void* data, size_t bytes) {
  if (!ok_) return false;
  if (memory::owns(data) ? memory::room(data) >= bytes : memory::is_host(data)) {
    memory::open(data);
    return true;
  }
  ok_ = false;
  fault::report(cudaErrorIllegalAddress, std::string(function_) + ": operand " + name + " of " + std::to_string(bytes) +
                                             " bytes at " + memory::describe(data));
  return false;
}

}  // namespace cotangent::emulation
