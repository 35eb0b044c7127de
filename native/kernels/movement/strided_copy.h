// The one place where the CPU does strided index arithmetic: copying between two views of the same dims, each with its
// own strides.
#ifndef COTANGENT_KERNELS_MOVEMENT_STRIDED_COPY_H
#define COTANGENT_KERNELS_MOVEMENT_STRIDED_COPY_H

#include <cstdint>
#include <vector>

#include "native/core/parallel.h"
#include "native/kernels/movement/strided_shape.h"

namespace cotangent::cpu {

// How to copy elements of `element` bytes from one view to another. Immutable, made by `prepare`.
class StridedCopy {
 public:
  StridedCopy() = default;
  // The offsets are left to the caller.
  StridedCopy(const StridedShape& shape, int64_t element);

  // `to` and `from` point at the views' first elements. Cuts large copies over `parallel`.
  void run(Parallel& parallel, void* to, const void* from) const;

 private:
  // Elements [begin, end) in the order of the destination's index.
  void copy_range(char* to, const char* from, int64_t begin, int64_t end) const;
  // Tiles [begin, end) of a copy whose source runs along another dim than its destination.
  void copy_tiles(char* to, const char* from, int64_t begin, int64_t end) const;

  std::vector<StridedDim> dims_;  // merged
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
