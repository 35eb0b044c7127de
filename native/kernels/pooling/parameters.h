// What every device's pooling kernels need to know of an equation.
#ifndef COTANGENT_KERNELS_POOLING_PARAMETERS_H
#define COTANGENT_KERNELS_POOLING_PARAMETERS_H

#include <algorithm>

#include "native/backend/description.h"

namespace cotangent {

constexpr int kPoolAxes = 3;  // the most trailing axes that windows lie in

struct PoolAxis {
  int64_t source = 1, result = 1, window = 1, stride = 1, low = 0, dilation = 1;

  int64_t first(int64_t tap) const { return tap * dilation - low; }  // source of result 0
  // Results [begin, end) whose tap lies inside the source.
  int64_t begin(int64_t tap) const {
    const int64_t at = first(tap);
    return std::min(result, at < 0 ? (-at + stride - 1) / stride : 0);
  }
  int64_t end(int64_t tap) const {
    const int64_t room = source - 1 - first(tap);
    return room < 0 ? 0 : std::min(result, room / stride + 1);
  }
};

// maxPool. Parameters of the equation: for each of the trailing axes window, then stride, low and dilation likewise.
struct MaxPoolParameters {
  PoolAxis axis[kPoolAxes];  // leading ones of fewer axes: 1 -> 1
  int64_t planes;
  int32_t dtype;

  double window() const { return static_cast<double>(axis[0].window * axis[1].window * axis[2].window); }

  // Throws KernelError.
  explicit MaxPoolParameters(const OpDesc& desc) {
    constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
    desc.expect_operands(1, 2);
    const ct_type &x = desc.in(0), &y = desc.out(0);
    expect_float(x, "an operand");
    const int axes = desc.param_count() / 4;
    if (axes < 1 || axes > kPoolAxes || desc.param_count() != 4 * axes) {
      fail(CT_INTERNAL, "parameters of 1, 2 or 3 axes", std::to_string(desc.param_count()) + " parameters");
    }
    if (x.rank < axes || y.rank != x.rank) fail(CT_SHAPE, "operand and result of one rank", describe(x));
    std::vector<int64_t> wanted = dims(x);
    const int leading = x.rank - axes;
    for (int k = 0; k < axes; ++k) {
      PoolAxis& a = axis[kPoolAxes - axes + k];
      a.source = blas_size(x.dims[leading + k]);
      a.result = blas_size(y.dims[leading + k]);
      wanted[static_cast<size_t>(leading + k)] = a.result;
      a.window = integer_in(desc, k, 1, kMost, "windows");
      a.stride = integer_in(desc, axes + k, 1, kMost, "strides");
      a.low = integer_in(desc, 2 * axes + k, -kMost, kMost, "padding");
      a.dilation = integer_in(desc, 3 * axes + k, 1, kMost, "dilations");
    }
    blas_size(product(x, leading, x.rank));  // places are int32
    expect_type(y, x.dtype, wanted, "the result");
    expect_type(desc.out(1), CT_INT32, wanted, "the places");
    planes = product(x, 0, leading);
    dtype = x.dtype;
  }
};

// poolGather and poolScatter: x [planes, sources], y and index [planes, results].
struct PoolPlaces {
  int64_t planes, sources, results;
  int32_t dtype;

  // Throws KernelError.
  static PoolPlaces of_gather(const OpDesc& desc) {
    desc.expect_operands(2, 1);
    return read(desc, desc.in(0), desc.out(0));
  }
  static PoolPlaces of_scatter(const OpDesc& desc) {
    desc.expect_operands(2, 1);
    return read(desc, desc.out(0), desc.in(0));
  }

 private:
  // `x` and `y` differ in their trailing axes only; `index` has the dims of y.
  static PoolPlaces read(const OpDesc& desc, const ct_type& x, const ct_type& y) {
    expect_params(desc, 1);
    expect_float(x, "an operand");
    const int axes = static_cast<int>(integer_in(desc, 0, 1, kPoolAxes, "a number of axes"));
    if (x.rank < axes || y.rank != x.rank) fail(CT_SHAPE, "operands of one rank", describe(x) + " and " + describe(y));
    const int leading = x.rank - axes;
    std::vector<int64_t> wanted = dims(y);
    std::copy(x.dims, x.dims + leading, wanted.begin());
    expect_type(y, x.dtype, wanted, "what is pooled");
    expect_type(desc.in(1), CT_INT32, wanted, "the places");
    return {product(x, 0, leading), product(x, leading, x.rank), product(y, leading, y.rank), x.dtype};
  }
};

}  // namespace cotangent

#endif
