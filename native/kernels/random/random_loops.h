// The loops of the random kernels, compiled once per SIMD target.
#ifndef COTANGENT_KERNELS_RANDOM_RANDOM_LOOPS_H
#define COTANGENT_KERNELS_RANDOM_RANDOM_LOOPS_H

#include <stdint.h>

#include "native/kernels/random/distribution.h"
#include "native/kernels/simd.h"

namespace cotangent {

// Writes `count` elements, the first of which is the first one of `block`.
using RandomLoop = void (*)(const uint32_t* key, uint64_t block, int64_t count, void* out);

COTANGENT_SIMD_DECLARE(RandomLoop random_loop(Distribution distribution))

}  // namespace cotangent

#endif
