// pad on a GPU: one pass over the result, whose elements are either one of the operand or the value.
#include "native/backend/cuda/device_code.h"
#include "native/backend/cuda/dispatch.h"
#include "native/backend/cuda/divisor.h"
#include "native/backend/cuda/packed.h"
#include "native/kernels/movement/movement_cuda.h"
#include "native/kernels/movement/strided_shape.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kBlock = 256;

template <class Index>
struct PadDims {
  using Division = typename DivisorOf<Index>::Type;
  struct Dim {
    Division result, step;  // size of the result; places from one element of the operand to the next
    Index size, low, from;  // the operand's size and stride
  };
  Index count;
  int32_t rank;
  Dim dims[CT_MAX_RANK];  // innermost first
};

template <class T, class Index>
__global__ void __launch_bounds__(kBlock)
    pad_kernel(T* __restrict__ y, const T* __restrict__ x, const T* __restrict__ value, const PadDims<Index> pad) {
  const T padding = *value;
  for (Index i = static_cast<Index>(grid_start()); i < pad.count; i += static_cast<Index>(grid_step())) {
    Index rest = i, source = 0;
    bool inside = true;
#pragma unroll 1
    for (int32_t d = 0; inside && d < pad.rank; ++d) {
      const auto& dim = pad.dims[d];
      const Index quotient = static_cast<Index>(dim.result.quotient(rest));
      const Index place = rest - quotient * static_cast<Index>(dim.result.value) - dim.low;
      rest = quotient;
      if (place < 0) {
        inside = false;
        break;
      }
      const Index element = static_cast<Index>(dim.step.quotient(place));
      inside = element < dim.size && element * static_cast<Index>(dim.step.value) == place;
      source += element * dim.from;
    }
    y[i] = inside ? x[source] : padding;
  }
}

class PadKernel : public Kernel {
 public:
  explicit PadKernel(const OpDesc& desc)
      : padding_(desc),
        in_(dims(desc.in(0))),
        out_(dims(desc.out(0))),
        strides_(contiguous_strides(desc.in(0))),
        element_(element_bytes(desc.out(0).dtype)),
        count_(element_count(desc.out(0))) {
    estimated_ns = estimate_ns(traffic(desc));
  }

  ct_code run(const Launch& to, ct_error* error) const override {
    if (count_ == 0) return CT_OK;
    return dispatch_element(element_, [&](auto element) {
      return dispatch_index(count_, [&](auto index) {
        using T = decltype(element);
        using Index = decltype(index);
        PadDims<Index> pad{};
        pad.count = static_cast<Index>(count_);
        for (size_t d = out_.size(); d-- > 0;) pad.dims[pad.rank++] = describe<Index>(d);
        const auto kernel = pad_kernel<T, Index>;
        return check(launch(to.device.grid(kernel, count_, kBlock), kBlock, 0, to.stream(), kernel, to.output<T>(0),
                            to.input<T>(0), to.input<T>(1), pad),
                     error, "pad");
      });
    });
  }

 private:
  template <class Index>
  typename PadDims<Index>::Dim describe(size_t d) const {
    using Division = typename PadDims<Index>::Division;
    // Operands of less than two elements have no gaps; what the interior says then may be more than the index holds.
    const int64_t step = in_[d] > 1 ? padding_.interior[d] + 1 : 1;
    return {Division(out_[d]), Division(step), static_cast<Index>(in_[d]), static_cast<Index>(padding_.low[d]),
            static_cast<Index>(strides_[d])};
  }

  const Padding padding_;
  const std::vector<int64_t> in_, out_, strides_;
  const int64_t element_, count_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_pad(const OpDesc& desc, Device&) { return std::make_unique<PadKernel>(desc); }

}  // namespace cotangent::cuda
