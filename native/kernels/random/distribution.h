#ifndef COTANGENT_KERNELS_RANDOM_DISTRIBUTION_H
#define COTANGENT_KERNELS_RANDOM_DISTRIBUTION_H

namespace cotangent {

enum class Distribution { kBits, kUniform32, kUniform64, kNormal32, kNormal64 };

}  // namespace cotangent

#endif
