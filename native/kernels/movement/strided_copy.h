// The one place where strided index arithmetic lives: copying between two views of the same dims, each with its own
// strides. broadcast, transpose, slice, pad, concatenate, dynamicSlice and dynamicUpdate are all such copies.
#ifndef COTANGENT_KERNELS_MOVEMENT_STRIDED_COPY_H
#define COTANGENT_KERNELS_MOVEMENT_STRIDED_COPY_H

#include <cstdint>
#include <vector>

#include "native/backend/backend.h"
#include "native/core/parallel.h"

namespace cotangent::cpu {

// Strides of a C-contiguous array, in elements.
std::vector<int64_t> contiguous_strides(const ct_type& type);

// How to copy dims elements of `element` bytes from one view to another; strides in elements, 0 repeats. Views of the
// destination must not overlap themselves. Immutable, made by `prepare`.
class StridedCopy {
 public:
  StridedCopy() = default;
  StridedCopy(const std::vector<int64_t>& dims, const std::vector<int64_t>& to_strides,
              const std::vector<int64_t>& from_strides, int64_t element);

  // `to` and `from` point at the views' first elements. Cuts large copies over `parallel`.
  void run(Parallel& parallel, void* to, const void* from) const;

 private:
  struct Dim {
    int64_t size, to, from;  // strides in elements
  };

  // Elements [begin, end) in the order of the destination's index.
  void copy_range(char* to, const char* from, int64_t begin, int64_t end) const;
  // Tiles [begin, end) of a copy whose source runs along another dim than its destination.
  void copy_tiles(char* to, const char* from, int64_t begin, int64_t end) const;

  std::vector<Dim> dims_;  // merged: no dim of 1, no two that could be one; the last is the inner one
  int64_t element_ = 1;
  int64_t count_ = 0;
  int crossing_ = -1;  // the dim that is contiguous in the source, when the copy is a transposition
};

// A large memcpy over the pool; the ranges must be the same or not overlap. Nothing is done when to == from.
void copy_bytes(Parallel& parallel, void* to, const void* from, int64_t bytes);

// Fills count elements of `element` bytes with the value at `value`.
void fill(Parallel& parallel, void* to, const void* value, int64_t count, int64_t element);

}  // namespace cotangent::cpu

#endif
