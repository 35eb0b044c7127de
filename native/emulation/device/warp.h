// Barriers and warp operations of device code. Each takes the place of its call in the source, which is what the
// emulator compares and reports.
#ifndef COTANGENT_EMULATION_DEVICE_WARP_H
#define COTANGENT_EMULATION_DEVICE_WARP_H

#include <cstdint>
#include <cstring>

namespace cotangent::emulation {

struct Location {
  const char* file;
  int line;
};

enum class WarpOperation : uint8_t { kSync, kShuffle, kBallot, kMatchAny };

// Waits for all lanes of the block that have not ended.
void block_barrier(Location where);

// Waits for the lanes in `mask`, which must come with the same mask and operation. kShuffle: the value of lane
// `source` (a poison value if that lane is not in the mask); kBallot: the lanes whose value is not zero; kMatchAny: the
// lanes with the caller's value.
uint64_t warp_operation(WarpOperation operation, unsigned mask, uint64_t value, int source, Location where);

// Segments of `width` lanes, as the shuffles define them: where a value comes from, or the lane itself.
enum class Shuffle : uint8_t { kIndex, kUp, kDown, kXor };
int shuffle_source(Shuffle kind, int operand, int width);

template <class T>
inline T shuffle(Shuffle kind, unsigned mask, T value, int operand, int width, Location where) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "the device shuffles 4 or 8 bytes");
  uint64_t word = 0;
  std::memcpy(&word, &value, sizeof(T));
  word = warp_operation(WarpOperation::kShuffle, mask, word, shuffle_source(kind, operand, width), where);
  std::memcpy(&value, &word, sizeof(T));
  return value;
}

}  // namespace cotangent::emulation

// The call's place, as default arguments of the function called.
#define COTANGENT_CALL_SITE const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(COTANGENT_CALL_SITE) { cotangent::emulation::block_barrier({file, line}); }
inline void __syncwarp(unsigned mask = 0xffffffffu, COTANGENT_CALL_SITE) {
  cotangent::emulation::warp_operation(cotangent::emulation::WarpOperation::kSync, mask, 0, 0, {file, line});
}
inline unsigned __ballot_sync(unsigned mask, int predicate, COTANGENT_CALL_SITE) {
  return static_cast<unsigned>(cotangent::emulation::warp_operation(cotangent::emulation::WarpOperation::kBallot, mask,
                                                                    predicate != 0, 0, {file, line}));
}
inline int __any_sync(unsigned mask, int predicate, COTANGENT_CALL_SITE) {
  return __ballot_sync(mask, predicate, file, line) != 0;
}
inline int __all_sync(unsigned mask, int predicate, COTANGENT_CALL_SITE) {
  return __ballot_sync(mask, predicate, file, line) == mask;
}

#define COTANGENT_SHUFFLES(T)                                                                                        \
  inline T __shfl_sync(unsigned mask, T value, int source, int width = 32, COTANGENT_CALL_SITE) {                    \
    using cotangent::emulation::Shuffle;                                                                             \
    return cotangent::emulation::shuffle(Shuffle::kIndex, mask, value, source, width, {file, line});                 \
  }                                                                                                                  \
  inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, COTANGENT_CALL_SITE) {             \
    using cotangent::emulation::Shuffle;                                                                             \
    return cotangent::emulation::shuffle(Shuffle::kUp, mask, value, static_cast<int>(delta), width, {file, line});   \
  }                                                                                                                  \
  inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, COTANGENT_CALL_SITE) {           \
    using cotangent::emulation::Shuffle;                                                                             \
    return cotangent::emulation::shuffle(Shuffle::kDown, mask, value, static_cast<int>(delta), width, {file, line}); \
  }                                                                                                                  \
  inline T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32, COTANGENT_CALL_SITE) {             \
    using cotangent::emulation::Shuffle;                                                                             \
    return cotangent::emulation::shuffle(Shuffle::kXor, mask, value, lane_mask, width, {file, line});                \
  }
COTANGENT_SHUFFLES(int)
COTANGENT_SHUFFLES(unsigned)
COTANGENT_SHUFFLES(long)
COTANGENT_SHUFFLES(unsigned long)
COTANGENT_SHUFFLES(long long)
COTANGENT_SHUFFLES(unsigned long long)
COTANGENT_SHUFFLES(float)
COTANGENT_SHUFFLES(double)
#undef COTANGENT_SHUFFLES

#define COTANGENT_MATCH(T)                                                                                             \
  inline unsigned __match_any_sync(unsigned mask, T value, COTANGENT_CALL_SITE) {                                      \
    using cotangent::emulation::WarpOperation;                                                                         \
    return static_cast<unsigned>(cotangent::emulation::warp_operation(WarpOperation::kMatchAny, mask,                  \
                                                                      static_cast<unsigned>(value), 0, {file, line})); \
  }
COTANGENT_MATCH(int)
COTANGENT_MATCH(unsigned)
#undef COTANGENT_MATCH
#undef COTANGENT_CALL_SITE

#endif
