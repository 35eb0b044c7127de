// Reading a broadcast operand front to back, in pieces, without index arithmetic per element.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_BROADCAST_H
#define COTANGENT_KERNELS_ELEMENTWISE_BROADCAST_H

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "native/kernels/elementwise/chain_program.h"

namespace cotangent::cpu {

// A position in the results' elements and where the operand's element for it is.
struct BroadcastCursor {
  int64_t index[kMaxRank];
  int64_t offset;  // of the innermost run, in elements

  void seek(const ChainInput& input, int64_t element) {
    offset = 0;
    for (int d = input.rank - 1; d >= 0; --d) {
      index[d] = element % input.dims[d];
      element /= input.dims[d];
      if (d + 1 < input.rank) offset += index[d] * input.strides[d];
    }
  }

  void next_run(const ChainInput& input) {
    index[input.rank - 1] = 0;
    for (int d = input.rank - 2; d >= 0; --d) {
      offset += input.strides[d];
      if (++index[d] < input.dims[d]) return;
      offset -= input.strides[d] * input.dims[d];
      index[d] = 0;
    }
  }

  // The next `count` elements. fill(value, out, count) writes copies of one element.
  template <class Word, class Fill>
  void read(const ChainInput& input, const void* source, Word* out, int64_t count, Fill&& fill) {
    constexpr int64_t kShort = 16;  // below, a call costs more than it saves
    const Word* const from = static_cast<const Word*>(source);
    const int64_t extent = input.dims[input.rank - 1];
    const bool repeats = input.strides[input.rank - 1] == 0;
    int64_t& inner = index[input.rank - 1];
    while (count > 0) {
      const int64_t run = std::min(extent - inner, count);
      if (repeats) {
        if (run < kShort) {
          for (int64_t i = 0; i < run; ++i) out[i] = from[offset];
        } else {
          fill(from + offset, out, run);
        }
      } else if (run < kShort) {
        for (int64_t i = 0; i < run; ++i) out[i] = from[offset + inner + i];
      } else {
        std::memcpy(out, from + offset + inner, run * sizeof(Word));
      }
      out += run;
      count -= run;
      inner += run;
      if (inner == extent) next_run(input);
    }
  }
};

}  // namespace cotangent::cpu

#endif
