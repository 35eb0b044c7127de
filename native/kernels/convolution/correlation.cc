// conv and convInputGradient: every result is a sum over the taps of its phase. A band of results of one image is
// computed from one copy of what it reads (gather_plan.h); blocks of result channels stay in registers over all taps.
// Every result is summed in the order of channels and taps by one thread: the bits do not depend on the cut.
#include <algorithm>
#include <cstring>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/convolution/gather_plan.h"

namespace cotangent::cpu {
namespace {

constexpr int64_t kItems = 16;    // bands and blocks of channels to cut a small batch into
constexpr int64_t kChunk = 1024;  // results of one channel that are computed before they are stored

template <class T>
class CorrelationKernel : public Kernel {
 public:
  CorrelationKernel(const OpDesc& desc, const ConvShape& shape, Gather gather)
      : shape_(shape),
        forward_(gather == Gather::kOutputFromInput),
        results_(forward_ ? shape.out_channels : shape.in_channels),
        sources_(forward_ ? shape.in_channels : shape.out_channels),
        loops_(conv_loops<T>()),
        plan_(shape, gather, sources_, sizeof(T), std::max<int64_t>(1, kItems / std::max<int64_t>(1, shape.batch))) {
    const double width = sizeof(T) == 4 ? 1 : 2;
    estimated_ns = estimate_ns(traffic(desc), width * shape.flops());
    blocks_ = ceil_divide(results_, loops_.rows);
    rows_ = blocks_ ? ceil_divide(results_, blocks_) : 0;
    blocks_ = rows_ ? ceil_divide(results_, rows_) : 0;
    const int64_t items = std::max<int64_t>(1, shape.batch * plan_.bands());
    splits_ = std::clamp<int64_t>(ceil_divide(kItems, items), 1, std::max<int64_t>(1, blocks_));
    for (const GatherPhase& phase : plan_.phases()) {
      std::vector<int64_t> offsets;
      for (int64_t c = 0; c < sources_; ++c) {
        for (const int64_t offset : phase.offset) offsets.push_back(c * plan_.channel_stride() + offset);
      }
      packed_.push_back(packed_size_);
      packed_size_ += shape.groups * blocks_ * rows_ * static_cast<int64_t>(offsets.size());
      offsets_.push_back(std::move(offsets));
    }
    packed_size_ = round_up(packed_size_, kLine);
    image_size_ = round_up(sources_ * plan_.channel_stride() + kConvSlack, kLine);
    block_stride_ = 0;
    for (const GatherPhase& phase : plan_.phases()) {
      const int64_t length = plan_.length(2);
      block_stride_ = std::max(block_stride_, (rows_at_once(phase) - 1) * length + phase.count[2]);
    }
    block_stride_ = round_up(block_stride_ + kConvSlack, kLine);
  }

  uint64_t workspace_bytes(int threads) const override {
    const int64_t each = image_size_ + rows_ * block_stride_;
    return static_cast<uint64_t>(packed_size_ + parts(threads) * each) * sizeof(T);
  }

  int pieces(int threads) const override { return pieces_by_time(threads, items() / parts(threads)); }

  ct_code run(const Launch& launch, ct_error*) const override {
    if (results_ == 0 || items() == 0) return CT_OK;
    T* const packed = static_cast<T*>(launch.workspace);
    if (launch.piece == 0) pack(launch.parallel, static_cast<const T*>(launch.in[1]), packed);
    const int threads = launch.parallel.threads();
    const Piece piece(items(), launch.piece, pieces(threads));
    const int count = static_cast<int>(std::min<int64_t>(parts(threads), piece.length()));
    launch.parallel.parts(count, [&](int part) {
      T* const image = packed + packed_size_ + part * (image_size_ + rows_ * block_stride_);
      const int64_t end = piece.begin + piece.length() * (part + 1) / count;
      for (int64_t item = piece.begin + piece.length() * part / count; item < end; ++item) {
        run_item(launch, item, packed, image, image + image_size_);
      }
    });
    return CT_OK;
  }

 private:
  static constexpr int64_t kLine = 16;  // elements: parts of the workspace do not share cache lines

  int64_t items() const { return shape_.batch * plan_.bands() * splits_; }
  int parts(int threads) const {
    const double worth = std::max(1.0, shape_.flops() / kPartFlops);
    return static_cast<int>(std::max<int64_t>(1, std::min<int64_t>({threads, items(), static_cast<int64_t>(worth)})));
  }
  // Rows of results that are computed as one run of the copy, the gaps between them included.
  int64_t rows_at_once(const GatherPhase& phase) const {
    return std::clamp<int64_t>(kChunk / std::max<int64_t>(1, plan_.length(2)), 1, std::max<int64_t>(1, phase.count[1]));
  }

  // Weights of each phase as [group, block, source channel, tap, row].
  void pack(Parallel& parallel, const T* w, T* packed) const {
    const int64_t size = shape_.kernel_size(), total = shape_.groups * blocks_;
    const int64_t grain = std::max<int64_t>(1, 16384 * total / std::max<int64_t>(1, shape_.weights()));
    parallel.range(total, grain, 1, [&](int64_t begin, int64_t end) {
      for (size_t f = 0; f < offsets_.size(); ++f) {
        const std::vector<int64_t>& kernel = plan_.phases()[f].kernel;
        for (int64_t i = begin; i < end; ++i) {
          const int64_t group = i / blocks_, first = i % blocks_ * rows_;
          T* to = packed + packed_[f] + i * rows_ * static_cast<int64_t>(offsets_[f].size());
          for (int64_t source = 0; source < sources_; ++source) {
            for (const int64_t k : kernel) {
              for (int64_t r = first; r < first + rows_; ++r, ++to) {
                const int64_t out = forward_ ? r : source, in = forward_ ? source : r;
                *to =
                    r < results_ ? w[((group * shape_.out_channels + out) * shape_.in_channels + in) * size + k] : T(0);
              }
            }
          }
        }
      }
    });
  }

  void run_item(const Launch& launch, int64_t item, const T* packed, T* image, T* block) const {
    const int64_t split = item % splits_, band = item / splits_ % plan_.bands(), n = item / splits_ / plan_.bands();
    const GatherAxis &outer = plan_.axis(0), &middle = plan_.axis(1), &inner = plan_.axis(2);
    const int64_t source_size = outer.source * middle.source * inner.source;
    const int64_t result_size = outer.result * middle.result * inner.result;
    const T* const from = static_cast<const T*>(launch.in[0]) + n * shape_.groups * sources_ * source_size;
    T* const to = static_cast<T*>(launch.out[0]) + n * shape_.groups * results_ * result_size;
    for (int64_t group = 0; group < shape_.groups; ++group) {
      plan_.copy(image, from + group * sources_ * source_size, sources_, band);
      for (size_t f = 0; f < offsets_.size(); ++f) {
        const int64_t taps = static_cast<int64_t>(offsets_[f].size());
        for (int64_t b = blocks_ * split / splits_; b < blocks_ * (split + 1) / splits_; ++b) {
          const T* const weights = packed + packed_[f] + (group * blocks_ + b) * rows_ * taps;
          T* const channels = to + (group * results_ + b * rows_) * result_size;
          run_block(band, plan_.phases()[f], offsets_[f], weights, image, block, channels,
                    std::min(rows_, results_ - b * rows_));
        }
      }
    }
  }

  // One block of channels, one phase: `channels` points at the first channel's results.
  void run_block(int64_t band, const GatherPhase& phase, const std::vector<int64_t>& offsets, const T* weights,
                 const T* image, T* block, T* channels, int64_t count) const {
    const GatherAxis &outer = plan_.axis(0), &middle = plan_.axis(1), &inner = plan_.axis(2);
    int64_t begin[kSpatialAxes], end[kSpatialAxes];
    for (int k = 0; k < kSpatialAxes; ++k) plan_.range(band, phase, k, &begin[k], &end[k]);
    const int64_t width = end[2] - begin[2], length = plan_.length(2), step = rows_at_once(phase);
    if (width <= 0) return;
    for (int64_t i = begin[0]; i < end[0]; ++i) {
      for (int64_t j = begin[1]; j < end[1]; j += step) {
        const int64_t height = std::min(step, end[1] - j);
        const T* const start = image + ((i - begin[0]) * plan_.length(1) + j - begin[1]) * length;
        loops_.correlate(rows_, start, offsets.data(), static_cast<int64_t>(offsets.size()), weights, block,
                         block_stride_, (height - 1) * length + width);
        const int64_t at0 = phase.first[0] + i * outer.interval, first2 = phase.first[2] + begin[2] * inner.interval;
        for (int64_t r = 0; r < count; ++r) {
          for (int64_t h = 0; h < height; ++h) {
            const int64_t at1 = phase.first[1] + (j + h) * middle.interval;
            T* const row = channels + ((r * outer.result + at0) * middle.result + at1) * inner.result + first2;
            store_row(row, inner.interval, block + r * block_stride_ + h * length, width);
          }
        }
      }
    }
  }

  static void store_row(T* to, int64_t interval, const T* from, int64_t count) {
    if (interval == 1) {
      std::memcpy(to, from, static_cast<size_t>(count) * sizeof(T));
    } else {
      for (int64_t i = 0; i < count; ++i) to[i * interval] = from[i];
    }
  }

  ConvShape shape_;
  bool forward_;
  int64_t results_, sources_;  // channels of one group
  ConvLoops<T> loops_;
  GatherPlan plan_;
  int64_t blocks_ = 0, rows_ = 0, splits_ = 1;  // blocks of rows_ result channels; a band's blocks are cut in splits_
  std::vector<std::vector<int64_t>> offsets_;   // by phase: of every channel and tap
  std::vector<int64_t> packed_;                 // by phase: where its packed weights begin
  int64_t packed_size_ = 0, image_size_ = 0, block_stride_ = 0;
};

}  // namespace

std::unique_ptr<Kernel> make_correlation(const OpDesc& desc, const ConvShape& shape, Gather gather) {
  if (desc.out(0).dtype == CT_FLOAT32) return std::make_unique<CorrelationKernel<float>>(desc, shape, gather);
  return std::make_unique<CorrelationKernel<double>>(desc, shape, gather);
}

}  // namespace cotangent::cpu
