#ifndef COTANGENT_BACKEND_CUDA_COPY_H
#define COTANGENT_BACKEND_CUDA_COPY_H

#include "native/backend/cuda/device.h"

namespace cotangent::cuda {

// From one place to another, which are the same or do not overlap.
inline ct_code copy_on_device(Device& device, void* to, const void* from, int64_t bytes, ct_error* error) {
  if (to == from || bytes == 0) return CT_OK;
  return check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice, device.stream()), error,
               "cudaMemcpyAsync");
}

}  // namespace cotangent::cuda

#endif
