// The movement kernels of the CUDA backend beside the CPU's, bit for bit.
#include "test/native/cuda_testing.h"

namespace cotangent::testing {
namespace {

void iota(CudaComparison& both) {
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64, CT_INT32, CT_UINT32}) {
    for (const Dims& dims : std::vector<Dims>{{1}, {0}, {7}, {3, 5}, {0, 4}, {2, 3, 4}, {1, 70000}, {257, 33}}) {
      for (size_t axis = 0; axis < dims.size(); ++axis) {
        both.check("iota", {}, {type_of(dtype, dims)}, {static_cast<double>(axis)});
      }
    }
  }
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent::testing;
  CudaComparison both;
  iota(both);
  return failures ? 1 : 0;
}
