// The products of matrices on a GPU. See matmul.h.
#ifndef COTANGENT_KERNELS_MATMUL_MATMUL_CUDA_H
#define COTANGENT_KERNELS_MATMUL_MATMUL_CUDA_H

#include <memory>

#include "native/backend/cuda/kernel.h"

namespace cotangent::cuda {

std::unique_ptr<Kernel> prepare_matmul(const OpDesc& desc, Device& device);

// c[i] = <a_i, b_i> for `batch` pairs of vectors of length k, summed in double; k > 0. `sums` holds dot_workspace.
uint64_t dot_workspace(int64_t batch, int64_t k);
template <class T>
ct_code launch_dots(Device& device, int64_t batch, int64_t k, const T* a, const T* b, T* c, double* sums,
                    ct_error* error);

}  // namespace cotangent::cuda

#endif
