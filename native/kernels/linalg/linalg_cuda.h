// The dense factorisations and solves on a GPU: cuSOLVER and cuBLAS for matrices of some size, kernels of our own for
// many small ones and for everything around them. What they compute is told in the files of the CPU's kernels.
// A row-major matrix is the transpose of what the libraries see: a lower triangle is an upper one there.
#ifndef COTANGENT_KERNELS_LINALG_LINALG_CUDA_H
#define COTANGENT_KERNELS_LINALG_LINALG_CUDA_H

#include <memory>

#include "native/backend/cuda/kernel.h"

namespace cotangent::cuda {

std::unique_ptr<Kernel> prepare_cholesky(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_triangular_solve(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_cholesky_inverse(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_lu(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_lu_solve(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_qr(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_eigh(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_eigenvalues(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_spectral_function(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_svd(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_singular_values(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_singular_function(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_pseudo_inverse(const OpDesc& desc, Device& device);
std::unique_ptr<Kernel> prepare_nuclear_norm(const OpDesc& desc, Device& device);

}  // namespace cotangent::cuda

#endif
