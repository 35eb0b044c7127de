// Division of indices by numbers that the host knows: a multiplication and a shift, where the machine's own division
// takes twenty instructions or, of 64-bit numbers, seventy. T. Granlund, P. L. Montgomery, "Division by invariant
// integers using multiplication", PLDI 1994, section 4.
#ifndef COTANGENT_BACKEND_CUDA_DIVISOR_H
#define COTANGENT_BACKEND_CUDA_DIVISOR_H

#include <cuda_runtime.h>

#include <cstdint>

namespace cotangent::cuda {

// For dividends below 2^31; 0 < value < 2^31.
struct Divisor {
  uint32_t value, magic, shift;

  Divisor() = default;
  explicit Divisor(int64_t value) : value(static_cast<uint32_t>(value)), magic(0), shift(0) {
    while ((uint64_t{1} << shift) < static_cast<uint64_t>(value)) ++shift;
    const uint64_t rest = (uint64_t{1} << shift) - this->value;
    magic = static_cast<uint32_t>((rest << 32) / this->value + 1);
  }

#if defined(__CUDACC__) || defined(COTANGENT_CUDA_EMULATED)  // the host's files see the numbers only
  __device__ __forceinline__ uint32_t quotient(uint32_t n) const { return (__umulhi(n, magic) + n) >> shift; }
#endif
};

// For dividends below 2^63; 0 < value < 2^63.
struct LongDivisor {
  uint64_t value, magic;
  uint32_t shift;

  LongDivisor() = default;
  explicit LongDivisor(int64_t value) : value(static_cast<uint64_t>(value)), magic(0), shift(0) {
    using Wide = unsigned __int128;
    while ((Wide{1} << shift) < static_cast<Wide>(this->value)) ++shift;
    const Wide rest = (Wide{1} << shift) - this->value;
    magic = static_cast<uint64_t>((rest << 64) / this->value + 1);
  }

#if defined(__CUDACC__) || defined(COTANGENT_CUDA_EMULATED)
  __device__ __forceinline__ uint64_t quotient(uint64_t n) const { return (__umul64hi(n, magic) + n) >> shift; }
#endif
};

// By the type of the indices (dispatch_index).
template <class Index>
struct DivisorOf {
  using Type = LongDivisor;
};
template <>
struct DivisorOf<int32_t> {
  using Type = Divisor;
};

}  // namespace cotangent::cuda

#endif
