// How a GPU transforms lines: passes through memory, each of which is a batch of short transforms in shared memory.
//
// With n = n_1 n_2 .. a pass of radix R = n_p that finds transforms of length L = n_1 .. n_(p-1) done takes the columns
// t < n / R of a line. Its element i comes from place t + i n / R, is turned by exp(-2 pi i (t mod L) i / (L R)), and
// element i of the transformed column goes to place (t div L) L R + t mod L + i L: after the last pass the line is in
// order (T. G. Stockham, "High-speed convolution and correlation", AFIPS 28 (1966) 229-233). Inside shared memory the
// column is transformed by the same rule with the factors of R. A line of at most kMostRadix elements is one pass.
#ifndef COTANGENT_KERNELS_FFT_FFT_PASSES_H
#define COTANGENT_KERNELS_FFT_FFT_PASSES_H

#include <algorithm>
#include <cstdint>
#include <vector>

#include "native/backend/cuda/divisor.h"

namespace cotangent::cuda {

struct alignas(16) Number {
  double re, im;
};

constexpr int64_t kLargestPrime = 50;  // a factor costs 8 flops an element times itself: beyond, chirps are cheaper
constexpr int64_t kMostLine = 2048;    // a line in one pass: twice its 32 KiB in shared memory
constexpr int64_t kMostRadix = 1024;   // of one pass of several
constexpr int kMostFactors = 10;       // of kMostLine: 3^6 < 2048, and 2 three at a time
constexpr int kPaddedWidth = 31;       // no padding between elements where columns stand side by side
constexpr unsigned kMostThreads = 512;

// A step inside shared memory.
struct Factor {
  int32_t radix, done, reach;  // done: the product of the factors before it; reach: R / (done radix)
  Divisor by_done;
};

struct Pass {
  int32_t length, radix, count, done, reach;  // n, R, n / R, L and n / (L R)
  int32_t log_width, stride, pad;  // 2^log_width columns in a tile; element i of one is at (i + i >> pad) stride
  int32_t factors;
  Factor factor[kMostFactors];
  Divisor by_radix, by_done;
  LongDivisor by_count;
  // exp(-2 pi i m / R); exp(-2 pi i m / n) = high[m >> shift] low[m mod 2^shift].
  const Number *roots, *low, *high;
  int32_t shift;

  int64_t tile_elements() const { return int64_t{radix} << log_width; }
  int64_t shared_bytes() const { return 2 * (radix + (radix >> pad)) * int64_t{stride} * int64_t{sizeof(Number)}; }
  unsigned threads() const {
    unsigned made = 32;
    while (made < kMostThreads && 4 * int64_t{made} < tile_elements()) made *= 2;
    return made;
  }
};

// Whether passes can do it: no prime factor is too large.
inline bool has_small_factors(int64_t n) {
  for (int64_t p = 2; p <= kLargestPrime; ++p) {
    while (n % p == 0) n /= p;
  }
  return n == 1;
}

// The radices of the passes of a length that has small factors: as few as can be, of about one size.
inline std::vector<int64_t> pass_radices(int64_t n) {
  if (n <= kMostLine) return {n};
  std::vector<int64_t> primes;
  int64_t rest = n;
  for (int64_t p = kLargestPrime; p > 1; --p) {
    const bool prime = (p == 2 || p % 2) && (p == 3 || p % 3) && (p == 5 || p % 5) && (p == 7 || p % 7);
    for (; prime && rest % p == 0; rest /= p) primes.push_back(p);
  }
  for (size_t passes = 2;; ++passes) {
    std::vector<int64_t> radices(passes, 1);
    for (const int64_t p : primes) *std::min_element(radices.begin(), radices.end()) *= p;
    if (*std::max_element(radices.begin(), radices.end()) <= kMostRadix) return radices;
  }
}

// The steps of one radix: 8, 4 and 2 in registers, 3 and 5 too, other primes by their definition.
inline void set_factors(Pass& pass) {
  int32_t rest = pass.radix, twos = 0, done = 1;
  const auto add = [&](int32_t radix) {
    pass.factor[pass.factors++] = {radix, done, pass.radix / (done * radix), Divisor(done)};
    done *= radix;
  };
  for (; rest % 2 == 0; rest /= 2) ++twos;
  for (; twos >= 3 && twos != 4; twos -= 3) add(8);
  for (; twos >= 2; twos -= 2) add(4);
  if (twos) add(2);
  for (int32_t p = 3; rest > 1; p += 2) {
    for (; rest % p == 0; rest /= p) add(p);
  }
}

// `lines` lines of length n; `tile` elements fit into shared memory, twice, between columns' padding.
inline std::vector<Pass> make_passes(int64_t n, int64_t lines, int64_t tile) {
  std::vector<Pass> passes;
  int64_t done = 1;
  for (const int64_t radix : pass_radices(n)) {
    Pass pass{};
    pass.length = static_cast<int32_t>(n);
    pass.radix = static_cast<int32_t>(radix);
    pass.count = static_cast<int32_t>(n / radix);
    pass.done = static_cast<int32_t>(done);
    pass.reach = static_cast<int32_t>(n / (done * radix));
    // Short lines: enough of them for a block's threads. Columns: side by side, as far as a cache line of 128 bytes.
    const int64_t room = n == radix ? 1024 : tile, most = n == radix ? 256 : 8, columns = lines * pass.count;
    while (radix << (pass.log_width + 1) <= room && int64_t{1} << pass.log_width < std::min(most, columns)) {
      ++pass.log_width;
    }
    // Odd, so that neither neighbours in a column nor columns meet in a bank; a lone column is padded instead.
    pass.stride = (1 << pass.log_width) | 1;
    pass.pad = pass.log_width ? kPaddedWidth : 3;
    pass.by_radix = Divisor(radix);
    pass.by_done = Divisor(done);
    pass.by_count = LongDivisor(pass.count);
    set_factors(pass);
    passes.push_back(pass);
    done *= radix;
  }
  return passes;
}

}  // namespace cotangent::cuda

#endif
