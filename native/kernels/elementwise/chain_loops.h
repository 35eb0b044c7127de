// Loops beside the chain's steps, for *.simd.cc files: widening and narrowing bools, filling, converting dtypes.
// Written for the compiler's vectoriser.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_CHAIN_LOOPS_H
#define COTANGENT_KERNELS_ELEMENTWISE_CHAIN_LOOPS_H

#include <stdint.h>

#include "native/kernels/elementwise/conversion.h"

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

using formula::Conversion;
using Bool = formula::Bool;

// Not restrict: the kernel may convert in place between types of one size.
template <class From, class To>
void cast_loop(const void* in, void* out, int64_t count) {
  const auto* from = static_cast<const typename formula::Stored<From>::Type*>(in);
  auto* to = static_cast<typename formula::Stored<To>::Type*>(out);
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
