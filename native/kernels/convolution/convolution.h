// conv, convInputGradient and convWeightGradient on the CPU. See conv_shape.h for what they compute.
#ifndef COTANGENT_KERNELS_CONVOLUTION_CONVOLUTION_H
#define COTANGENT_KERNELS_CONVOLUTION_CONVOLUTION_H

#include <cstdint>
#include <memory>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/convolution/conv_shape.h"

namespace cotangent::cpu {

constexpr double kPartFlops = 200e3;  // of work that is worth a thread

std::unique_ptr<Kernel> make_correlation(const OpDesc& desc, const ConvShape& shape, Gather gather);
std::unique_ptr<Kernel> make_weight_gradient(const OpDesc& desc, const ConvShape& shape);

}  // namespace cotangent::cpu

#endif
