// cast: x -> y of the same dims and any dtype.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_CAST_H
#define COTANGENT_KERNELS_ELEMENTWISE_CAST_H

#include "native/backend/description.h"

namespace cotangent {

struct Cast {
  int32_t from, to;
  int64_t from_bytes, to_bytes, count;

  // Throws KernelError.
  explicit Cast(const OpDesc& desc) {
    desc.expect_operands(1, 1);
    const ct_type &x = desc.in(0), &y = desc.out(0);
    if (dims(x) != dims(y)) fail(CT_SHAPE, "a result of the operand's dims", describe(x) + " and " + describe(y));
    from = x.dtype;
    to = y.dtype;
    from_bytes = element_bytes(from);
    to_bytes = element_bytes(to);
    count = element_count(y);
  }
};

}  // namespace cotangent

#endif
