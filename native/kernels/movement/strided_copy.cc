#include "native/kernels/movement/strided_copy.h"

#include <algorithm>
#include <cstring>

#include "native/kernels/movement/transpose_tile.h"

namespace cotangent::cpu {
namespace {

constexpr int64_t kGrainBytes = 256 << 10;  // less is not worth a second thread
constexpr int64_t kTile = 16;               // one cache line of 4-byte elements

// f(T{}) with an unsigned integer of that size: a copy moves bits and does not care for types.
template <class F>
void by_size(int64_t element, F&& f) {
  if (element == 8) {
    f(uint64_t{});
  } else if (element == 4) {
    f(uint32_t{});
  } else {
    f(uint8_t{});
  }
}

template <class T>
void copy_run(T* to, int64_t to_stride, const T* from, int64_t from_stride, int64_t count) {
  if (to_stride == 1 && from_stride == 1) {
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(T));
  } else if (to_stride == 1 && from_stride == 0) {
    std::fill_n(to, count, *from);
  } else {
    for (int64_t i = 0; i < count; ++i) to[i * to_stride] = from[i * from_stride];
  }
}

}  // namespace

StridedCopy::StridedCopy(const StridedShape& shape, int64_t element)
    : dims_(merge_dims(shape)), element_(element), count_(1) {
  for (const StridedDim& dim : dims_) count_ *= dim.size;
  const StridedDim& inner = dims_.back();
  if (inner.to != 1 || inner.from <= 1 || inner.size < 4) return;
  for (size_t i = 0; i + 1 < dims_.size(); ++i) {
    if (dims_[i].from == 1 && dims_[i].size >= 4) crossing_ = static_cast<int>(i);
  }
}

void StridedCopy::run(Parallel& parallel, void* to, const void* from) const {
  if (count_ == 0) return;
  char* const target = static_cast<char*>(to);
  const char* const source = static_cast<const char*>(from);
  if (crossing_ < 0) {
    parallel.range(count_, kGrainBytes / element_, 64 / element_,
                   [&](int64_t begin, int64_t end) { copy_range(target, source, begin, end); });
    return;
  }
  int64_t tiles = 1;
  for (size_t i = 0; i < dims_.size(); ++i) {
    const bool tiled = static_cast<int>(i) == crossing_ || i + 1 == dims_.size();
    tiles *= tiled ? (dims_[i].size + kTile - 1) / kTile : dims_[i].size;
  }
  parallel.range(tiles, kGrainBytes / (kTile * kTile * element_), 1,
                 [&](int64_t begin, int64_t end) { copy_tiles(target, source, begin, end); });
}

void StridedCopy::copy_range(char* to, const char* from, int64_t begin, int64_t end) const {
  const size_t outer = dims_.size() - 1;
  const StridedDim& inner = dims_[outer];
  int64_t index[CT_MAX_RANK] = {};
  int64_t rest = begin / inner.size, to_offset = 0, from_offset = 0;
  for (size_t i = outer; i-- > 0;) {
    index[i] = rest % dims_[i].size;
    rest /= dims_[i].size;
    to_offset += index[i] * dims_[i].to;
    from_offset += index[i] * dims_[i].from;
  }
  by_size(element_, [&](auto type) {
    using T = decltype(type);
    T* const target = reinterpret_cast<T*>(to);
    const T* const source = reinterpret_cast<const T*>(from);
    int64_t first = begin % inner.size;  // only the first run of a part may start inside
    for (int64_t done = begin; done < end;) {
      const int64_t run = std::min(inner.size - first, end - done);
      copy_run(target + to_offset + first * inner.to, inner.to, source + from_offset + first * inner.from, inner.from,
               run);
      done += run;
      first = 0;
      for (size_t i = outer; i-- > 0;) {
        to_offset += dims_[i].to;
        from_offset += dims_[i].from;
        if (++index[i] < dims_[i].size) break;
        to_offset -= dims_[i].size * dims_[i].to;
        from_offset -= dims_[i].size * dims_[i].from;
        index[i] = 0;
      }
    }
  });
}

void StridedCopy::copy_tiles(char* to, const char* from, int64_t begin, int64_t end) const {
  const size_t inner = dims_.size() - 1, crossing = static_cast<size_t>(crossing_);
  by_size(element_, [&](auto type) {
    using T = decltype(type);
    for (int64_t tile = begin; tile < end; ++tile) {
      int64_t rest = tile, to_offset = 0, from_offset = 0, sizes[2] = {};  // of the inner and the crossing dim
      for (size_t i = dims_.size(); i-- > 0;) {
        const StridedDim& dim = dims_[i];
        const bool tiled = i == inner || i == crossing;
        const int64_t steps = tiled ? (dim.size + kTile - 1) / kTile : dim.size;
        const int64_t start = rest % steps * (tiled ? kTile : 1);
        rest /= steps;
        to_offset += start * dim.to;
        from_offset += start * dim.from;
        if (tiled) sizes[i == crossing] = std::min(kTile, dim.size - start);
      }
      transpose_tile(reinterpret_cast<T*>(to) + to_offset, dims_[crossing].to,
                     reinterpret_cast<const T*>(from) + from_offset, dims_[inner].from, sizes[0], sizes[1]);
    }
  });
}

void copy_bytes(Parallel& parallel, void* to, const void* from, int64_t bytes) {
  if (to == from) return;
  parallel.range(bytes, kGrainBytes, 64, [&](int64_t begin, int64_t end) {
    std::memcpy(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin,
                static_cast<size_t>(end - begin));
  });
}

void fill(Parallel& parallel, void* to, const void* value, int64_t count, int64_t element) {
  by_size(element, [&](auto type) {
    using T = decltype(type);
    T bits;
    std::memcpy(&bits, value, sizeof bits);
    T* const target = static_cast<T*>(to);
    parallel.range(count, kGrainBytes / element, 64 / element,
                   [&](int64_t begin, int64_t end) { std::fill(target + begin, target + end, bits); });
  });
}

}  // namespace cotangent::cpu
