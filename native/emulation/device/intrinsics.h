// Arithmetic of device code that the host's <math.h> lacks. Correctly rounded where the device is; the approximate
// functions (__expf, __fdividef, ...) are the accurate ones here.
#ifndef COTANGENT_EMULATION_DEVICE_INTRINSICS_H
#define COTANGENT_EMULATION_DEVICE_INTRINSICS_H

#include <math.h>
#include <stdlib.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace cotangent::emulation {

template <class To, class From>
inline To bits(From value) {
  static_assert(sizeof(To) == sizeof(From), "a reinterpretation keeps the size");
  To result;
  std::memcpy(&result, &value, sizeof(To));
  return result;
}

// Ends the lane and the launch, with the error of a failed launch.
[[noreturn]] void trap(const char* file, int line);

}  // namespace cotangent::emulation

[[noreturn]] inline void __trap(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  cotangent::emulation::trap(file, line);
}

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }
inline int __clzll(long long x) { return x == 0 ? 64 : __builtin_clzll(static_cast<unsigned long long>(x)); }
inline unsigned long long __brevll(unsigned long long x) {
  unsigned long long result = 0;
  for (int i = 0; i < 64; ++i) result |= (x >> i & 1) << (63 - i);
  return result;
}
inline unsigned __brev(unsigned x) { return static_cast<unsigned>(__brevll(x) >> 32); }
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
  const unsigned long long bytes = static_cast<unsigned long long>(y) << 32 | x;
  unsigned result = 0;
  for (int i = 0; i < 4; ++i) {
    const unsigned choice = selector >> (4 * i);
    unsigned byte = static_cast<unsigned>(bytes >> (8 * (choice & 7))) & 0xff;
    if (choice & 8) byte = byte & 0x80 ? 0xff : 0;  // replicates the sign
    result |= byte << (8 * i);
  }
  return result;
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((static_cast<uint64_t>(high) << 32 | low) << (shift & 31) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((static_cast<uint64_t>(high) << 32 | low) >> (shift & 31));
}

inline int __mulhi(int x, int y) { return static_cast<int>(static_cast<int64_t>(x) * y >> 32); }
inline unsigned __umulhi(unsigned x, unsigned y) { return static_cast<unsigned>(static_cast<uint64_t>(x) * y >> 32); }
inline unsigned long long __umul64hi(unsigned long long x, unsigned long long y) {
  const uint64_t x0 = static_cast<uint32_t>(x), x1 = x >> 32, y0 = static_cast<uint32_t>(y), y1 = y >> 32;
  const uint64_t middle = x1 * y0 + (x0 * y0 >> 32);
  return x1 * y1 + (middle >> 32) + ((x0 * y1 + static_cast<uint32_t>(middle)) >> 32);
}
inline long long __mul64hi(long long x, long long y) {
  const auto ux = static_cast<unsigned long long>(x), uy = static_cast<unsigned long long>(y);
  return static_cast<long long>(__umul64hi(ux, uy) - (x < 0 ? uy : 0) - (y < 0 ? ux : 0));
}
inline int __mul24(int x, int y) {
  const int64_t a = (x & 0xffffff) - ((x & 0x800000) << 1), b = (y & 0xffffff) - ((y & 0x800000) << 1);
  return static_cast<int>(static_cast<uint32_t>(a * b));
}
inline unsigned __umul24(unsigned x, unsigned y) {
  return static_cast<unsigned>(static_cast<uint64_t>(x & 0xffffff) * (y & 0xffffff));
}

inline int __float_as_int(float x) { return cotangent::emulation::bits<int>(x); }
inline unsigned __float_as_uint(float x) { return cotangent::emulation::bits<unsigned>(x); }
inline float __int_as_float(int x) { return cotangent::emulation::bits<float>(x); }
inline float __uint_as_float(unsigned x) { return cotangent::emulation::bits<float>(x); }
inline long long __double_as_longlong(double x) { return cotangent::emulation::bits<long long>(x); }
inline double __longlong_as_double(long long x) { return cotangent::emulation::bits<double>(x); }
inline int __double2hiint(double x) { return static_cast<int>(__double_as_longlong(x) >> 32); }
inline int __double2loint(double x) { return static_cast<int>(__double_as_longlong(x)); }
inline double __hiloint2double(int high, int low) {
  return __longlong_as_double(
      static_cast<long long>(static_cast<uint64_t>(static_cast<uint32_t>(high)) << 32 | static_cast<uint32_t>(low)));
}

inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
inline double __fma_rn(double x, double y, double z) { return fma(x, y, z); }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fsub_rn(float x, float y) { return x - y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __frcp_rn(float x) { return 1 / x; }
inline double __dadd_rn(double x, double y) { return x + y; }
inline double __dsub_rn(double x, double y) { return x - y; }
inline double __dmul_rn(double x, double y) { return x * y; }
inline double __ddiv_rn(double x, double y) { return x / y; }
inline double __dsqrt_rn(double x) { return sqrt(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float __log2f(float x) { return log2f(x); }
inline float __sinf(float x) { return sinf(x); }
inline float __cosf(float x) { return cosf(x); }
inline float __powf(float x, float y) { return powf(x, y); }
inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f; }
inline float rsqrtf(float x) { return static_cast<float>(1 / sqrt(static_cast<double>(x))); }
inline double rsqrt(double x) { return 1 / sqrt(x); }
inline float rsqrt(float x) { return rsqrtf(x); }

// The device rounds towards zero, saturates and turns NaN into 0 where C++ leaves the result undefined.
inline int __float2int_rn(float x) {
  return isnan(x) ? 0 : x >= 2147483648.0f ? INT32_MAX : x <= -2147483648.0f ? INT32_MIN : static_cast<int>(rintf(x));
}
inline int __float2int_rz(float x) {
  return isnan(x) ? 0 : x >= 2147483648.0f ? INT32_MAX : x <= -2147483648.0f ? INT32_MIN : static_cast<int>(x);
}
inline int __double2int_rz(double x) {
  return isnan(x) ? 0 : x >= 2147483647.0 ? INT32_MAX : x <= -2147483648.0 ? INT32_MIN : static_cast<int>(x);
}
inline float __int2float_rn(int x) { return static_cast<float>(x); }
inline float __uint2float_rn(unsigned x) { return static_cast<float>(x); }
inline double __int2double_rn(int x) { return x; }
inline double __uint2double_rn(unsigned x) { return x; }
inline float __double2float_rn(double x) { return static_cast<float>(x); }

template <class T>
inline T __ldg(const T* address) {
  return *address;
}
template <class T>
inline T __ldcg(const T* address) {
  return *address;
}
template <class T>
inline T __ldcs(const T* address) {
  return *address;
}
template <class T>
inline void __stcs(T* address, T value) {
  *address = value;
}

// Device code has min and max of the arithmetic types without std.
#define COTANGENT_EXTREMES(T)                      \
  inline T min(T x, T y) { return y < x ? y : x; } \
  inline T max(T x, T y) { return x < y ? y : x; }
COTANGENT_EXTREMES(int)
COTANGENT_EXTREMES(unsigned)
COTANGENT_EXTREMES(long)
COTANGENT_EXTREMES(unsigned long)
COTANGENT_EXTREMES(long long)
COTANGENT_EXTREMES(unsigned long long)
#undef COTANGENT_EXTREMES
inline float min(float x, float y) { return fminf(x, y); }
inline float max(float x, float y) { return fmaxf(x, y); }
inline double min(double x, double y) { return fmin(x, y); }
inline double max(double x, double y) { return fmax(x, y); }

#endif
