// conv and convInputGradient on a GPU: for each phase of results, weights [group, results, source channel and tap]
// times unfolded columns. With one group and enough positions an image (or with one image) the product is the result;
// otherwise images stand side by side, so that the product is wide, and are spread over the result afterwards. A
// kernel of one element whose results lie on their sources needs no columns at all.
#include "native/backend/cuda/blas.h"
#include "native/backend/cuda/dispatch.h"
#include "native/backend/cuda/workspace.h"
#include "native/kernels/convolution/convolution_cuda.h"
#include "native/kernels/convolution/unfold.h"

namespace cotangent::cuda {
namespace {

constexpr int64_t kWide = 128;       // columns that keep cuBLAS's tiles busy
constexpr int64_t kWideEnough = 16;  // the same where nothing has to be unfolded
constexpr int64_t kMostColumns = std::numeric_limits<int32_t>::max();

template <class T>
class CorrelationKernel : public Kernel {
 public:
  CorrelationKernel(const OpDesc& desc, const ConvShape& shape, Gather gather)
      : shape_(shape),
        forward_(gather == Gather::kOutputFromInput),
        results_(forward_ ? shape.out_channels : shape.in_channels),
        sources_(forward_ ? shape.in_channels : shape.out_channels),
        phases_(make_phases(shape, gather)) {
    estimated_ns = estimate_ns(traffic(desc), shape.flops());
    blas_size(results_);
    int64_t weights = 0, columns = 0, rows = 0;
    for (const Phase& phase : phases_) {
      const Step step = plan(phase);
      blas_size(sources_ * phase.taps());
      any_empty_ = any_empty_ || step.inner == 0;
      weights = std::max(weights, step.packed ? shape.weights() : 0);
      columns = std::max(columns, step.identity ? 0 : shape.groups * step.inner * step.largest.columns());
      rows = std::max(rows, step.direct ? 0 : shape.groups * results_ * step.largest.columns());
    }
    if (empty()) return;
    weights_ = room_.take<T>(weights);
    columns_ = room_.take<T>(columns);
    rows_ = room_.take<T>(rows);
  }

  uint64_t workspace_bytes() const override { return room_.bytes(); }

  ct_code run(const Launch& to, ct_error* error) const override {
    if (empty()) return CT_OK;
    T* const result = to.output<T>(0);
    if (any_empty_) {  // results that no tap reaches
      const size_t bytes =
          static_cast<size_t>(shape_.batch * shape_.groups * results_ * phases_[0].results()) * sizeof(T);
      const ct_code code = check(cudaMemsetAsync(result, 0, bytes, to.stream()), error, "cudaMemsetAsync");
      if (code != CT_OK) return code;
    }
    for (const Phase& phase : phases_) {
      const Step step = plan(phase);
      if (step.inner == 0) continue;
      if (const ct_code code = run_phase(to, phase, step, error); code != CT_OK) return code;
    }
    return CT_OK;
  }

 private:
  // How a phase is computed.
  struct Step {
    int64_t inner;  // source channels times taps
    bool direct;    // the product is the result
    bool identity;  // the source is its own columns
    bool packed;    // the weights are copied into order
    Chunk largest;
  };

  bool empty() const { return phases_.empty() || results_ == 0 || shape_.batch == 0; }

  Step plan(const Phase& phase) const {
    const int64_t images = shape_.batch, inner = sources_ * phase.taps();
    const bool alone = phase.whole() && (shape_.groups == 1 || images == 1) && phase.count() <= kMostColumns;
    const bool identity = alone && phase.identity() && (images == 1 || phase.count() >= kWideEnough);
    const bool direct = identity || (alone && (images == 1 || phase.count() >= kWide));
    const Chunk all{0, images, 0, phase.count()};
    return {inner, direct, identity, phase.kernels() > 1 && !(forward_ && phase.all_taps()),
            identity ? all : largest_chunk(phase, images, shape_.groups * inner, sizeof(T))};
  }

  ct_code run_phase(const Launch& to, const Phase& phase, const Step& step, ct_error* error) const {
    T* const packed = part<T>(to.workspace, weights_);
    T* const columns = part<T>(to.workspace, columns_);
    T* const rows = part<T>(to.workspace, rows_);
    const T* weights = to.input<T>(1);
    if (step.packed) {
      const Weights order{shape_.groups, shape_.out_channels, shape_.in_channels, !forward_, false};
      const ct_code code = launch_pack(to.device, phase, order, weights, packed, error);
      if (code != CT_OK) return code;
      weights = packed;
    }
    // Weights of one element a pair of channels are in order, or that of the transpose.
    const bool transpose = !step.packed && !forward_;
    const int64_t inner = step.inner, positions = phase.count();
    const blas::Operand<const T> left{weights, static_cast<int>(transpose ? results_ : inner),
                                      shape_.groups == 1 ? 0 : results_ * inner, transpose};
    return each_chunk(phase, shape_.batch, step.largest, [&](const Chunk& chunk) {
      const int64_t count = chunk.columns(), groups = shape_.groups;
      const bool by_image = step.direct && groups == 1;  // the batch of products, else by group
      const int64_t width = by_image ? chunk.positions : count;
      const T* const source = to.input<T>(0);
      ct_code code = CT_OK;
      if (!step.identity) {
        code = launch_unfold(to.device, phase, chunk, groups * sources_, source, columns,
                             by_image ? inner * width : chunk.positions, width, error);
      }
      if (code != CT_OK) return code;
      const int n = static_cast<int>(width);
      const blas::Operand<const T> right{step.identity ? source : columns, n, inner * width};
      const int64_t start = chunk.image * groups * results_ * positions + chunk.position;
      const blas::Operand<T> product =
          step.direct ? blas::Operand<T>{to.output<T>(0) + start, static_cast<int>(positions), results_ * positions}
                      : blas::Operand<T>{rows, n, results_ * width};
      code = blas::gemm<T>(to.device, by_image ? chunk.images : groups, static_cast<int>(results_), n,
                           static_cast<int>(inner), T(1), left, right, T(0), product, error);
      if (code != CT_OK || step.direct) return code;
      return launch_spread(to.device, phase, chunk, groups * results_, rows, to.output<T>(0), error);
    });
  }

  const ConvShape shape_;
  const bool forward_;
  const int64_t results_, sources_;  // channels of one group
  const std::vector<Phase> phases_;
  bool any_empty_ = false;
  Room room_;
  int64_t weights_ = 0, columns_ = 0, rows_ = 0;
};

}  // namespace

std::unique_ptr<Kernel> make_correlation(const OpDesc& desc, const ConvShape& shape, Gather gather) {
  return dispatch_float(desc.out(0).dtype, [&](auto element) -> std::unique_ptr<Kernel> {
    return std::make_unique<CorrelationKernel<decltype(element)>>(desc, shape, gather);
  });
}

}  // namespace cotangent::cuda
