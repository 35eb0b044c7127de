// iota: y[o, k, i] = k, the result seen as [outer, size, inner].
#ifndef COTANGENT_KERNELS_MOVEMENT_IOTA_H
#define COTANGENT_KERNELS_MOVEMENT_IOTA_H

#include "native/backend/description.h"

namespace cotangent {

struct Iota {
  int64_t size, inner, count;
  int32_t dtype;

  // Throws KernelError.
  explicit Iota(const OpDesc& desc) {
    desc.expect_operands(0, 1);
    expect_params(desc, 1);
    const ct_type& y = desc.out(0);
    expect_dtype(y, {CT_FLOAT32, CT_FLOAT64, CT_INT32, CT_UINT32}, "a result");
    const int axis = axis_param(desc, 0, y.rank);
    size = y.dims[axis];
    inner = product(y, axis + 1, y.rank);
    count = element_count(y);
    dtype = y.dtype;
  }
};

}  // namespace cotangent

#endif
