#include "native/kernels/random/random_loops.h"

#include "native/kernels/elementwise/normal_quantile.h"
#include "native/kernels/elementwise/vector.h"
#include "native/kernels/random/philox.h"

namespace cotangent::COTANGENT_TARGET {
namespace {

constexpr int64_t kBlocks = 64;          // generated at a time: their words stay in the first-level cache
constexpr int64_t kWords = 4 * kBlocks;  // a multiple of every vector's lanes

// Products of the low halves of 64-bit lanes; compilers would multiply all 64 bits.
inline UlongVector multiply_low(UlongVector a, UlongVector b) {
#if defined(__AVX512F__)
  return (UlongVector)_mm512_maskz_mul_epu32(0xff, (__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (UlongVector)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__x86_64__)
  return (UlongVector)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
  return (UlongVector)vmull_u32(vmovn_u64((uint64x2_t)a), vmovn_u64((uint64x2_t)b));
#endif
}

// random::philox_block for kBlocks blocks, one a 64-bit lane. Only the low halves of a state word count: a product
// ignores the high ones, which saves masking them.
void generate(const uint32_t* key, uint64_t first, uint32_t* words) {
  constexpr int64_t kLanes = Vector<uint64_t>::kLanes;
  constexpr uint64_t kLow = 0xffffffff;
  uint64_t halves[2][kBlocks];  // words 0 and 1 of every block, then 2 and 3
  UlongVector lane;
  for (int64_t l = 0; l < kLanes; ++l) lane[l] = static_cast<uint64_t>(l);
  for (int64_t i = 0; i < kBlocks; i += kLanes) {
    const UlongVector block = lane + (first + static_cast<uint64_t>(i));
    UlongVector c0 = block, c1 = block >> 32, c2 = UlongVector{}, c3 = UlongVector{};
    uint32_t key0 = key[0], key1 = key[1];
    for (int round = 0; round < random::kPhiloxRounds; ++round) {
      const UlongVector p0 = multiply_low(c0, UlongVector{} + random::kPhiloxMultiplier0);
      const UlongVector p1 = multiply_low(c2, UlongVector{} + random::kPhiloxMultiplier1);
      c0 = (p1 >> 32) ^ c1 ^ static_cast<uint64_t>(key0);
      c1 = p1;
      c2 = (p0 >> 32) ^ c3 ^ static_cast<uint64_t>(key1);
      c3 = p0;
      key0 += random::kPhiloxStep0;
      key1 += random::kPhiloxStep1;
    }
    const UlongVector front = (c0 & kLow) | c1 << 32, back = (c2 & kLow) | c3 << 32;
    __builtin_memcpy(halves[0] + i, &front, sizeof front);
    __builtin_memcpy(halves[1] + i, &back, sizeof back);
  }
  for (int64_t i = 0; i < kBlocks; ++i) {
    __builtin_memcpy(words + 4 * i, &halves[0][i], sizeof(uint64_t));
    __builtin_memcpy(words + 4 * i + 2, &halves[1][i], sizeof(uint64_t));
  }
}

// A distribution turns kWords words into elements; those of 8 bytes take two words, the low one first (the targets are
// all little-endian).
struct Bits {
  using Element = uint32_t;
  static void convert(const uint32_t* words, uint32_t* out) { __builtin_memcpy(out, words, kWords * sizeof(uint32_t)); }
};

struct Uniform32 {
  using Element = float;
  static void convert(const uint32_t* words, float* out) {
    for (int64_t i = 0; i < kWords; ++i) out[i] = static_cast<float>(static_cast<int32_t>(words[i] >> 8)) * 0x1p-24f;
  }
};

struct Uniform64 {
  using Element = double;
  static void convert(const uint32_t* words, double* out) {
    for (int64_t i = 0; i < kWords / 2; ++i) {
      const uint64_t word = words[2 * i] | static_cast<uint64_t>(words[2 * i + 1]) << 32;
      out[i] = static_cast<double>(static_cast<int64_t>(word >> 11)) * 0x1p-53;
    }
  }
};

template <class T>
struct Normal {
  using Element = T;
  static void convert(const uint32_t* words, T* out) {
    using V = typename Vector<T>::Type;
    using Integer = typename formula::Traits<V>::Bits;
    using Int = decltype(Integer{}[0] + 0);  // int32_t or int64_t
    constexpr int64_t kLanes = static_cast<int64_t>(sizeof(V) / sizeof(T));
    constexpr int kBits = 8 * sizeof(T);
    constexpr Int kHighest = static_cast<Int>(~(static_cast<uint64_t>(1) << 63) >> (64 - kBits));
    const T scale = sizeof(T) == 4 ? T(0x1p-32) : T(0x1p-64);
    for (int64_t i = 0; i < static_cast<int64_t>(kWords * sizeof(uint32_t) / sizeof(T)); i += kLanes) {
      Integer w;
      __builtin_memcpy(&w, words + i * static_cast<int64_t>(sizeof(T) / sizeof(uint32_t)), sizeof w);
      // w as unsigned; its top bit says which half u is in. low: min(w, ~w), high: its distance from the middle.
      const Integer low = w ^ (w >> (kBits - 1)), high = kHighest - low;
      const V tail = (__builtin_convertvector(low, V) + T(0.5)) * scale;
      const V center = (__builtin_convertvector(high, V) + T(0.5)) * scale;
      const V z = formula::normal_magnitude(tail, center);
      const V signed_z = formula::from_bits<V>(formula::bits_of(z) | (~w & formula::FormatOf<V>::kSign));
      __builtin_memcpy(out + i, &signed_z, sizeof z);
    }
  }
};

template <class D>
void fill(const uint32_t* key, uint64_t block, int64_t count, void* out) {
  using Element = typename D::Element;
  constexpr int64_t kElements = kWords * sizeof(uint32_t) / sizeof(Element);
  Element* const elements = static_cast<Element*>(out);
  alignas(64) uint32_t words[kWords];
  for (int64_t done = 0; done < count; done += kElements, block += kBlocks) {
    generate(key, block, words);
    if (count - done >= kElements) {
      D::convert(words, elements + done);
    } else {
      alignas(64) Element rest[kElements];
      D::convert(words, rest);
      __builtin_memcpy(elements + done, rest, static_cast<size_t>(count - done) * sizeof(Element));
    }
  }
}

}  // namespace

RandomLoop random_loop(Distribution distribution) {
  switch (distribution) {
    case Distribution::kBits:
      return fill<Bits>;
    case Distribution::kUniform32:
      return fill<Uniform32>;
    case Distribution::kUniform64:
      return fill<Uniform64>;
    case Distribution::kNormal32:
      return fill<Normal<float>>;
    case Distribution::kNormal64:
      return fill<Normal<double>>;
  }
  return nullptr;
}

}  // namespace cotangent::COTANGENT_TARGET
