#ifndef COTANGENT_EMULATION_LIBRARIES_CUSOLVER_HANDLE_H
#define COTANGENT_EMULATION_LIBRARIES_CUSOLVER_HANDLE_H

#include <cusolverDn.h>

#include "native/emulation/libraries/library.h"

struct cusolverDnContext {
  cudaStream_t stream = nullptr;
};

namespace cotangent::emulation {

inline cusolverStatus_t submit_solver(cusolverDnHandle_t handle, std::function<void()> work) {
  return submit(handle->stream, std::move(work)) ? CUSOLVER_STATUS_SUCCESS : CUSOLVER_STATUS_EXECUTION_FAILED;
}

inline bool valid(cusolverEigMode_t job) {
  return job == CUSOLVER_EIG_MODE_NOVECTOR || job == CUSOLVER_EIG_MODE_VECTOR;
}

// What each function asks for as workspace: enough for LAPACK's blocked forms with a block of 64. The functions check
// that the caller brought it, and LAPACK works in it.
inline int64_t factor_work(int64_t m, int64_t n) { return 64 * std::max({m, n, int64_t{1}}); }

// A size as `bufferSize` reports it.
inline cusolverStatus_t answer(cusolverDnHandle_t handle, bool valid_arguments, int64_t elements, int* size) {
  if (handle == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  if (!valid_arguments || size == nullptr || elements > INT32_MAX) return CUSOLVER_STATUS_INVALID_VALUE;
  *size = static_cast<int>(elements);
  return CUSOLVER_STATUS_SUCCESS;
}

}  // namespace cotangent::emulation

#endif
