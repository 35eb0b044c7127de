// Arithmetic of device code that the host's <math.h> lacks, with the device's rounding.
#ifndef COTANGENT_EMULATION_DEVICE_INTRINSICS_H
#define COTANGENT_EMULATION_DEVICE_INTRINSICS_H

#include <math.h>

#include <cstdint>
#include <cstring>

namespace cotangent::emulation {

template <class To, class From>
inline To bits(From value) {
  static_assert(sizeof(To) == sizeof(From), "a reinterpretation keeps the size");
  To result;
  std::memcpy(&result, &value, sizeof(To));
  return result;
}

}  // namespace cotangent::emulation

inline int __popc(unsigned x) { return __builtin_popcount(x); }

inline unsigned __umulhi(unsigned x, unsigned y) { return static_cast<unsigned>(static_cast<uint64_t>(x) * y >> 32); }
inline unsigned long long __umul64hi(unsigned long long x, unsigned long long y) {
  const uint64_t x0 = static_cast<uint32_t>(x), x1 = x >> 32, y0 = static_cast<uint32_t>(y), y1 = y >> 32;
  const uint64_t middle = x1 * y0 + (x0 * y0 >> 32);
  return x1 * y1 + (middle >> 32) + ((x0 * y1 + static_cast<uint32_t>(middle)) >> 32);
}

inline unsigned __float_as_uint(float x) { return cotangent::emulation::bits<unsigned>(x); }
inline float __uint_as_float(unsigned x) { return cotangent::emulation::bits<float>(x); }
inline long long __double_as_longlong(double x) { return cotangent::emulation::bits<long long>(x); }
inline double __longlong_as_double(long long x) { return cotangent::emulation::bits<double>(x); }

inline double __fma_rn(double x, double y, double z) { return fma(x, y, z); }

#endif
