// Prepare of conv, convInputGradient and convWeightGradient: what the three have in common is the trilinear form, so
// they check the same shapes and differ in which of x, w and y is the result.
#include "native/kernels/convolution/convolution.h"

#include "native/backend/cpu/check.h"

namespace cotangent::cpu {
namespace {

std::vector<int64_t> with_spatial(std::initializer_list<int64_t> channels, const ct_type& like) {
  std::vector<int64_t> wanted(channels);
  wanted.insert(wanted.end(), like.dims + 2, like.dims + like.rank);
  return wanted;
}

// Parameters: groups, then for each spatial axis stride, then low, inputDilation and kernelDilation likewise.
ConvShape read_shape(const OpDesc& desc, const ct_type& x, const ct_type& w, const ct_type& y) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  const int rank = x.rank, spatial = rank - 2;
  expect_float(x, "an operand");
  if (spatial < 1 || spatial > kSpatialAxes) fail(CT_SHAPE, "operands of rank 3, 4 or 5", describe(x));
  if (w.rank != rank || y.rank != rank) fail(CT_SHAPE, "operands of one rank", describe(w) + " and " + describe(y));
  expect_params(desc, 1 + 4 * spatial);
  ConvShape shape{};
  shape.groups = integer_in(desc, 0, 1, kMost, "groups");
  if (w.dims[0] % shape.groups != 0) fail(CT_SHAPE, "output channels that the groups divide", describe(w));
  shape.batch = x.dims[0];
  shape.in_channels = w.dims[1];
  shape.out_channels = w.dims[0] / shape.groups;
  for (int k = 0; k < spatial; ++k) {
    ConvAxis& axis = shape.axis[kSpatialAxes - spatial + k];
    axis.input = blas_size(x.dims[2 + k]);
    axis.kernel = blas_size(w.dims[2 + k]);
    axis.output = blas_size(y.dims[2 + k]);
    axis.stride = integer_in(desc, 1 + k, 1, kMost, "strides");
    axis.low = integer_in(desc, 1 + spatial + k, -kMost, kMost, "padding");
    axis.input_dilation = integer_in(desc, 1 + 2 * spatial + k, 1, kMost, "input dilations");
    axis.kernel_dilation = integer_in(desc, 1 + 3 * spatial + k, 1, kMost, "kernel dilations");
  }
  expect_type(x, x.dtype, with_spatial({shape.batch, shape.groups * shape.in_channels}, x), "x");
  expect_type(w, x.dtype, with_spatial({w.dims[0], shape.in_channels}, w), "w");
  expect_type(y, x.dtype, with_spatial({shape.batch, w.dims[0]}, y), "y");
  return shape;
}

std::unique_ptr<Kernel> prepare_conv(const OpDesc& desc) {
  desc.expect_operands(2, 1);
  const ConvShape shape = read_shape(desc, desc.in(0), desc.in(1), desc.out(0));
  return make_correlation(desc, shape, Gather::kOutputFromInput);
}

std::unique_ptr<Kernel> prepare_input_gradient(const OpDesc& desc) {
  desc.expect_operands(2, 1);
  const ConvShape shape = read_shape(desc, desc.out(0), desc.in(1), desc.in(0));
  return make_correlation(desc, shape, Gather::kInputFromOutput);
}

std::unique_ptr<Kernel> prepare_weight_gradient(const OpDesc& desc) {
  desc.expect_operands(2, 1);
  return make_weight_gradient(desc, read_shape(desc, desc.in(0), desc.out(0), desc.in(1)));
}

}  // namespace

void register_convolution(Registry& registry) {
  registry.add("conv", prepare_conv);
  registry.add("convInputGradient", prepare_input_gradient);
  registry.add("convWeightGradient", prepare_weight_gradient);
}

}  // namespace cotangent::cpu
