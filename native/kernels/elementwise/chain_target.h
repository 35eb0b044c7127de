// What chain.cc asks of a SIMD target: the machine code of a chain's instructions, and the loops that run it. Plain
// data only, because both sides are compiled with different flags.
//
// A chain runs tile by tile. A tile is eight vectors; the value being computed (the accumulator) lives in eight vector
// registers that every step takes as arguments and hands to the next step in a tail call. Other operands are found
// through a table of pointers: a tile of elements, or one scalar.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_CHAIN_TARGET_H
#define COTANGENT_KERNELS_ELEMENTWISE_CHAIN_TARGET_H

#include <stdint.h>

namespace cotangent {

// Element type that a chain computes in; the codes of the first four dtypes. bools ride along as 0 and 1.
enum Lane { kLaneFloat32 = 0, kLaneFloat64 = 1, kLaneInt32 = 2, kLaneUint32 = 3, kLaneCount = 4 };

typedef void (*ChainFunction)();  // its real type depends on target and lane

struct ChainStep {
  ChainFunction function;
  uint32_t a, b;  // rows of the pointer table; their meaning depends on the function
};

// State of one thread that is running a chain.
struct ChainState {
  void** pointers;  // the table; rows [0, advancing) move on by one tile after each tile
  void* scratch;    // one aligned tile
  int32_t advancing;
  int32_t elements;  // used by the tile: less than a full one only when a single tile is run
  int32_t ahead;     // rows [0, ahead) are fetched some tiles before they are read
};

struct ChainTarget {
  int32_t tile_bytes;

  // Loads the accumulator from row a: a tile, or a scalar.
  ChainFunction (*load)(int lane, bool scalar);
  // Stores it to row a.
  ChainFunction (*store)(int lane);
  // The same past the cache, to 64-byte aligned rows: for results too large to be found there again.
  ChainFunction (*store_past_cache)(int lane);
  // Ends the tile.
  ChainFunction (*stop)(int lane);
  // acc = formula(operands), where the accumulator is operand `position` and the others, in order, are rows a and b;
  // bit 0 (1) of `scalars`: row a (b) is a scalar. Null when the formula does not exist in that lane.
  ChainFunction (*apply)(int lane, int formula, int position, unsigned scalars);

  void (*run)(int lane, const ChainStep* steps, ChainState* state, int64_t tiles);

  // Filling tiles. `bytes` is the size of an element, 4 or 8.
  void (*from_bool)(int lane, const uint8_t* in, void* out, int64_t count);
  void (*to_bool)(int lane, const void* in, uint8_t* out, int64_t count);
  void (*fill)(int bytes, const void* value, void* out, int64_t count);

  // Converts between any two dtypes (codes of ct_dtype).
  void (*cast)(int from, int to, const void* in, void* out, int64_t count);
};

}  // namespace cotangent

#endif
