#include "native/kernels/convolution/convolution_cuda.h"

namespace cotangent::cuda {
namespace {

std::unique_ptr<Kernel> prepare_conv(const OpDesc& desc, Device&) {
  return make_correlation(desc, conv_shape(desc), Gather::kOutputFromInput);
}

std::unique_ptr<Kernel> prepare_input_gradient(const OpDesc& desc, Device&) {
  return make_correlation(desc, input_gradient_shape(desc), Gather::kInputFromOutput);
}

std::unique_ptr<Kernel> prepare_weight_gradient(const OpDesc& desc, Device&) {
  return make_weight_gradient(desc, weight_gradient_shape(desc));
}

}  // namespace

void register_convolution(Registry& registry) {
  registry.add("conv", prepare_conv);
  registry.add("convInputGradient", prepare_input_gradient);
  registry.add("convWeightGradient", prepare_weight_gradient);
}

}  // namespace cotangent::cuda
