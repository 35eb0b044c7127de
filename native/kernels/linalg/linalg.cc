#include "native/kernels/linalg/linalg.h"

namespace cotangent::cpu {

void register_linalg(Registry& registry) {
  registry.add("cholesky", prepare_cholesky);
  registry.add("triangularSolve", prepare_triangular_solve);
  registry.add("lu", prepare_lu);
  registry.add("luSolve", prepare_lu_solve);
  registry.add("qr", prepare_qr);
}

}  // namespace cotangent::cpu
