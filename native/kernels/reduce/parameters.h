// What every device's reductions need to know of an equation.
//
// The dims are merged into alternating groups of kept and reduced ones; each reduced group, innermost first, is one
// stage [outer, size, inner] -> [outer, inner].
#ifndef COTANGENT_KERNELS_REDUCE_PARAMETERS_H
#define COTANGENT_KERNELS_REDUCE_PARAMETERS_H

#include <vector>

#include "native/backend/description.h"

namespace cotangent {

struct ReduceShape {
  int64_t outer, size, inner;

  int64_t results() const { return outer * inner; }
};

// reduceSum, reduceProd (`arithmetic`), reduceMax and reduceMin.
struct ReduceParameters {
  std::vector<ReduceShape> stages;  // none: the result is a copy
  int32_t dtype;

  // Throws KernelError.
  ReduceParameters(const OpDesc& desc, bool arithmetic) : dtype(desc.in(0).dtype) {
    desc.expect_operands(1, 1);
    if (arithmetic) {
      expect_dtype(desc.in(0), {CT_FLOAT32, CT_FLOAT64, CT_INT32, CT_UINT32}, "an operand");
    }
    stages = make_stages(desc.in(0), reduced_axes(desc));
  }

 private:
  // Bit i: axis i goes.
  static unsigned reduced_axes(const OpDesc& desc) {
    const ct_type& in = desc.in(0);
    unsigned reduced = 0;
    int64_t previous = -1;
    for (int k = 0; k < desc.param_count(); ++k) {
      previous = integer_in(desc, k, previous + 1, in.rank - 1, "ascending axes");
      reduced |= 1u << previous;
    }
    std::vector<int64_t> wanted;
    for (int32_t i = 0; i < in.rank; ++i) {
      if (!(reduced >> i & 1)) wanted.push_back(in.dims[i]);
    }
    expect_type(desc.out(0), in.dtype, wanted, "the result");
    return reduced;
  }

  static std::vector<ReduceShape> make_stages(const ct_type& in, unsigned reduced) {
    struct Group {
      int64_t size;
      bool reduced;
    };
    std::vector<Group> groups;
    for (int32_t i = 0; i < in.rank; ++i) {
      if (in.dims[i] == 1) continue;
      const bool is_reduced = reduced >> i & 1;
      if (!groups.empty() && groups.back().reduced == is_reduced) {
        groups.back().size *= in.dims[i];
      } else {
        groups.push_back({in.dims[i], is_reduced});
      }
    }
    std::vector<ReduceShape> stages;
    int64_t inner = 1;
    for (size_t g = groups.size(); g-- > 0;) {
      if (!groups[g].reduced) {
        inner *= groups[g].size;
        continue;
      }
      int64_t outer = 1;
      for (size_t k = 0; k < g; ++k) outer *= groups[k].size;
      stages.push_back({outer, groups[g].size, inner});
    }
    return stages;
  }
};

// argMax and argMin: one stage along the axis.
struct ArgReduceParameters {
  ReduceShape stage;
  int32_t dtype;

  // Throws KernelError.
  explicit ArgReduceParameters(const OpDesc& desc) {
    desc.expect_operands(1, 1);
    expect_params(desc, 1);
    const ct_type& in = desc.in(0);
    const int axis = axis_param(desc, 0, in.rank);
    if (in.dims[axis] < 1 || in.dims[axis] > std::numeric_limits<int32_t>::max()) {
      fail(CT_SHAPE, "between 1 and 2^31 - 1 elements along axis " + std::to_string(axis), describe(in));
    }
    std::vector<int64_t> wanted = dims(in);
    wanted.erase(wanted.begin() + axis);
    expect_type(desc.out(0), CT_INT32, wanted, "the result");
    stage = {product(in, 0, axis), in.dims[axis], product(in, axis + 1, in.rank)};
    dtype = in.dtype;
  }
};

}  // namespace cotangent

#endif
