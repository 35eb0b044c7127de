// What every device's sorting kernels need to know of an equation.
#ifndef COTANGENT_KERNELS_SORT_PARAMETERS_H
#define COTANGENT_KERNELS_SORT_PARAMETERS_H

#include "native/backend/description.h"

namespace cotangent {

// sort and topK: the operand is seen as [outer, size, inner], the results as [outer, k, inner].
struct SortParameters {
  int64_t outer, size, inner, k;
  bool descending;
  int32_t dtype;

  int64_t lines() const { return outer * inner; }

  // Throws KernelError.
  static SortParameters of_sort(const OpDesc& desc) {
    desc.expect_operands(1, 2);
    expect_params(desc, 2);
    const ct_type& x = desc.in(0);
    const int axis = axis_param(desc, 0, x.rank);
    const bool descending = flag(desc, 1, "descending");
    if (x.dims[axis] > std::numeric_limits<int32_t>::max()) {
      fail(CT_SHAPE, "below 2^31 elements along axis " + std::to_string(axis), describe(x));
    }
    expect_type(desc.out(0), x.dtype, dims(x), "the sorted elements");
    expect_type(desc.out(1), CT_INT32, dims(x), "their places");
    return make(x, axis, x.dims[axis], descending);
  }

  static SortParameters of_top_k(const OpDesc& desc) {
    desc.expect_operands(1, 2);
    expect_params(desc, 3);
    const ct_type& x = desc.in(0);
    const int axis = axis_param(desc, 0, x.rank);
    const int64_t k = integer_in(desc, 1, 0, x.dims[axis], "k");
    const bool descending = flag(desc, 2, "descending");
    if (x.dims[axis] >= std::numeric_limits<int32_t>::max()) {
      fail(CT_SHAPE, "below 2^31 - 1 elements along axis " + std::to_string(axis), describe(x));
    }
    std::vector<int64_t> wanted = dims(x);
    wanted[static_cast<size_t>(axis)] = k;
    expect_type(desc.out(0), x.dtype, wanted, "the elements");
    expect_type(desc.out(1), CT_INT32, wanted, "their places");
    return make(x, axis, k, descending);
  }

 private:
  static SortParameters make(const ct_type& x, int axis, int64_t k, bool descending) {
    return {product(x, 0, axis), x.dims[axis], product(x, axis + 1, x.rank), k, descending, x.dtype};
  }
};

// searchSorted: sorted [lines, size], values [lines, values].
struct SearchParameters {
  int64_t size, values, count;  // count: all values
  bool right;
  int32_t dtype;

  // Throws KernelError.
  explicit SearchParameters(const OpDesc& desc) {
    desc.expect_operands(2, 1);
    expect_params(desc, 1);
    const ct_type &sorted = desc.in(0), &searched = desc.in(1);
    if (sorted.rank < 1) fail(CT_SHAPE, "a rank of at least 1", describe(sorted));
    size = sorted.dims[sorted.rank - 1];
    if (size > std::numeric_limits<int32_t>::max()) fail(CT_SHAPE, "below 2^31 sorted elements", describe(sorted));
    std::vector<int64_t> wanted = dims(sorted);
    wanted.back() = searched.rank == sorted.rank ? searched.dims[searched.rank - 1] : 0;
    expect_type(searched, sorted.dtype, wanted, "the values");
    expect_type(desc.out(0), CT_INT32, wanted, "the result");
    right = flag(desc, 0, "right");
    values = searched.dims[searched.rank - 1];
    count = element_count(searched);
    dtype = sorted.dtype;
  }
};

}  // namespace cotangent

#endif
