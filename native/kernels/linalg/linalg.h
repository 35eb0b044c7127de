// The dense factorisations and solves, on LAPACK and BLAS called serially from parts of the work.
// A row-major matrix is the transpose of what BLAS sees: a lower triangle is an upper one there.
#ifndef COTANGENT_KERNELS_LINALG_LINALG_H
#define COTANGENT_KERNELS_LINALG_LINALG_H

#include <memory>

#include "native/backend/cpu/kernel.h"

namespace cotangent::cpu {

std::unique_ptr<Kernel> prepare_cholesky(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_triangular_solve(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_lu(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_lu_solve(const OpDesc& desc);
std::unique_ptr<Kernel> prepare_qr(const OpDesc& desc);

}  // namespace cotangent::cpu

#endif
