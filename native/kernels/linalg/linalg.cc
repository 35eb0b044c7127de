#include "native/kernels/linalg/linalg.h"

namespace cotangent::cpu {

void register_linalg(Registry& registry) {
  registry.add("cholesky", prepare_cholesky);
  registry.add("triangularSolve", prepare_triangular_solve);
}

}  // namespace cotangent::cpu
