// conv, convInputGradient and convWeightGradient on a GPU. See conv_shape.h for what they compute.
#ifndef COTANGENT_KERNELS_CONVOLUTION_CONVOLUTION_CUDA_H
#define COTANGENT_KERNELS_CONVOLUTION_CONVOLUTION_CUDA_H

#include <memory>

#include "native/backend/cuda/kernel.h"
#include "native/kernels/convolution/conv_shape.h"

namespace cotangent::cuda {

std::unique_ptr<Kernel> make_correlation(const OpDesc& desc, const ConvShape& shape, Gather gather);
std::unique_ptr<Kernel> make_weight_gradient(const OpDesc& desc, const ConvShape& shape);

}  // namespace cotangent::cuda

#endif
