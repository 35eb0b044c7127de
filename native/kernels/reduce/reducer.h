// What the kernels that reduce share: how work is cut, and one operator's loops without their types.
#ifndef COTANGENT_KERNELS_REDUCE_REDUCER_H
#define COTANGENT_KERNELS_REDUCE_REDUCER_H

#include <algorithm>
#include <cstdint>

#include "native/kernels/reduce/reduce_loops.h"

namespace cotangent::cpu {

// One reduction [outer, size, inner] -> [outer, inner]. Long ones are cut into chunks whose length depends on the shape
// alone; the chunks' partial results are combined pairwise. So bits do not depend on threads, nor on which kernel does
// it.
struct ReduceStage {
  int64_t outer, size, inner;
  int64_t chunk, chunks;  // of `size`

  static ReduceStage make(int64_t outer, int64_t size, int64_t inner) {
    constexpr int64_t kRowChunk = 16384;     // elements
    constexpr int64_t kColumnChunk = 32768;  // elements; at least 64 rows, so that partial results stay small
    const int64_t width = std::min(std::max<int64_t>(inner, 1), kReduceWidth);
    const int64_t chunk = inner == 1 ? kRowChunk : std::max<int64_t>(64, kColumnChunk / width);
    return {outer, size, inner, chunk, std::max<int64_t>(1, (size + chunk - 1) / chunk)};
  }

  int64_t results() const { return outer * inner; }
  int64_t tiles() const { return (inner + kReduceWidth - 1) / kReduceWidth; }  // of columns
};

constexpr int64_t kMostPartialBytes = 8;  // of one partial result

struct Reducer {
  ReduceLoops loops;
  int64_t element_bytes, partial_bytes;
  // Rounds partial results to elements.
  void (*store)(void* to, const void* from, int64_t count);
  // Leaves the pairwise combination of `count` rows of partial results, `stride` apart, in the first.
  void (*combine)(void* rows, int64_t count, int64_t stride, int64_t width);
};

// `dtype` is one that the reduction is defined for: sums and products are not for bool.
Reducer make_reducer(Reduction reduction, int32_t dtype);

// A stage's chunks, all in `partials` [outer, chunks, inner], become its results. For pieces of tiles [begin, end) of
// the outer * tiles() ones.
void combine_chunks(const Reducer& reducer, const ReduceStage& stage, int64_t begin, int64_t end, void* partials,
                    void* to);

}  // namespace cotangent::cpu

#endif
