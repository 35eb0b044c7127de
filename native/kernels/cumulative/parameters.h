// What every device's cumulative kernels need to know of an equation: the operands are seen as [outer, size, inner],
// and walked along the middle from its start or (reverse) from its end.
#ifndef COTANGENT_KERNELS_CUMULATIVE_PARAMETERS_H
#define COTANGENT_KERNELS_CUMULATIVE_PARAMETERS_H

#include "native/backend/description.h"

namespace cotangent {

struct LineParameters {
  int64_t outer, size, inner;
  bool reverse;
  int32_t dtype;

  int64_t count() const { return outer * size * inner; }

  // Throws KernelError.
  static LineParameters of_cumulation(const OpDesc& desc) {
    desc.expect_operands(1, 1);
    expect_dtype(desc.in(0), {CT_FLOAT32, CT_FLOAT64, CT_INT32, CT_UINT32}, "an operand");
    return read(desc);
  }

  static LineParameters of_recurrence(const OpDesc& desc) {
    desc.expect_operands(2, 1);
    const ct_type& a = desc.in(0);
    expect_float(a, "an operand");
    expect_type(desc.in(1), a.dtype, dims(a), "the second operand");
    return read(desc);
  }

 private:
  static LineParameters read(const OpDesc& desc) {
    expect_params(desc, 2);
    const ct_type& x = desc.in(0);
    expect_type(desc.out(0), x.dtype, dims(x), "the result");
    const int axis = axis_param(desc, 0, x.rank);
    return {product(x, 0, axis), x.dims[axis], product(x, axis + 1, x.rank), flag(desc, 1, "reverse"), x.dtype};
  }
};

}  // namespace cotangent

#endif
