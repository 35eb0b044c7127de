// The dense factorisations and solves, on LAPACK and BLAS called serially from parts of the work.
// A row-major matrix is the transpose of what BLAS sees: a lower triangle is an upper one there.
#ifndef COTANGENT_KERNELS_LINALG_LINALG_H
#define COTANGENT_KERNELS_LINALG_LINALG_H

#include <memory>

#include "native/backend/cpu/kernel.h"

namespace cotangent::cpu {

std::unique_ptr<Kernel> prepare_cholesky(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_triangular_solve(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_cholesky_inverse(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_lu(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_lu_solve(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_qr(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_eigh(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_eigenvalues(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_spectral_function(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_svd(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_singular_values(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_singular_function(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_pseudo_inverse(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_nuclear_norm(const OpDesc& desc);

}  // namespace cotangent::cpu

#endif
