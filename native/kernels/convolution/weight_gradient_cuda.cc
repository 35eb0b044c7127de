// convWeightGradient on a GPU: for each phase of y, the product of y's channels and the unfolded columns of x over all
// images and positions, [group, output channels, columns] times [group, columns, input channel and tap]. Chunks of
// columns are added up in order by cuBLAS's beta. Where an image's columns are the image itself, and its rows are long,
// images go one by one and nothing is copied.
#include "native/backend/cuda/blas.h"
#include "native/backend/cuda/dispatch.h"
#include "native/backend/cuda/workspace.h"
#include "native/kernels/convolution/convolution_cuda.h"
#include "native/kernels/convolution/unfold.h"

namespace cotangent::cuda {
namespace {

constexpr int64_t kLong = 1024;  // positions of an image that are worth a product of their own

template <class T>
class WeightGradientKernel : public Kernel {
 public:
  WeightGradientKernel(const OpDesc& desc, const ConvShape& shape)
      : shape_(shape), phases_(make_phases(shape, Gather::kOutputFromInput)) {
    estimated_ns = estimate_ns(traffic(desc), shape.flops());
    blas_size(shape.out_channels);
    int64_t x_count = 0, y_count = 0, packed = 0;
    for (const Phase& phase : phases_) {
      const Step step = plan(phase);
      blas_size(step.inner);
      const int64_t columns = shape.groups * step.largest.columns();
      x_count = std::max(x_count, step.x_as_is ? 0 : columns * step.inner);
      y_count = std::max(y_count, step.y_as_is ? 0 : columns * shape.out_channels);
      packed = std::max(packed, in_order(phase) ? 0 : shape.groups * shape.out_channels * step.inner);
    }
    x_columns_ = room_.take<T>(x_count);
    y_columns_ = room_.take<T>(y_count);
    packed_ = room_.take<T>(packed);
  }

  uint64_t workspace_bytes() const override { return room_.bytes(); }

  ct_code run(const Launch& to, ct_error* error) const override {
    if (shape_.weights() == 0) return CT_OK;
    T* const result = to.output<T>(0);
    const bool covered = phases_.size() == 1 && in_order(phases_[0]) && shape_.batch > 0;
    if (!covered) {  // elements of the kernel that meet nothing
      const size_t bytes = static_cast<size_t>(shape_.weights()) * sizeof(T);
      const ct_code code = check(cudaMemsetAsync(result, 0, bytes, to.stream()), error, "cudaMemsetAsync");
      if (code != CT_OK) return code;
    }
    for (const Phase& phase : phases_) {
      const Step step = plan(phase);
      if (step.inner == 0 || shape_.batch == 0) continue;
      if (const ct_code code = run_phase(to, phase, step, error); code != CT_OK) return code;
    }
    return CT_OK;
  }

 private:
  // How a phase is computed.
  struct Step {
    int64_t inner;          // input channels times taps
    bool x_as_is, y_as_is;  // an image's rows are used where they are
    Chunk largest;
  };

  // Whether the product is the gradient as it is stored.
  static bool in_order(const Phase& phase) { return phase.all_taps(); }

  Step plan(const Phase& phase) const {
    const int64_t inner = shape_.in_channels * phase.taps();
    Chunk largest = largest_chunk(phase, shape_.batch, shape_.groups * (inner + shape_.out_channels), sizeof(T));
    const bool one_call = phase.count() <= std::numeric_limits<int32_t>::max();
    const bool alone = one_call && (shape_.batch == 1 || phase.count() >= kLong);
    if (alone && phase.identity()) largest = {0, 1, 0, phase.count()};
    const bool one_image = largest.images == 1 && one_call;
    return {inner, one_image && phase.identity(), one_image && phase.whole(), largest};
  }

  ct_code run_phase(const Launch& to, const Phase& phase, const Step& step, ct_error* error) const {
    T* const x_columns = part<T>(to.workspace, x_columns_);
    T* const y_columns = part<T>(to.workspace, y_columns_);
    T* const packed = part<T>(to.workspace, packed_);
    T* const product = in_order(phase) ? to.output<T>(0) : packed;
    const int64_t groups = shape_.groups, in = shape_.in_channels, out = shape_.out_channels, inner = step.inner;
    const int64_t positions = phase.count();
    const Phase results = phase.of_results();
    T beta = 0;
    const ct_code added = each_chunk(phase, shape_.batch, step.largest, [&](const Chunk& chunk) {
      const int64_t count = chunk.columns();
      const T *x = to.input<T>(0), *y = to.input<T>(1);
      const auto columns = [&](bool as_is, const T*& data, const Phase& from, int64_t channels, T* made) {
        if (as_is) {
          data += chunk.image * groups * channels * positions + chunk.position;
          return CT_OK;
        }
        const ct_code code =
            launch_unfold(to.device, from, chunk, groups * channels, data, made, chunk.positions, count, error);
        data = made;
        return code;
      };
      ct_code code = columns(step.x_as_is, x, phase, in, x_columns);
      if (code == CT_OK) code = columns(step.y_as_is, y, results, out, y_columns);
      if (code != CT_OK) return code;
      const int64_t x_row = step.x_as_is ? positions : count, y_row = step.y_as_is ? positions : count;
      code = blas::gemm<T>(to.device, groups, static_cast<int>(out), static_cast<int>(inner), static_cast<int>(count),
                           T(1), {y, static_cast<int>(y_row), out * y_row},
                           {x, static_cast<int>(x_row), inner * x_row, true}, beta,
                           {product, static_cast<int>(inner), out * inner}, error);
      beta = 1;
      return code;
    });
    if (added != CT_OK || in_order(phase)) return added;
    return launch_pack(to.device, phase, {groups, out, in, false, true}, product, to.output<T>(0), error);
  }

  const ConvShape shape_;
  const std::vector<Phase> phases_;
  Room room_;
  int64_t x_columns_ = 0, y_columns_ = 0, packed_ = 0;
};

}  // namespace

std::unique_ptr<Kernel> make_weight_gradient(const OpDesc& desc, const ConvShape& shape) {
  return dispatch_float(desc.out(0).dtype, [&](auto element) -> std::unique_ptr<Kernel> {
    return std::make_unique<WeightGradientKernel<decltype(element)>>(desc, shape);
  });
}

}  // namespace cotangent::cuda
