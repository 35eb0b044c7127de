// Sorting by unsigned keys: `key_of` maps an element to an integer that orders as the elements shall be ordered.
#ifndef COTANGENT_KERNELS_SORT_SORT_KEYS_H
#define COTANGENT_KERNELS_SORT_SORT_KEYS_H

#include <cstdint>
#include <type_traits>

#include "native/kernels/elementwise/lane.h"

namespace cotangent {

template <class T>
struct KeyOf {
  using Type = uint32_t;
};
template <>
struct KeyOf<double> {
  using Type = uint64_t;
};

template <class T>
using Key = typename KeyOf<T>::Type;

// NaN has the largest key in both directions.
template <class T, bool descending>
COTANGENT_FN Key<T> key_of(T x) {
  using K = Key<T>;
  constexpr K kSign = K(1) << (8 * sizeof(K) - 1);
  K key;
  if constexpr (std::is_floating_point_v<T>) {
    if (x != x) return ~K(0);
    const T canonical = x + T(0);  // -0 becomes 0
    __builtin_memcpy(&key, &canonical, sizeof key);
    key ^= (K(0) - (key >> (8 * sizeof(K) - 1))) | kSign;
  } else if constexpr (std::is_signed_v<T>) {
    key = static_cast<K>(x) ^ kSign;
  } else {
    key = static_cast<K>(x);
  }
  return descending ? static_cast<K>(~key) : key;
}

// The element of a key. Not for floats that are NaN or -0, which share their key with others.
template <class T, bool descending>
COTANGENT_FN T element_of(Key<T> key) {
  using K = Key<T>;
  constexpr K kSign = K(1) << (8 * sizeof(K) - 1);
  if (descending) key = static_cast<K>(~key);
  if constexpr (std::is_floating_point_v<T>) {
    key ^= (key & kSign) ? kSign : ~K(0);
    T x;
    __builtin_memcpy(&x, &key, sizeof x);
    return x;
  } else if constexpr (std::is_signed_v<T>) {
    return static_cast<T>(key ^ kSign);
  } else {
    return static_cast<T>(key);
  }
}

// Whether `element_of` gives back other bits than `key_of` was given.
template <class T>
COTANGENT_FN bool loses_bits(T x) {
  if constexpr (std::is_floating_point_v<T>) {
    Key<T> bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    return (x != x) | (bits == Key<T>(1) << (8 * sizeof bits - 1));
  } else {
    return false;
  }
}

// An element's key and place. Places differ, so that the order is total and every sort by it is stable.
template <class K>
struct Item {
  K key;
  uint32_t place;
  friend bool operator<(const Item& a, const Item& b) { return a.key < b.key || (a.key == b.key && a.place < b.place); }
};

}  // namespace cotangent

#endif
