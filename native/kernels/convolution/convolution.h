// Convolution and its two gradients: the partial derivatives of one trilinear form,
//
//   sum over n, o, c, p, k of  y[n, o, p] w[o, c, k] x[n, c, i]   where  i * inputDilation + low = p * stride + k *
//   kernelDilation  on every spatial axis.
//
// conv gives the sum's derivative in y, convInputGradient in x, convWeightGradient in w. See docs/architecture.md for
// operands and parameters.
#ifndef COTANGENT_KERNELS_CONVOLUTION_CONVOLUTION_H
#define COTANGENT_KERNELS_CONVOLUTION_CONVOLUTION_H

#include <cstdint>
#include <memory>
#include <vector>

#include "native/backend/cpu/kernel.h"

namespace cotangent::cpu {

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

enum class Gather { kOutputFromInput, kInputFromOutput };

std::unique_ptr<Kernel> make_correlation(const OpDesc& desc, const ConvShape& shape, Gather gather);
std::unique_ptr<Kernel> make_weight_gradient(const OpDesc& desc, const ConvShape& shape);

}  // namespace cotangent::cpu

#endif
