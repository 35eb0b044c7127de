// What the kernels say that take a place from an operand, checked: gather, takeAlongAxis, scatterAdd, scatterSet,
// addAlongAxis. All see the indexed array as [outer, size, inner].
#ifndef COTANGENT_KERNELS_MOVEMENT_INDEXED_H
#define COTANGENT_KERNELS_MOVEMENT_INDEXED_H

#include <vector>

#include "native/backend/description.h"

namespace cotangent {

// Dims of x with the axis replaced by those of the indices.
inline std::vector<int64_t> indexed_dims(const ct_type& x, const ct_type& indices, int axis) {
  std::vector<int64_t> wanted(x.dims, x.dims + axis);
  wanted.insert(wanted.end(), indices.dims, indices.dims + indices.rank);
  wanted.insert(wanted.end(), x.dims + axis + 1, x.dims + x.rank);
  return wanted;
}

struct Indexed {
  int64_t outer, size, inner;
  int64_t picked;  // indices along the axis
  int32_t dtype;

  int64_t columns() const { return outer * inner; }

 protected:
  Indexed(const ct_type& x, int axis, int64_t picked)
      : outer(product(x, 0, axis)),
        size(x.dims[axis]),
        inner(product(x, axis + 1, x.rank)),
        picked(picked),
        dtype(x.dtype) {}
};

// The constructors throw KernelError.

// y[o, j, i] = x[o, indices[j], i]
struct Gather : Indexed {
  explicit Gather(const OpDesc& desc) : Indexed(desc.in(0), checked_axis(desc), element_count(desc.in(1))) {}

 private:
  static int checked_axis(const OpDesc& desc) {
    desc.expect_operands(2, 1);
    expect_params(desc, 1);
    const ct_type &x = desc.in(0), &indices = desc.in(1);
    const int axis = axis_param(desc, 0, x.rank);
    expect_dtype(indices, {CT_INT32}, "indices");
    expect_type(desc.out(0), x.dtype, indexed_dims(x, indices, axis), "the result");
    return axis;
  }
};

// y = base; y[o, indices[j], i] += updates[o, j, i], or = instead of +=
struct Scatter : Indexed {
  Scatter(const OpDesc& desc, bool adds) : Indexed(desc.in(0), checked_axis(desc, adds), element_count(desc.in(1))) {}

 private:
  static int checked_axis(const OpDesc& desc, bool adds) {
    desc.expect_operands(3, 1);
    expect_params(desc, 1);
    const ct_type &base = desc.in(0), &indices = desc.in(1);
    const int axis = axis_param(desc, 0, base.rank);
    if (adds) expect_dtype(base, {CT_FLOAT32, CT_FLOAT64, CT_INT32, CT_UINT32}, "a base");
    expect_dtype(indices, {CT_INT32}, "indices");
    expect_type(desc.in(2), base.dtype, indexed_dims(base, indices, axis), "the updates");
    expect_type(desc.out(0), base.dtype, dims(base), "the result");
    return axis;
  }
};

// Indices with the dims of the array, but for the axis. Returns the axis.
inline int checked_axis_of_along(const OpDesc& desc) {
  expect_params(desc, 1);
  const ct_type &x = desc.in(0), &indices = desc.in(1);
  const int axis = axis_param(desc, 0, x.rank);
  std::vector<int64_t> wanted = dims(x);
  if (indices.rank == x.rank) wanted[static_cast<size_t>(axis)] = indices.dims[axis];
  expect_type(indices, CT_INT32, wanted, "the indices");
  return axis;
}

// y[o, j, i] = x[o, indices[o, j, i], i]
struct TakeAlong : Indexed {
  explicit TakeAlong(const OpDesc& desc) : TakeAlong(desc, checked_axis(desc)) {}

 private:
  TakeAlong(const OpDesc& desc, int axis) : Indexed(desc.in(0), axis, desc.in(1).dims[axis]) {}
  static int checked_axis(const OpDesc& desc) {
    desc.expect_operands(2, 1);
    const int axis = checked_axis_of_along(desc);
    expect_type(desc.out(0), desc.in(0).dtype, dims(desc.in(1)), "the result");
    return axis;
  }
};

// y = base; y[o, indices[o, j, i], i] += updates[o, j, i]
struct AddAlong : Indexed {
  explicit AddAlong(const OpDesc& desc) : AddAlong(desc, checked_axis(desc)) {}

 private:
  AddAlong(const OpDesc& desc, int axis) : Indexed(desc.in(0), axis, desc.in(1).dims[axis]) {}
  static int checked_axis(const OpDesc& desc) {
    desc.expect_operands(3, 1);
    const int axis = checked_axis_of_along(desc);
    const ct_type& base = desc.in(0);
    expect_dtype(base, {CT_FLOAT32, CT_FLOAT64, CT_INT32, CT_UINT32}, "a base");
    expect_type(desc.in(2), base.dtype, dims(desc.in(1)), "the updates");
    expect_type(desc.out(0), base.dtype, dims(base), "the result");
    return axis;
  }
};

}  // namespace cotangent

#endif
