// Division of 32-bit indices by numbers that the host knows: a multiplication and a shift, where the machine's own
// division takes some twenty instructions. T. Granlund, P. L. Montgomery, "Division by invariant integers using
// multiplication", PLDI 1994, section 4, for dividends below 2^31.
#ifndef COTANGENT_BACKEND_CUDA_DIVISOR_H
#define COTANGENT_BACKEND_CUDA_DIVISOR_H

#include <cuda_runtime.h>

#include <cstdint>

namespace cotangent::cuda {

struct Divisor {
  uint32_t value, magic, shift;

  Divisor() = default;
  // 0 < value < 2^31
  explicit Divisor(int64_t value) : value(static_cast<uint32_t>(value)), magic(0), shift(0) {
    while ((uint64_t{1} << shift) < static_cast<uint64_t>(value)) ++shift;
    const uint64_t rest = (uint64_t{1} << shift) - this->value;
    magic = static_cast<uint32_t>((rest << 32) / this->value + 1);
  }

  // n < 2^31
  __device__ __forceinline__ uint32_t quotient(uint32_t n) const { return (__umulhi(n, magic) + n) >> shift; }
};

}  // namespace cotangent::cuda

#endif
