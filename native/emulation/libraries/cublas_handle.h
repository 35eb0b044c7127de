#ifndef COTANGENT_EMULATION_LIBRARIES_CUBLAS_HANDLE_H
#define COTANGENT_EMULATION_LIBRARIES_CUBLAS_HANDLE_H

#include "native/emulation/libraries/library.h"

struct cublasContext {
  cudaStream_t stream = nullptr;
};

namespace cotangent::emulation {

inline cublasStatus_t submit_blas(cublasHandle_t handle, std::function<void()> work) {
  return submit(handle->stream, std::move(work)) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // namespace cotangent::emulation

#endif
