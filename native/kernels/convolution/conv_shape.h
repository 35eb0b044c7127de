// Convolution and its two gradients: the partial derivatives of one trilinear form,
//
//   sum over n, o, c, p, k of  y[n, o, p] w[o, c, k] x[n, c, i]   where  i * inputDilation + low = p * stride + k *
//   kernelDilation  on every spatial axis.
//
// conv gives the sum's derivative in y, convInputGradient in x, convWeightGradient in w. See docs/architecture.md for
// operands and parameters. The three check the same shapes and differ in which of x, w and y is the result.
#ifndef COTANGENT_KERNELS_CONVOLUTION_CONV_SHAPE_H
#define COTANGENT_KERNELS_CONVOLUTION_CONV_SHAPE_H

#include <algorithm>
#include <numeric>
#include <vector>

#include "native/backend/description.h"

namespace cotangent {

constexpr int kSpatialAxes = 3;  // fewer are preceded by axes of length 1

struct ConvAxis {
  int64_t input = 1, kernel = 1, output = 1;
  int64_t stride = 1, low = 0, input_dilation = 1, kernel_dilation = 1;
};

struct ConvShape {
  int64_t batch, groups;
  int64_t in_channels, out_channels;  // of one group
  ConvAxis axis[kSpatialAxes];

  int64_t input_size() const { return axis[0].input * axis[1].input * axis[2].input; }
  int64_t kernel_size() const { return axis[0].kernel * axis[1].kernel * axis[2].kernel; }
  int64_t output_size() const { return axis[0].output * axis[1].output * axis[2].output; }
  int64_t weights() const { return groups * out_channels * in_channels * kernel_size(); }
  double flops() const {
    return 2.0 * static_cast<double>(batch * groups * output_size()) * static_cast<double>(in_channels * out_channels) *
           static_cast<double>(kernel_size());
  }
};

inline std::vector<int64_t> with_spatial(std::initializer_list<int64_t> channels, const ct_type& like) {
  std::vector<int64_t> wanted(channels);
  wanted.insert(wanted.end(), like.dims + 2, like.dims + like.rank);
  return wanted;
}

// Parameters: groups, then for each spatial axis stride, then low, inputDilation and kernelDilation likewise.
// Throws KernelError.
inline ConvShape conv_shape(const OpDesc& desc, const ct_type& x, const ct_type& w, const ct_type& y) {
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

inline ConvShape conv_shape(const OpDesc& desc) {
  desc.expect_operands(2, 1);
  return conv_shape(desc, desc.in(0), desc.in(1), desc.out(0));
}
inline ConvShape input_gradient_shape(const OpDesc& desc) {
  desc.expect_operands(2, 1);
  return conv_shape(desc, desc.out(0), desc.in(1), desc.in(0));
}
inline ConvShape weight_gradient_shape(const OpDesc& desc) {
  desc.expect_operands(2, 1);
  return conv_shape(desc, desc.in(0), desc.out(0), desc.in(1));
}

enum class Gather { kOutputFromInput, kInputFromOutput };

// How results of a convolution read their sources along an axis. Result r, tap k and source q belong together when
// q b = a r + t(k); with a, b divided by their greatest common divisor, the results r = phase + b m of one phase read
// sources a m + offset(k). So strides and dilations of every kind become plain sums over shifted copies of the source.
struct GatherAxis {
  struct Tap {
    int64_t kernel, offset;
  };

  GatherAxis() = default;
  GatherAxis(const ConvAxis& from, Gather gather) {
    const bool forward = gather == Gather::kOutputFromInput;
    kernel = from.kernel;
    result = forward ? from.output : from.input;
    source = forward ? from.input : from.output;
    const int64_t a = forward ? from.stride : from.input_dilation, b = forward ? from.input_dilation : from.stride;
    const int64_t divisor = std::gcd(a, b);
    step = a / divisor;
    interval = b / divisor;
    phases = std::min(interval, result);
    taps.resize(static_cast<size_t>(phases));
    bool any = false;
    int64_t highest = 0;
    for (int64_t phase = 0; phase < phases; ++phase) {
      for (int64_t k = 0; k < from.kernel; ++k) {
        const int64_t shift = k * from.kernel_dilation - from.low;
        const int64_t scaled = a * phase + (forward ? shift : -shift);
        if (scaled % b != 0) continue;
        const int64_t offset = scaled / b;
        taps[static_cast<size_t>(phase)].push_back({k, offset});
        lowest = any ? std::min(lowest, offset) : offset;
        highest = any ? std::max(highest, offset) : offset;
        any = true;
      }
    }
    reach = highest - lowest;
    for (const std::vector<Tap>& list : taps) {
      for (const Tap& tap : list) remainders.push_back((tap.offset - lowest) % step);
    }
    std::sort(remainders.begin(), remainders.end());
    remainders.erase(std::unique(remainders.begin(), remainders.end()), remainders.end());
  }

  int64_t result = 1, source = 1, kernel = 1;  // lengths
  int64_t step = 1;                            // a
  int64_t phases = 1;                          // b, or fewer when there are not as many results
  int64_t interval = 1;                        // b
  int64_t lowest = 0, reach = 0;               // smallest offset, and how much larger the largest is
  std::vector<std::vector<Tap>> taps;          // by phase, ascending: kernel and offset are arithmetic progressions
  std::vector<int64_t> remainders;             // of (offset - lowest) modulo step that occur, ascending: one plane each

  // Results of a phase.
  int64_t count(int64_t phase) const { return (result - phase + interval - 1) / interval; }

  int64_t plane_of(int64_t offset) const {
    const int64_t remainder = (offset - lowest) % step;
    return std::lower_bound(remainders.begin(), remainders.end(), remainder) - remainders.begin();
  }
};

}  // namespace cotangent

#endif
