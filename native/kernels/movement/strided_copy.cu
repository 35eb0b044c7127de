#include <algorithm>
#include <cstdlib>

#include "native/backend/cuda/copy.h"
#include "native/backend/cuda/device_code.h"
#include "native/backend/cuda/dispatch.h"
#include "native/backend/cuda/divisor.h"
#include "native/backend/cuda/packed.h"
#include "native/kernels/movement/strided_copy_cuda.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kBlock = 256;
constexpr int kUnrolled = 4;  // words that a thread has under way at once
constexpr unsigned kTile = 32, kTileRows = 8;
constexpr int64_t kSmallestTile = 8;  // a transposed dim of fewer elements leaves too much of a tile empty

// A window's place, clamped; `start_count` 0: there is none.
struct Starts {
  const int32_t* starts;
  int32_t start_count;
  bool of_target;
  int64_t strides[CT_MAX_RANK], last[CT_MAX_RANK];  // strides in words

  __device__ __forceinline__ int64_t offset() const {
    int64_t offset = 0;
    for (int32_t k = 0; k < start_count; ++k) {
      const int64_t start = starts[k];
      offset += (start < 0 ? 0 : start > last[k] ? last[k] : start) * strides[k];
    }
    return offset;
  }
};

template <class Index>
struct CopyDims {
  struct Dim {
    typename DivisorOf<Index>::Type size;
    Index to, from;  // strides in words
  };
  Index count;
  int32_t rank;
  Dim dims[CT_MAX_RANK];  // innermost first
};

template <class Word, class Index>
__global__ void __launch_bounds__(kBlock)
    copy_kernel(Word* __restrict__ to, const Word* __restrict__ from, const CopyDims<Index> copy, const Starts starts) {
  if (starts.start_count > 0) {
    const int64_t offset = starts.offset();
    if (starts.of_target) {
      to += offset;
    } else {
      from += offset;
    }
  }
  const Index step = static_cast<Index>(grid_step());
  for (Index first = static_cast<Index>(grid_start()); first < copy.count; first += kUnrolled * step) {
    Word words[kUnrolled];
    Index targets[kUnrolled];
#pragma unroll
    for (int u = 0; u < kUnrolled; ++u) {
      const Index i = first + static_cast<Index>(u) * step;
      if (i >= copy.count) break;
      Index rest = i, source = 0;
      targets[u] = 0;
#pragma unroll 1
      for (int32_t d = 0; d < copy.rank; ++d) {
        const auto& dim = copy.dims[d];
        const Index quotient = static_cast<Index>(dim.size.quotient(rest));
        const Index index = rest - quotient * static_cast<Index>(dim.size.value);
        targets[u] += index * dim.to;
        source += index * dim.from;
        rest = quotient;
      }
      words[u] = from[source];
    }
#pragma unroll
    for (int u = 0; u < kUnrolled; ++u) {
      if (first + static_cast<Index>(u) * step < copy.count) to[targets[u]] = words[u];
    }
  }
}

// The inner dim is contiguous in the target, the crossing one in the source.
struct TileDims {
  int64_t inner, inner_from, inner_tiles;
  int64_t crossing, crossing_to, crossing_tiles;
  int64_t tiles;
  int32_t rank;
  StridedDim others[CT_MAX_RANK];  // innermost first
};

template <class Word>
__global__ void __launch_bounds__(kTile* kTileRows)
    transpose_kernel(Word* __restrict__ to, const Word* __restrict__ from, const TileDims copy) {
  auto& tile = SHARED(Word[kTile][kTile + 1]);
  for (int64_t t = blockIdx.x; t < copy.tiles; t += gridDim.x) {
    const int64_t inner = t % copy.inner_tiles * kTile;
    int64_t rest = t / copy.inner_tiles;
    const int64_t crossing = rest % copy.crossing_tiles * kTile;
    rest /= copy.crossing_tiles;
    int64_t target = inner + crossing * copy.crossing_to, source = inner * copy.inner_from + crossing;
    for (int32_t d = 0; d < copy.rank; ++d) {
      const int64_t index = rest % copy.others[d].size;
      rest /= copy.others[d].size;
      target += index * copy.others[d].to;
      source += index * copy.others[d].from;
    }
#pragma unroll
    for (unsigned k = threadIdx.y; k < kTile; k += kTileRows) {
      if (inner + k < copy.inner && crossing + threadIdx.x < copy.crossing) {
        tile[k][threadIdx.x] = from[source + k * copy.inner_from + threadIdx.x];
      }
    }
    __syncthreads();
#pragma unroll
    for (unsigned k = threadIdx.y; k < kTile; k += kTileRows) {
      if (crossing + k < copy.crossing && inner + threadIdx.x < copy.inner) {
        to[target + k * copy.crossing_to + threadIdx.x] = tile[threadIdx.x][k];
      }
    }
    __syncthreads();
  }
}

}  // namespace

DeviceCopy::DeviceCopy(const StridedShape& shape, int64_t element, Moves moves, const Window* window)
    : dims_(merge_dims(shape)),
      to_offset_(shape.to_offset),
      from_offset_(shape.from_offset),
      element_(element),
      moves_(moves) {
  int64_t to_reach = 0, from_reach = 0;
  for (const StridedDim& dim : dims_) {
    count_ *= dim.size;
    to_reach += (dim.size - 1) * std::abs(dim.to);
    from_reach += (dim.size - 1) * std::abs(dim.from);
  }
  reach_ = std::max({count_, to_reach, from_reach});
  if (window) {
    strides_ = window->strides;
    last_ = window->last;
  }
  choose_word();
  const StridedDim& inner = dims_.back();
  if (window || inner.to != 1 || inner.from <= 1 || inner.size < kSmallestTile) return;
  for (size_t i = 0; i + 1 < dims_.size(); ++i) {
    if (dims_[i].from == 1 && dims_[i].size >= kSmallestTile) crossing_ = static_cast<int>(i);
  }
}

// The largest word that no row, stride or offset cuts.
void DeviceCopy::choose_word() {
  const StridedDim& inner = dims_.back();
  word_ = element_;
  if (inner.to != 1 || inner.from != 1) return;
  for (const int64_t word : {16, 8, 4}) {
    if (word <= element_) return;
    const auto whole = [&](int64_t elements) { return elements * element_ % word == 0; };
    bool fits = whole(inner.size) && whole(to_offset_) && whole(from_offset_);
    for (size_t i = 0; i + 1 < dims_.size(); ++i) fits = fits && whole(dims_[i].to) && whole(dims_[i].from);
    for (size_t k = 0; k < strides_.size(); ++k) fits = fits && (last_[k] == 0 || whole(strides_[k]));
    if (!fits) continue;
    word_ = word;
    return;
  }
}

ct_code DeviceCopy::run(Device& device, void* to, const void* from, const int32_t* starts, ct_error* error) const {
  if (count_ == 0) return CT_OK;
  to = static_cast<char*>(to) + to_offset_ * element_;
  from = static_cast<const char*>(from) + from_offset_ * element_;
  const StridedDim& inner = dims_.back();
  if (moves_ == Moves::kNeither && dims_.size() == 1 && inner.to == 1 && inner.from == 1) {
    return copy_on_device(device, to, from, count_ * element_, error);
  }
  return crossing_ < 0 ? run_words(device, to, from, starts, error) : run_tiles(device, to, from, error);
}

ct_code DeviceCopy::run_words(Device& device, void* to, const void* from, const int32_t* starts,
                              ct_error* error) const {
  const int64_t word = aligned_to(static_cast<uint64_t>(word_), to, from) ? word_ : element_,
                elements = word / element_;
  Starts window{};
  if (moves_ != Moves::kNeither) {
    window.starts = starts;
    window.start_count = static_cast<int32_t>(strides_.size());
    window.of_target = moves_ == Moves::kTarget;
    for (size_t k = 0; k < strides_.size(); ++k) {
      window.strides[k] = strides_[k] / elements;
      window.last[k] = last_[k];
    }
  }
  return dispatch_word(word, [&](auto word_value) {
    return dispatch_index(reach_, [&](auto index) {
      using Word = decltype(word_value);
      using Index = decltype(index);
      CopyDims<Index> copy{};
      copy.count = static_cast<Index>(count_ / elements);
      for (size_t i = dims_.size(); i-- > 0;) {
        const bool inner = i + 1 == dims_.size();
        const int64_t scale = inner ? 1 : elements;  // the inner dim's stride is 1, in words as well
        copy.dims[copy.rank++] = {typename DivisorOf<Index>::Type(inner ? dims_[i].size / elements : dims_[i].size),
                                  static_cast<Index>(dims_[i].to / scale), static_cast<Index>(dims_[i].from / scale)};
      }
      const auto kernel = copy_kernel<Word, Index>;
      const unsigned blocks = device.grid(kernel, (count_ / elements + kUnrolled - 1) / kUnrolled, kBlock);
      return check(launch(blocks, kBlock, 0, device.stream(), kernel, static_cast<Word*>(to),
                          static_cast<const Word*>(from), copy, window),
                   error, "copy");
    });
  });
}

ct_code DeviceCopy::run_tiles(Device& device, void* to, const void* from, ct_error* error) const {
  const StridedDim &inner = dims_.back(), &crossing = dims_[static_cast<size_t>(crossing_)];
  TileDims copy{};
  copy.inner = inner.size;
  copy.inner_from = inner.from;
  copy.inner_tiles = (inner.size + kTile - 1) / kTile;
  copy.crossing = crossing.size;
  copy.crossing_to = crossing.to;
  copy.crossing_tiles = (crossing.size + kTile - 1) / kTile;
  copy.tiles = copy.inner_tiles * copy.crossing_tiles;
  for (size_t i = dims_.size() - 1; i-- > 0;) {
    if (static_cast<int>(i) == crossing_) continue;
    copy.others[copy.rank++] = dims_[i];
    copy.tiles *= dims_[i].size;
  }
  return dispatch_element(element_, [&](auto word) {
    using Word = decltype(word);
    const auto kernel = transpose_kernel<Word>;
    const unsigned blocks = device.grid(kernel, copy.tiles * kTile * kTileRows, kTile * kTileRows);
    return check(launch(blocks, dim3(kTile, kTileRows), 0, device.stream(), kernel, static_cast<Word*>(to),
                        static_cast<const Word*>(from), copy),
                 error, "transpose");
  });
}

}  // namespace cotangent::cuda
