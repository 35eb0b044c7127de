#include "native/kernels/linalg/linalg_cuda.h"

namespace cotangent::cuda {

void register_linalg(Registry& registry) {
  registry.add("cholesky", prepare_cholesky);
  registry.add("triangularSolve", prepare_triangular_solve);
  registry.add("choleskyInverse", prepare_cholesky_inverse);
  registry.add("lu", prepare_lu);
  registry.add("luSolve", prepare_lu_solve);
  registry.add("qr", prepare_qr);
  registry.add("eigh", prepare_eigh);
  registry.add("eigenvalues", prepare_eigenvalues);
  registry.add("spectralFunction", prepare_spectral_function);
  registry.add("svd", prepare_svd);
  registry.add("singularValues", prepare_singular_values);
  registry.add("singularFunction", prepare_singular_function);
  registry.add("pseudoInverse", prepare_pseudo_inverse);
  registry.add("nuclearNorm", prepare_nuclear_norm);
}

}  // namespace cotangent::cuda
