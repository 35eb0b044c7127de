#include "native/kernels/random/random_cuda.h"

namespace cotangent::cuda {

void register_random(Registry& registry) {
  registry.add("randomBits", prepare_random_bits);
  registry.add("randomUniform", prepare_random_uniform);
  registry.add("randomNormal", prepare_random_normal);
  registry.add("randomGamma", prepare_random_gamma);
  registry.add("randomGammaGradient", prepare_random_gamma_gradient);
}

}  // namespace cotangent::cuda
