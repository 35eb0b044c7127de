// The operators of the reductions. Internal linkage: this header is compiled once per SIMD target, by plain files and
// for devices.
#ifndef COTANGENT_KERNELS_REDUCE_REDUCE_OPS_H
#define COTANGENT_KERNELS_REDUCE_REDUCE_OPS_H

#include <stdint.h>

#include "native/kernels/elementwise/lane.h"

namespace cotangent {
namespace {

template <class T>
struct Limits {  // integers
  static constexpr bool kFloating = false;
  static constexpr bool kSigned = static_cast<T>(-1) < static_cast<T>(0);
  static constexpr T kHigh =
      kSigned ? static_cast<T>((static_cast<uint64_t>(1) << (8 * sizeof(T) - 1)) - 1) : static_cast<T>(-1);
  static constexpr T kLow = kSigned ? static_cast<T>(-kHigh - 1) : static_cast<T>(0);
};

template <>
struct Limits<uint8_t> {  // bool
  static constexpr bool kFloating = false;
  static constexpr uint8_t kHigh = 1;
  static constexpr uint8_t kLow = 0;
};

template <>
struct Limits<float> {
  static constexpr bool kFloating = true;
  static constexpr float kHigh = __builtin_huge_valf();
  static constexpr float kLow = -__builtin_huge_valf();
};

template <>
struct Limits<double> {
  static constexpr bool kFloating = true;
  static constexpr double kHigh = __builtin_huge_val();
  static constexpr double kLow = -__builtin_huge_val();
};

template <class T>
struct WiderType {
  using Type = T;
};
template <>
struct WiderType<float> {
  using Type = double;
};

// `Partial`: what partial results of T are kept in. `kRounds`: whether long chains of it lose accuracy.
// `of` works on scalars and on vectors; T is the element type. NaN propagates through all of them.
template <class T>
struct SumOf {
  using Partial = typename WiderType<T>::Type;
  static constexpr bool kRounds = Limits<T>::kFloating;
  static constexpr T kIdentity = 0;
  template <class V>
  COTANGENT_MEMBER V of(V a, V b) {
    return a + b;
  }
};

template <class T>
struct ProductOf {
  using Partial = typename WiderType<T>::Type;
  static constexpr bool kRounds = Limits<T>::kFloating;
  static constexpr T kIdentity = 1;
  template <class V>
  COTANGENT_MEMBER V of(V a, V b) {
    return a * b;
  }
};

template <class T>
struct MaxOf {
  using Partial = T;
  static constexpr bool kRounds = false;
  static constexpr T kIdentity = Limits<T>::kLow;
  template <class V>
  COTANGENT_MEMBER V of(V a, V b) {
    const V larger = b > a ? b : a;  // a, when it is NaN
    if constexpr (Limits<T>::kFloating) return b != b ? b : larger;
    return larger;
  }
};

template <class T>
struct MinOf {
  using Partial = T;
  static constexpr bool kRounds = false;
  static constexpr T kIdentity = Limits<T>::kHigh;
  template <class V>
  COTANGENT_MEMBER V of(V a, V b) {
    const V smaller = b < a ? b : a;
    if constexpr (Limits<T>::kFloating) return b != b ? b : smaller;
    return smaller;
  }
};

}  // namespace
}  // namespace cotangent

#endif
