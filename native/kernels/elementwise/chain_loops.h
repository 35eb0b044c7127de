// Loops beside the chain's steps, for *.simd.cc files: widening and narrowing bools, filling, converting dtypes.
// Written for the compiler's vectoriser.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_CHAIN_LOOPS_H
#define COTANGENT_KERNELS_ELEMENTWISE_CHAIN_LOOPS_H

#include <stdint.h>

namespace cotangent::COTANGENT_TARGET {
namespace {

template <class T>
void widen_bools(const uint8_t* __restrict in, T* __restrict out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<T>(static_cast<int32_t>(in[i]));
}

template <class T>
void narrow_bools(const T* __restrict in, uint8_t* __restrict out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = in[i] != T(0);
}

template <class Word>
void fill_words(const void* value, void* out, int64_t count) {
  Word word;
  __builtin_memcpy(&word, value, sizeof word);
  for (int64_t i = 0; i < count; ++i) __builtin_memcpy(static_cast<char*>(out) + i * sizeof word, &word, sizeof word);
}

void fill_elements(int bytes, const void* value, void* out, int64_t count) {
  if (bytes == 4) {
    fill_words<uint32_t>(value, out, count);
  } else {
    fill_words<uint64_t>(value, out, count);
  }
}

struct Bool {};  // the dtype, stored as uint8_t

template <class T>
struct Stored {
  using Type = T;
};
template <>
struct Stored<Bool> {
  using Type = uint8_t;
};

// Float to integer: truncates, saturates, NaN gives 0. `kEnd` is the first value above the range.
template <class To, class From>
inline __attribute__((always_inline)) To saturate(From x) {
  constexpr From kStart = To(-1) < To(0) ? From(-2147483648.0) : From(0);
  constexpr From kEnd = To(-1) < To(0) ? From(2147483648.0) : From(4294967296.0);
  constexpr To kLowest = To(-1) < To(0) ? To(INT32_MIN) : To(0);
  constexpr To kHighest = To(-1) < To(0) ? To(INT32_MAX) : To(UINT32_MAX);
  // The conversion of a value outside the range is undefined: such values are replaced first.
  const From inside = x >= kStart && x < kEnd ? x : From(0);
  const To converted = To(inside);
  return x >= kEnd ? kHighest : x < kStart ? kLowest : converted;
}

template <class From, class To>
struct Conversion {
  static inline __attribute__((always_inline)) To apply(From x) { return static_cast<To>(x); }
};
template <class From>
struct Conversion<From, Bool> {
  static inline __attribute__((always_inline)) uint8_t apply(From x) { return x != From(0); }
};
template <class To>
struct Conversion<Bool, To> {
  static inline __attribute__((always_inline)) To apply(uint8_t x) { return static_cast<To>(static_cast<int32_t>(x)); }
};
template <>
struct Conversion<Bool, Bool> {
  static inline __attribute__((always_inline)) uint8_t apply(uint8_t x) { return x; }
};
#define COTANGENT_SATURATING(From, To)                                                        \
  template <>                                                                                 \
  struct Conversion<From, To> {                                                               \
    static inline __attribute__((always_inline)) To apply(From x) { return saturate<To>(x); } \
  };
COTANGENT_SATURATING(float, int32_t)
COTANGENT_SATURATING(float, uint32_t)
COTANGENT_SATURATING(double, int32_t)
COTANGENT_SATURATING(double, uint32_t)
#undef COTANGENT_SATURATING

// Not restrict: the kernel may convert in place between types of one size.
template <class From, class To>
void cast_loop(const void* in, void* out, int64_t count) {
  const auto* from = static_cast<const typename Stored<From>::Type*>(in);
  auto* to = static_cast<typename Stored<To>::Type*>(out);
  for (int64_t i = 0; i < count; ++i) to[i] = Conversion<From, To>::apply(from[i]);
}

template <class From>
void cast_from(int to, const void* in, void* out, int64_t count) {
  switch (to) {
    case 0:
      return cast_loop<From, float>(in, out, count);
    case 1:
      return cast_loop<From, double>(in, out, count);
    case 2:
      return cast_loop<From, int32_t>(in, out, count);
    case 3:
      return cast_loop<From, uint32_t>(in, out, count);
    default:
      return cast_loop<From, Bool>(in, out, count);
  }
}

void cast_elements(int from, int to, const void* in, void* out, int64_t count) {
  switch (from) {
    case 0:
      return cast_from<float>(to, in, out, count);
    case 1:
      return cast_from<double>(to, in, out, count);
    case 2:
      return cast_from<int32_t>(to, in, out, count);
    case 3:
      return cast_from<uint32_t>(to, in, out, count);
    default:
      return cast_from<Bool>(to, in, out, count);
  }
}

}  // namespace
}  // namespace cotangent::COTANGENT_TARGET

#endif
