// convWeightGradient: for each tap the sum, over images and positions, of an element of x times the vector of y over
// the output channels. x is copied as for conv (gather_plan.h), y is transposed so that channels are the inner axis,
// and a block of taps times channels stays in registers over all positions of a band.
//
// Images and bands are cut over threads that sum into buffers of their own, added up in a fixed order; where groups and
// input channels are many, or the weights large, the channels are cut instead. The cut, and so the bits, depend on the
// thread setting, never on who runs the parts.
#include <algorithm>
#include <cstring>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/convolution/gather_plan.h"
#include "native/kernels/movement/transpose_tile.h"

namespace cotangent::cpu {
namespace {

constexpr int64_t kPrivateBytes = 64 << 20;  // of buffers that threads sum into, all together
constexpr int64_t kBands = 8;                // at least, for a single image
constexpr int64_t kLine = 16;                // elements: parts of the workspace do not share cache lines

template <class T>
class WeightGradientKernel : public Kernel {
 public:
  WeightGradientKernel(const OpDesc& desc, const ConvShape& shape)
      : shape_(shape),
        loops_(conv_loops<T>()),
        plan_(shape, Gather::kOutputFromInput, shape.in_channels, sizeof(T),
              std::max<int64_t>(1, kBands / std::max<int64_t>(1, shape.batch))),
        width_(round_up(shape.out_channels, loops_.lanes)) {
    const double scale = sizeof(T) == 4 ? 1 : 2;
    estimated_ns = estimate_ns(traffic(desc), scale * shape.flops());
    int64_t positions = 0, taps = 0;
    for (const GatherPhase& phase : plan_.phases()) {
      first_tap_.push_back(taps);
      taps += static_cast<int64_t>(phase.offset.size());
      std::vector<int64_t> offsets;
      for (int64_t c = 0; c < shape.in_channels; ++c) {
        for (const int64_t offset : phase.offset) offsets.push_back(c * plan_.channel_stride() + offset);
      }
      offsets_.push_back(std::move(offsets));
      int64_t most = 1;
      for (int k = 0; k < kSpatialAxes; ++k) {
        int64_t begin, end;
        plan_.range(0, phase, k, &begin, &end);
        most *= end - begin;
      }
      positions = std::max(positions, most);
    }
    taps_ = taps;
    image_size_ = round_up(shape.in_channels * plan_.channel_stride() + kConvSlack, kLine);
    y_size_ = round_up(positions * width_, kLine);
    sums_size_ = round_up(shape.groups * shape.in_channels * taps_ * width_, kLine);
  }

  uint64_t workspace_bytes(int threads) const override {
    const int64_t buffers = by_items(threads) ? parts(threads) : 1;
    return static_cast<uint64_t>(buffers * sums_size_ + parts(threads) * (image_size_ + y_size_)) * sizeof(T);
  }

  int pieces(int threads) const override {
    return pieces_by_time(threads, by_items(threads) ? items() / parts(threads) : items());
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    if (shape_.weights() == 0) return CT_OK;
    const int threads = launch.parallel.threads(), count = parts(threads), pieces = this->pieces(threads);
    const bool shared = !by_items(threads);
    const int64_t buffers = shared ? 1 : count, channels = shape_.groups * shape_.in_channels;
    T* const sums = static_cast<T*>(launch.workspace);
    const Piece piece(items(), launch.piece, pieces);
    launch.parallel.parts(count, [&](int part) {
      const auto cut = [&](int64_t n, int64_t p) { return n * p / count; };
      T* const own = sums + (shared ? 0 : part * sums_size_);
      const int64_t begin = shared ? cut(channels, part) : 0, end = shared ? cut(channels, part + 1) : channels;
      T* const image = sums + buffers * sums_size_ + part * (image_size_ + y_size_);
      if (launch.piece == 0) {
        clear(own, begin, end);
        std::fill(image + image_size_, image + image_size_ + y_size_,
                  T(0));  // channels that are there for whole vectors
      }
      const int64_t first = piece.begin + (shared ? 0 : cut(piece.length(), part));
      const int64_t last = piece.begin + (shared ? piece.length() : cut(piece.length(), part + 1));
      each_group(begin, end, [&](int64_t group, int64_t from, int64_t to) {
        for (int64_t item = first; item < last; ++item) add_item(launch, item, group, from, to, image, own);
      });
    });
    if (launch.piece == pieces - 1) finish(launch.parallel, sums, buffers, static_cast<T*>(launch.out[0]));
    return CT_OK;
  }

 private:
  int64_t items() const { return shape_.batch * plan_.bands(); }

  // Whether images and bands are cut over the threads, rather than groups and channels.
  bool by_items(int threads) const {
    const int64_t bytes = sums_size_ * static_cast<int64_t>(sizeof(T));
    return shape_.groups < threads && items() >= threads && bytes <= kPrivateBytes / threads;
  }

  int parts(int threads) const {
    const int64_t most = by_items(threads) ? items() : shape_.groups * shape_.in_channels;
    const double worth = std::max(1.0, shape_.flops() / kPartFlops);
    return static_cast<int>(std::max<int64_t>(1, std::min<int64_t>({threads, most, static_cast<int64_t>(worth)})));
  }

  // Rows of sums of one buffer: [group, phase, input channel, tap], each of width_ output channels.
  int64_t row_of(int64_t group, size_t phase, int64_t channel) const {
    const int64_t taps = static_cast<int64_t>(plan_.phases()[phase].offset.size());
    return (group * taps_ + first_tap_[phase]) * shape_.in_channels + channel * taps;
  }

  // f(group, first, last) for the input channels of the range [begin, end) over all groups.
  template <class F>
  void each_group(int64_t begin, int64_t end, F&& f) const {
    const int64_t channels = shape_.in_channels;
    for (int64_t group = begin / channels; group * channels < end; ++group)
      f(group, std::max<int64_t>(0, begin - group * channels), std::min(channels, end - group * channels));
  }

  void clear(T* sums, int64_t begin, int64_t end) const {
    each_group(begin, end, [&](int64_t group, int64_t first, int64_t last) {
      for (size_t f = 0; f < offsets_.size(); ++f)
        std::fill(sums + row_of(group, f, first) * width_, sums + row_of(group, f, last) * width_, T(0));
    });
  }

  // Adds what one band of one image contributes to the input channels [begin, end) of a group.
  void add_item(const Launch& launch, int64_t item, int64_t group, int64_t begin, int64_t end, T* image,
                T* sums) const {
    const int64_t band = item % plan_.bands(), n = item / plan_.bands();
    const int64_t in_size = shape_.input_size(), first = (n * shape_.groups + group) * shape_.out_channels;
    const T* const x =
        static_cast<const T*>(launch.in[0]) + ((n * shape_.groups + group) * shape_.in_channels + begin) * in_size;
    const T* const y = static_cast<const T*>(launch.in[1]) + first * shape_.output_size();
    T* const turned = image + image_size_;
    plan_.copy(image, x, end - begin, band);
    for (size_t f = 0; f < offsets_.size(); ++f) {
      ConvRows rows{{}, {plan_.length(1) * plan_.length(2), plan_.length(2)}};
      const int64_t total = (end - begin) * static_cast<int64_t>(plan_.phases()[f].offset.size());
      if (total == 0 || !turn(turned, y, band, plan_.phases()[f], &rows)) continue;
      for (int64_t v = 0; v < width_; v += 2 * loops_.lanes) {
        const int64_t vectors = std::min<int64_t>(2, (width_ - v) / loops_.lanes);
        const int64_t blocks = ceil_divide(total, loops_.taps[vectors]);
        for (int64_t b = 0; b < blocks; ++b) {
          const int64_t t = total * b / blocks, taps = total * (b + 1) / blocks - t;
          loops_.weigh(taps, vectors, image, offsets_[f].data() + t, rows, turned + v, width_,
                       sums + (row_of(group, f, begin) + t) * width_ + v, width_);
        }
      }
    }
  }

  // The results of a phase that belong to a band, channels innermost: [positions, width_]. False when there are none.
  bool turn(T* to, const T* y, int64_t band, const GatherPhase& phase, ConvRows* rows) const {
    int64_t begin[kSpatialAxes], end[kSpatialAxes];
    for (int k = 0; k < kSpatialAxes; ++k) {
      plan_.range(band, phase, k, &begin[k], &end[k]);
      rows->count[k] = end[k] - begin[k];
      if (rows->count[k] <= 0) return false;
    }
    const int64_t size = shape_.output_size(), channels = shape_.out_channels;
    const auto at = [&](int k, int64_t m) { return phase.first[k] + m * plan_.axis(k).interval; };
    const int64_t interval = plan_.axis(2).interval;
    const bool whole_rows = interval == 1 && rows->count[2] == plan_.axis(2).result && plan_.axis(1).interval == 1;
    const int64_t together = whole_rows ? rows->count[1] : 1;  // rows that lie behind each other
    for (int64_t i = begin[0]; i < end[0]; ++i) {
      for (int64_t j = begin[1]; j < end[1]; j += together) {
        const int64_t count = together * rows->count[2];
        const T* const from = y + (at(0, i) * plan_.axis(1).result + at(1, j)) * plan_.axis(2).result + at(2, begin[2]);
        if (interval == 1) {
          transpose_tile(to, width_, from, size, channels, count);
        } else {
          for (int64_t o = 0; o < channels; ++o) {
            for (int64_t p = 0; p < count; ++p) to[p * width_ + o] = from[o * size + p * interval];
          }
        }
        to += count * width_;
      }
    }
    return true;
  }

  // The sums of all buffers, in the order of the weights.
  void finish(Parallel& parallel, const T* sums, int64_t buffers, T* w) const {
    const int64_t size = shape_.kernel_size(), channels = shape_.groups * shape_.in_channels;
    if (taps_ < size) std::fill(w, w + shape_.weights(), T(0));  // positions of the kernel that meet nothing
    const int64_t grain = std::max<int64_t>(1, 16384 * channels / std::max<int64_t>(1, shape_.weights() * buffers));
    parallel.range(channels, grain, 1, [&](int64_t begin, int64_t end) {
      each_group(begin, end, [&](int64_t group, int64_t first, int64_t last) {
        for (size_t f = 0; f < offsets_.size(); ++f) {
          const std::vector<int64_t>& kernel = plan_.phases()[f].kernel;
          const T* row = sums + row_of(group, f, first) * width_;
          for (int64_t c = first; c < last; ++c) {
            for (const int64_t k : kernel) {
              for (int64_t o = 0; o < shape_.out_channels; ++o) {
                T sum = row[o];
                for (int64_t b = 1; b < buffers; ++b) sum += row[b * sums_size_ + o];
                w[((group * shape_.out_channels + o) * shape_.in_channels + c) * size + k] = sum;
              }
              row += width_;
            }
          }
        }
      });
    });
  }

  ConvShape shape_;
  ConvLoops<T> loops_;
  GatherPlan plan_;
  int64_t width_;                              // output channels, in whole vectors
  int64_t taps_ = 0;                           // of all phases
  std::vector<int64_t> first_tap_;             // by phase
  std::vector<std::vector<int64_t>> offsets_;  // by phase: of every channel and tap
  int64_t image_size_ = 0, y_size_ = 0, sums_size_ = 0;
};

}  // namespace

std::unique_ptr<Kernel> make_weight_gradient(const OpDesc& desc, const ConvShape& shape) {
  if (desc.out(0).dtype == CT_FLOAT32) return std::make_unique<WeightGradientKernel<float>>(desc, shape);
  return std::make_unique<WeightGradientKernel<double>>(desc, shape);
}

}  // namespace cotangent::cpu
