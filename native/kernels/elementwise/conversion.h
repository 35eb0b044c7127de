// How `cast` converts one element, on every device.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_CONVERSION_H
#define COTANGENT_KERNELS_ELEMENTWISE_CONVERSION_H

#include "native/kernels/elementwise/lane.h"

namespace cotangent::formula {

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
COTANGENT_FN To saturate(From x) {
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
  COTANGENT_MEMBER To apply(From x) { return static_cast<To>(x); }
};
template <class From>
struct Conversion<From, Bool> {
  COTANGENT_MEMBER uint8_t apply(From x) { return x != From(0); }
};
template <class To>
struct Conversion<Bool, To> {
  COTANGENT_MEMBER To apply(uint8_t x) { return static_cast<To>(static_cast<int32_t>(x)); }
};
template <>
struct Conversion<Bool, Bool> {
  COTANGENT_MEMBER uint8_t apply(uint8_t x) { return x; }
};
#define COTANGENT_SATURATING(From, To)                            \
  template <>                                                     \
  struct Conversion<From, To> {                                   \
    COTANGENT_MEMBER To apply(From x) { return saturate<To>(x); } \
  };
COTANGENT_SATURATING(float, int32_t)
COTANGENT_SATURATING(float, uint32_t)
COTANGENT_SATURATING(double, int32_t)
COTANGENT_SATURATING(double, uint32_t)
#undef COTANGENT_SATURATING

}  // namespace cotangent::formula

#endif
