// Copies between strided views, as every device sees them: what broadcast, transpose, slice, reverse, concatenate, pad,
// dynamicSlice and dynamicUpdate say, checked, as dims and strides.
#ifndef COTANGENT_KERNELS_MOVEMENT_STRIDED_SHAPE_H
#define COTANGENT_KERNELS_MOVEMENT_STRIDED_SHAPE_H

#include <cstdint>
#include <vector>

#include "native/backend/description.h"

namespace cotangent {

// Strides of a C-contiguous array, in elements.
std::vector<int64_t> contiguous_strides(const ct_type& type);

// Element x of an operand's view goes to element x of the result's view. Strides and offsets in elements; a stride of 0
// repeats. Views of the result do not overlap themselves.
struct StridedShape {
  std::vector<int64_t> dims, to, from;
  int64_t to_offset = 0, from_offset = 0;
};

struct StridedDim {
  int64_t size, to, from;
};

// Neighbouring dims that both views walk through as one become one, dims of 1 are dropped. At least one dim is left;
// the last one is the inner one.
std::vector<StridedDim> merge_dims(const StridedShape& shape);

// All throw KernelError.
StridedShape broadcast_shape(const OpDesc& desc);
StridedShape transpose_shape(const OpDesc& desc);
StridedShape slice_shape(const OpDesc& desc);
StridedShape reverse_shape(const OpDesc& desc);
// One an operand.
std::vector<StridedShape> concatenate_shapes(const OpDesc& desc);
// Bytes that reshape copies.
int64_t reshape_bytes(const OpDesc& desc);

// pad: an element of the operand every interior + 1 elements, from `low` on; the value elsewhere.
struct Padding {
  std::vector<int64_t> low, interior;

  explicit Padding(const OpDesc& desc);
};

// Where a window may start inside an array: starts are clamped so that it fits.
struct Window {
  std::vector<int64_t> strides, last;

  Window(const ct_type& whole, const ct_type& window);
};

// The window of dynamicSlice and of dynamicUpdate.
Window slice_window(const OpDesc& desc);
Window update_window(const OpDesc& desc);

}  // namespace cotangent

#endif
