// How a GPU cuts a reduction: a stage [outer, size, inner] -> [outer, inner] becomes one pass, or several when there
// are too few results to fill the device: the first writes partial results of chunks of `size`, which are a stage
// themselves. The cut depends on the shape alone, and so do the bits.
#ifndef COTANGENT_KERNELS_REDUCE_REDUCE_PASSES_H
#define COTANGENT_KERNELS_REDUCE_REDUCE_PASSES_H

#include <algorithm>
#include <vector>

#include "native/kernels/reduce/parameters.h"

namespace cotangent::cuda {

constexpr unsigned kReduceBlock = 256;

struct ReducePass {
  enum class Kind {
    kWarpRows,      // `lanes` lanes take a row
    kBlockRows,     // a block takes a chunk of a row
    kColumns,       // a thread takes a result
    kBlockColumns,  // a block takes a chunk of `lanes` neighbouring columns
  };
  Kind kind;
  ReduceShape stage;
  int64_t chunk, chunks;
  unsigned lanes;

  int64_t results() const { return stage.outer * chunks * stage.inner; }
};

// Appends the passes of a stage. `finish_blocks`: whether a block may write a final result.
inline void plan_passes(const ReduceShape& stage, int64_t element_bytes, bool finish_blocks,
                        std::vector<ReducePass>& passes) {
  using Kind = ReducePass::Kind;
  const int64_t outer = stage.outer, size = stage.size, inner = stage.inner;
  const auto power_of_two = [](int64_t wanted) {
    unsigned lanes = 1;
    while (lanes < 32 && lanes < wanted) lanes *= 2;
    return lanes;
  };
  // A chunk is at least `least`, a multiple of `unit`, and long enough for at most `most` chunks.
  const auto cut = [&](Kind kind, unsigned lanes, int64_t least, int64_t unit, int64_t most) {
    const int64_t wanted = std::max(least, (size + most - 1) / most);
    const int64_t chunk = (wanted + unit - 1) / unit * unit;
    const int64_t chunks = (size + chunk - 1) / chunk;
    passes.push_back({kind, stage, chunk, chunks, lanes});
    if (chunks > 1 || !finish_blocks) plan_passes({outer, chunks, inner}, element_bytes, finish_blocks, passes);
  };
  if (inner == 1) {
    constexpr int64_t kShortRow = 2048, kManyRows = 8192, kLeastChunk = 8192, kMostBlocks = 4096;
    if (size <= kShortRow || outer >= kManyRows) {
      passes.push_back({Kind::kWarpRows, stage, size, 1, power_of_two(size * element_bytes / 16)});
    } else {
      cut(Kind::kBlockRows, kReduceBlock, kLeastChunk, 64,
          std::max<int64_t>(1, kMostBlocks / std::max<int64_t>(1, outer)));
    }
    return;
  }
  constexpr int64_t kShortColumn = 32, kManyColumns = 1 << 17, kRowsPerThread = 16, kMostBlocks = 2048;
  if (size <= kShortColumn || outer * inner >= kManyColumns) {
    passes.push_back({Kind::kColumns, stage, size, 1, 1});
    return;
  }
  const unsigned width = power_of_two(inner);
  const int64_t rows = kReduceBlock / width;
  const int64_t blocks = std::max<int64_t>(1, outer * ((inner + width - 1) / width));
  cut(Kind::kBlockColumns, width, rows * kRowsPerThread, rows, std::max<int64_t>(1, kMostBlocks / blocks));
}

}  // namespace cotangent::cuda

#endif
