// Transposition of small square blocks in 16-byte registers, which every target has.
#ifndef COTANGENT_KERNELS_MOVEMENT_TRANSPOSE_TILE_H
#define COTANGENT_KERNELS_MOVEMENT_TRANSPOSE_TILE_H

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace cotangent::cpu {

typedef uint32_t Lanes32 __attribute__((vector_size(16)));
typedef uint64_t Lanes64 __attribute__((vector_size(16)));

#if defined(__clang__)
#define COTANGENT_SHUFFLE(mask, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define COTANGENT_SHUFFLE(mask, a, b, ...) __builtin_shuffle(a, b, mask{__VA_ARGS__})
#endif

template <class V>
inline V load_lanes(const void* p) {
  V v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

template <class V>
inline void store_lanes(void* p, V v) {
  std::memcpy(p, &v, sizeof v);
}

// to[j][i] = from[i][j] for a 4 x 4 block; strides in elements.
inline void transpose_block(uint32_t* to, int64_t to_stride, const uint32_t* from, int64_t from_stride) {
  const auto a = load_lanes<Lanes32>(from), b = load_lanes<Lanes32>(from + from_stride);
  const auto c = load_lanes<Lanes32>(from + 2 * from_stride), d = load_lanes<Lanes32>(from + 3 * from_stride);
  const Lanes32 ab_low = COTANGENT_SHUFFLE(Lanes32, a, b, 0, 4, 1, 5),
                ab_high = COTANGENT_SHUFFLE(Lanes32, a, b, 2, 6, 3, 7);
  const Lanes32 cd_low = COTANGENT_SHUFFLE(Lanes32, c, d, 0, 4, 1, 5),
                cd_high = COTANGENT_SHUFFLE(Lanes32, c, d, 2, 6, 3, 7);
  store_lanes<Lanes32>(to, COTANGENT_SHUFFLE(Lanes32, ab_low, cd_low, 0, 1, 4, 5));
  store_lanes<Lanes32>(to + to_stride, COTANGENT_SHUFFLE(Lanes32, ab_low, cd_low, 2, 3, 6, 7));
  store_lanes<Lanes32>(to + 2 * to_stride, COTANGENT_SHUFFLE(Lanes32, ab_high, cd_high, 0, 1, 4, 5));
  store_lanes<Lanes32>(to + 3 * to_stride, COTANGENT_SHUFFLE(Lanes32, ab_high, cd_high, 2, 3, 6, 7));
}

// The same for 2 x 2.
inline void transpose_block(uint64_t* to, int64_t to_stride, const uint64_t* from, int64_t from_stride) {
  const auto a = load_lanes<Lanes64>(from), b = load_lanes<Lanes64>(from + from_stride);
  store_lanes<Lanes64>(to, COTANGENT_SHUFFLE(Lanes64, a, b, 0, 2));
  store_lanes<Lanes64>(to + to_stride, COTANGENT_SHUFFLE(Lanes64, a, b, 1, 3));
}

inline void transpose_block(float* to, int64_t to_stride, const float* from, int64_t from_stride) {
  transpose_block(reinterpret_cast<uint32_t*>(to), to_stride, reinterpret_cast<const uint32_t*>(from), from_stride);
}
inline void transpose_block(double* to, int64_t to_stride, const double* from, int64_t from_stride) {
  transpose_block(reinterpret_cast<uint64_t*>(to), to_stride, reinterpret_cast<const uint64_t*>(from), from_stride);
}

#undef COTANGENT_SHUFFLE

// to[j * to_stride + i] = from[i * from_stride + j] for i < rows, j < columns.
template <class T>
void transpose_tile(T* to, int64_t to_stride, const T* from, int64_t from_stride, int64_t rows, int64_t columns) {
  constexpr int64_t kBlock = sizeof(T) == 1 ? 1 : 16 / sizeof(T);
  const int64_t whole_rows = rows / kBlock * kBlock, whole_columns = columns / kBlock * kBlock;
  if constexpr (kBlock > 1) {
    for (int64_t i = 0; i < whole_rows; i += kBlock) {
      for (int64_t j = 0; j < whole_columns; j += kBlock) {
        using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
        transpose_block(reinterpret_cast<Bits*>(to + j * to_stride + i), to_stride,
                        reinterpret_cast<const Bits*>(from + i * from_stride + j), from_stride);
      }
    }
    for (int64_t i = 0; i < whole_rows; ++i) {
      for (int64_t j = whole_columns; j < columns; ++j) to[j * to_stride + i] = from[i * from_stride + j];
    }
    for (int64_t i = whole_rows; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) to[j * to_stride + i] = from[i * from_stride + j];
    }
  } else {
    for (int64_t j = 0; j < columns; ++j) {
      for (int64_t i = 0; i < rows; ++i) to[j * to_stride + i] = from[i * from_stride + j];
    }
  }
}

}  // namespace cotangent::cpu

#endif
