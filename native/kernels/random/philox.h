// Philox 4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1,
// 2, 3" (SC 2011): a keyed bijection of 128-bit counters. Block b of a key is the image of the counter (b low, b high,
// 0, 0).
//
// Shared by hosts, SIMD targets and devices: internal linkage, no standard headers with inline code.
#ifndef COTANGENT_KERNELS_RANDOM_PHILOX_H
#define COTANGENT_KERNELS_RANDOM_PHILOX_H

#include <stdint.h>

#include "native/kernels/elementwise/lane.h"

namespace cotangent::random {
namespace {

constexpr int kPhiloxRounds = 10;
constexpr uint64_t kPhiloxMultiplier0 = 0xD2511F53, kPhiloxMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kPhiloxStep0 = 0x9E3779B9, kPhiloxStep1 = 0xBB67AE85;  // golden ratio, sqrt(3) - 1

struct PhiloxBlock {
  uint32_t word[4];
};

COTANGENT_FN PhiloxBlock philox(PhiloxBlock counter, uint32_t key0, uint32_t key1) {
  uint32_t c0 = counter.word[0], c1 = counter.word[1], c2 = counter.word[2], c3 = counter.word[3];
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const uint64_t p0 = c0 * kPhiloxMultiplier0, p1 = c2 * kPhiloxMultiplier1;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ key0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ key1;
    c3 = static_cast<uint32_t>(p0);
    key0 += kPhiloxStep0;
    key1 += kPhiloxStep1;
  }
  return {{c0, c1, c2, c3}};
}

COTANGENT_FN PhiloxBlock philox_block(uint64_t block, uint32_t key0, uint32_t key1) {
  return philox({{static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), 0, 0}}, key0, key1);
}

}  // namespace
}  // namespace cotangent::random

#endif
