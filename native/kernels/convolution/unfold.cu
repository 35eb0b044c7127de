// Kernels that unfold sources into columns, spread products over the results, and pack weights. Each writes every
// element once; reads of neighbouring columns share cache lines.
#include <cstdlib>

#include "native/backend/cuda/device_code.h"
#include "native/backend/cuda/dispatch.h"
#include "native/kernels/convolution/unfold.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kBlock = 256;
constexpr int64_t kRun = 16;  // rows that a thread writes of its column

template <class Index>
struct UnfoldArguments {
  Index source[3], count[3], step[3], offset[3], offset_step[3], taps[3];
  Index columns, positions, position;  // of the chunk, in an image, the first one
  Index rows, runs, channels, source_size, image, image_stride, row_stride;
};

// A thread decodes its column once a run of rows and walks along them by counting.
template <class T, class Index>
__global__ void __launch_bounds__(kBlock)
    unfold_kernel(const T* __restrict__ source, T* __restrict__ columns, UnfoldArguments<Index> p) {
  constexpr Index kRows = static_cast<Index>(kRun);
  for (Index run = static_cast<Index>(blockIdx.y); run < p.runs; run += static_cast<Index>(gridDim.y)) {
    const Index first = run * kRows, row_end = first + kRows < p.rows ? first + kRows : p.rows;
    Index rest = first / p.taps[2];
    const Index tap2 = first - rest * p.taps[2], tap1 = rest % p.taps[1];
    rest /= p.taps[1];
    const Index tap0 = rest % p.taps[0], channel = rest / p.taps[0];
    for (Index column = static_cast<Index>(grid_start()); column < p.columns;
         column += static_cast<Index>(grid_step())) {
      const Index n = column / p.positions, j = column - n * p.positions;
      const Index m = p.position + j, outer = m / p.count[2], m2 = m - outer * p.count[2];
      const Index m0 = outer / p.count[1], m1 = outer - m0 * p.count[1];
      const Index start0 = m0 * p.step[0] + p.offset[0], start1 = m1 * p.step[1] + p.offset[1];
      const Index start2 = m2 * p.step[2] + p.offset[2];
      const T* from = source + ((p.image + n) * p.channels + channel) * p.source_size;
      T* to = columns + n * p.image_stride + first * p.row_stride + j;
      Index t0 = tap0, t1 = tap1, t2 = tap2;
      for (Index row = first; row < row_end; ++row, to += p.row_stride) {
        const Index q0 = start0 + t0 * p.offset_step[0], q1 = start1 + t1 * p.offset_step[1];
        const Index q2 = start2 + t2 * p.offset_step[2];
        const bool inside = q0 >= 0 && q0 < p.source[0] && q1 >= 0 && q1 < p.source[1] && q2 >= 0 && q2 < p.source[2];
        *to = inside ? from[(q0 * p.source[1] + q1) * p.source[2] + q2] : T(0);
        if (++t2 < p.taps[2]) continue;
        t2 = 0;
        if (++t1 < p.taps[1]) continue;
        t1 = 0;
        if (++t0 < p.taps[0]) continue;
        t0 = 0;
        from += p.source_size;
      }
    }
  }
}

template <class Index>
struct SpreadArguments {
  Index result[3], count[3], first[3], interval[3];
  Index columns, positions, position, channels, image, total;
};

template <class T, class Index>
__global__ void __launch_bounds__(kBlock)
    spread_kernel(const T* __restrict__ rows, T* __restrict__ results, SpreadArguments<Index> p) {
  for (Index i = static_cast<Index>(grid_start()); i < p.total; i += static_cast<Index>(grid_step())) {
    const Index channel = i / p.columns, column = i - channel * p.columns;
    const Index n = column / p.positions, m = p.position + column - n * p.positions;
    const Index outer = m / p.count[2], m2 = m - outer * p.count[2];
    const Index m0 = outer / p.count[1], m1 = outer - m0 * p.count[1];
    const Index r0 = p.first[0] + m0 * p.interval[0], r1 = p.first[1] + m1 * p.interval[1];
    const Index r2 = p.first[2] + m2 * p.interval[2];
    const Index plane = (p.image + n) * p.channels + channel;
    results[((plane * p.result[0] + r0) * p.result[1] + r1) * p.result[2] + r2] = rows[i];
  }
}

struct PackArguments {
  int64_t taps[3], kernel[3], kernel_step[3], kernels[3];
  int64_t out_channels, in_channels, total;
  bool transposed, unpack;
};

template <class T>
__global__ void __launch_bounds__(kBlock) pack_kernel(const T* __restrict__ from, T* __restrict__ to, PackArguments p) {
  for (int64_t i = grid_start(); i < p.total; i += grid_step()) {
    int64_t rest = i / p.taps[2];
    const int64_t k2 = p.kernel[2] + (i - rest * p.taps[2]) * p.kernel_step[2];
    const int64_t k1 = p.kernel[1] + rest % p.taps[1] * p.kernel_step[1];
    rest /= p.taps[1];
    const int64_t k0 = p.kernel[0] + rest % p.taps[0] * p.kernel_step[0];
    rest /= p.taps[0];
    const int64_t inner = p.transposed ? p.out_channels : p.in_channels;
    const int64_t second = rest % inner;
    rest /= inner;
    const int64_t outer = p.transposed ? p.in_channels : p.out_channels;
    const int64_t first = rest % outer, group = rest / outer;
    const int64_t out = p.transposed ? second : first, in = p.transposed ? first : second;
    const int64_t pair = (group * p.out_channels + out) * p.in_channels + in;
    const int64_t place = ((pair * p.kernels[0] + k0) * p.kernels[1] + k1) * p.kernels[2] + k2;
    if (p.unpack) {
      to[place] = from[i];
    } else {
      to[i] = from[place];
    }
  }
}

}  // namespace

namespace {

// The largest index, in magnitude, that a kernel computes along an axis.
int64_t reach(const PhaseAxis& axis) {
  return axis.count * axis.step + std::abs(axis.offset) + axis.taps * std::abs(axis.offset_step);
}

}  // namespace

template <class T>
ct_code launch_unfold(Device& device, const Phase& phase, const Chunk& chunk, int64_t channels, const T* source,
                      T* columns, int64_t image_stride, int64_t row_stride, ct_error* error) {
  const int64_t rows = channels * phase.taps(), written = rows * row_stride + chunk.images * image_stride;
  const int64_t largest = std::max({(chunk.image + chunk.images) * channels * phase.sources(), written,
                                    reach(phase.axis[0]), reach(phase.axis[1]), reach(phase.axis[2])});
  return dispatch_index(largest, [&](auto index) {
    using Index = decltype(index);
    UnfoldArguments<Index> p{};
    for (int k = 0; k < kSpatialAxes; ++k) {
      const PhaseAxis& axis = phase.axis[k];
      p.source[k] = static_cast<Index>(axis.source);
      p.count[k] = static_cast<Index>(axis.count);
      p.step[k] = static_cast<Index>(axis.step);
      p.offset[k] = static_cast<Index>(axis.offset);
      p.offset_step[k] = static_cast<Index>(axis.offset_step);
      p.taps[k] = static_cast<Index>(axis.taps);
    }
    p.columns = static_cast<Index>(chunk.columns());
    p.positions = static_cast<Index>(chunk.positions);
    p.position = static_cast<Index>(chunk.position);
    p.rows = static_cast<Index>(rows);
    p.runs = static_cast<Index>((rows + kRun - 1) / kRun);
    p.channels = static_cast<Index>(channels);
    p.source_size = static_cast<Index>(phase.sources());
    p.image = static_cast<Index>(chunk.image);
    p.image_stride = static_cast<Index>(image_stride);
    p.row_stride = static_cast<Index>(row_stride);
    const auto kernel = unfold_kernel<T, Index>;
    constexpr Index kMostRuns = 65535;  // the grid's second dimension
    const dim3 grid(device.grid(kernel, chunk.columns(), kBlock), static_cast<unsigned>(std::min(p.runs, kMostRuns)));
    return check(launch(grid, kBlock, 0, device.stream(), kernel, source, columns, p), error, "unfold");
  });
}

template <class T>
ct_code launch_spread(Device& device, const Phase& phase, const Chunk& chunk, int64_t channels, const T* rows,
                      T* results, ct_error* error) {
  const int64_t total = channels * chunk.columns();
  const int64_t largest = std::max((chunk.image + chunk.images) * channels * phase.results(), total);
  return dispatch_index(largest, [&](auto index) {
    using Index = decltype(index);
    SpreadArguments<Index> p{};
    for (int k = 0; k < kSpatialAxes; ++k) {
      const PhaseAxis& axis = phase.axis[k];
      p.result[k] = static_cast<Index>(axis.result);
      p.count[k] = static_cast<Index>(axis.count);
      p.first[k] = static_cast<Index>(axis.first);
      p.interval[k] = static_cast<Index>(axis.interval);
    }
    p.columns = static_cast<Index>(chunk.columns());
    p.positions = static_cast<Index>(chunk.positions);
    p.position = static_cast<Index>(chunk.position);
    p.channels = static_cast<Index>(channels);
    p.image = static_cast<Index>(chunk.image);
    p.total = static_cast<Index>(total);
    const auto kernel = spread_kernel<T, Index>;
    return check(launch(device.grid(kernel, total, kBlock), kBlock, 0, device.stream(), kernel, rows, results, p),
                 error, "spread");
  });
}

template <class T>
ct_code launch_pack(Device& device, const Phase& phase, const Weights& weights, const T* from, T* to, ct_error* error) {
  PackArguments p{};
  for (int k = 0; k < kSpatialAxes; ++k) {
    const PhaseAxis& axis = phase.axis[k];
    p.taps[k] = axis.taps;
    p.kernel[k] = axis.kernel;
    p.kernel_step[k] = axis.kernel_step;
    p.kernels[k] = axis.kernels;
  }
  p.out_channels = weights.out_channels;
  p.in_channels = weights.in_channels;
  p.total = weights.groups * weights.out_channels * weights.in_channels * phase.taps();
  p.transposed = weights.transposed;
  p.unpack = weights.unpack;
  const auto kernel = pack_kernel<T>;
  return check(launch(device.grid(kernel, p.total, kBlock), kBlock, 0, device.stream(), kernel, from, to, p), error,
               "pack");
}

#define COTANGENT_UNFOLD_TYPE(T)                                                                               \
  template ct_code launch_unfold(Device&, const Phase&, const Chunk&, int64_t, const T*, T*, int64_t, int64_t, \
                                 ct_error*);                                                                   \
  template ct_code launch_spread(Device&, const Phase&, const Chunk&, int64_t, const T*, T*, ct_error*);       \
  template ct_code launch_pack(Device&, const Phase&, const Weights&, const T*, T*, ct_error*);
COTANGENT_UNFOLD_TYPE(float)
COTANGENT_UNFOLD_TYPE(double)
#undef COTANGENT_UNFOLD_TYPE

}  // namespace cotangent::cuda
