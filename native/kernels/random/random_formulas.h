// From words of Philox to numbers: the formulas of the random kernels for one element, on hosts and devices. (The CPU's
// loops of random_loops.simd.cc compute the same for vectors of them.)
#ifndef COTANGENT_KERNELS_RANDOM_RANDOM_FORMULAS_H
#define COTANGENT_KERNELS_RANDOM_RANDOM_FORMULAS_H

#include <math.h>
#include <stdint.h>

#include "native/kernels/elementwise/normal_quantile.h"
#include "native/kernels/random/philox.h"

namespace cotangent::random {
namespace {

// Words first and first + 1 of a block, the low one first.
COTANGENT_FN uint64_t wide(const PhiloxBlock& block, int first) {
  return block.word[first] | static_cast<uint64_t>(block.word[first + 1]) << 32;
}

COTANGENT_FN float uniform(uint32_t w) { return static_cast<float>(static_cast<int32_t>(w >> 8)) * 0x1p-24f; }
COTANGENT_FN double uniform(uint64_t w) { return static_cast<double>(static_cast<int64_t>(w >> 11)) * 0x1p-53; }

// The quantile of (w + 1/2) / 2^bits; `scale` is 2^-bits. The top bit of w says which half it is in; low: min(w, ~w),
// high: its distance from the middle.
template <class T, class Word>
COTANGENT_FN T normal_quantile(Word w, T scale) {
  using Integer = formula::Bits<T>;
  constexpr int kBits = 8 * sizeof(Word);
  const bool upper = w >> (kBits - 1);
  const Word low = upper ? static_cast<Word>(~w) : w, high = (static_cast<Word>(~Word(0)) >> 1) - low;
  const T tail = (static_cast<T>(static_cast<Integer>(low)) + T(0.5)) * scale;
  const T center = (static_cast<T>(static_cast<Integer>(high)) + T(0.5)) * scale;
  const T z = formula::normal_magnitude(tail, center);
  return upper ? z : -z;
}

COTANGENT_FN float normal(uint32_t w) { return normal_quantile<float>(w, 0x1p-32f); }
COTANGENT_FN double normal(uint64_t w) { return normal_quantile<double>(w, 0x1p-64); }

// (w + 1/2) / 2^64: never 0 or 1, but for rounding.
COTANGENT_FN double open_uniform(uint64_t w) { return (static_cast<double>(w) + 0.5) * 0x1p-64; }

constexpr uint32_t kGammaAttempts = 1, kGammaPower = 2;  // last counter word: what the block is for
constexpr uint32_t kMostGammaAttempts = 128;             // each succeeds with a probability of at least 0.95

// A gamma variable of `shape` (scale 1), by the rejection of G. Marsaglia and W. W. Tsang, "A simple method for
// generating gamma variables", ACM TOMS 26 (2000) 363-372: with d = shape - 1/3 and c = 1 / sqrt(9 d), a normal z and a
// uniform u give d v, v = (1 + c z)^3, when log(u) < z^2/2 + d (1 - v + log(v)). Shapes below 1 are raised by 1 and the
// variable multiplied by u^(1/shape).
//
// Attempt t of element i of a lane takes block (i, t, kGammaAttempts) of the lane's key, words 0 and 1 for z and 2 and
// 3 for u: an acceptance that another rounding flips changes that element alone. Everything is computed in double.
COTANGENT_FN double gamma(double shape, uint64_t element, uint32_t key0, uint32_t key1) {
  if (!(shape > 0) || isinf(shape)) return shape > 0 ? shape : __builtin_nan("");
  const uint32_t low = static_cast<uint32_t>(element), high = static_cast<uint32_t>(element >> 32);
  const double d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3, c = 1 / ::sqrt(9 * d);
  double v = 1;
  for (uint32_t attempt = 0; attempt < kMostGammaAttempts; ++attempt) {
    const PhiloxBlock words = philox({{low, high, attempt, kGammaAttempts}}, key0, key1);
    const double z = normal(wide(words, 0)), root = 1 + c * z;
    if (root <= 0) continue;
    v = root * root * root;
    if (::log(open_uniform(wide(words, 2))) < 0.5 * z * z + d * (1 - v + ::log(v))) break;
  }
  if (shape >= 1) return d * v;
  const PhiloxBlock words = philox({{low, high, 0, kGammaPower}}, key0, key1);
  return ::exp(::log(d * v) + ::log(open_uniform(wide(words, 0))) / shape);
}

}  // namespace
}  // namespace cotangent::random

#endif
