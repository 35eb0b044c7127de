// A convolution as products of matrices, one for each phase of results (conv_shape.h): what the results of a phase
// read is unfolded into columns, [group, source channel, tap] x [image, position], so that no product with a stuffed
// zero is computed; only what lies outside the source is 0. Columns come in chunks, so that they take a bounded
// workspace.
#ifndef COTANGENT_KERNELS_CONVOLUTION_UNFOLD_H
#define COTANGENT_KERNELS_CONVOLUTION_UNFOLD_H

#include "native/backend/cuda/device.h"
#include "native/kernels/convolution/conv_shape.h"

namespace cotangent::cuda {

// Of unfolded columns at once. Emulated, so few that tests see images cut.
#if defined(COTANGENT_CUDA_EMULATED)
constexpr int64_t kColumnBytes = 16 << 10;
#else
constexpr int64_t kColumnBytes = int64_t{128} << 20;
#endif

// The results first + m interval, m < count, of one axis: they read sources m step + offset + t offset_step, t < taps,
// through elements kernel + t kernel_step of the kernel.
struct PhaseAxis {
  int64_t result, source;  // lengths
  int64_t first, interval, count;
  int64_t step, offset, offset_step;
  int64_t taps, kernel, kernel_step, kernels;
};

struct Phase {
  PhaseAxis axis[kSpatialAxes];

  int64_t count() const { return axis[0].count * axis[1].count * axis[2].count; }
  int64_t taps() const { return axis[0].taps * axis[1].taps * axis[2].taps; }
  int64_t kernels() const { return axis[0].kernels * axis[1].kernels * axis[2].kernels; }
  int64_t results() const { return axis[0].result * axis[1].result * axis[2].result; }
  int64_t sources() const { return axis[0].source * axis[1].source * axis[2].source; }
  // Whether the phase holds all results, and the kernel's elements in their order.
  bool whole() const { return count() == results(); }
  bool all_taps() const { return taps() == kernels(); }
  // Whether every result reads one source, the one at its own place.
  bool identity() const;
  // The phase's results, seen as what is gathered: turns y into columns of its own.
  Phase of_results() const;
};

std::vector<Phase> make_phases(const ConvShape& shape, Gather gather);

// Images [image, image + images) and of each the positions [position, position + positions).
struct Chunk {
  int64_t image, images, position, positions;
  int64_t columns() const { return images * positions; }
};

// The most columns of `rows` elements each that fit kColumnBytes: whole images, or a part of one.
Chunk largest_chunk(const Phase& phase, int64_t images, int64_t rows, int64_t element);

// f(chunk) for chunks no larger than `largest` that cover all images and positions, in order; stops at a failure.
template <class F>
ct_code each_chunk(const Phase& phase, int64_t images, const Chunk& largest, F&& f) {
  const int64_t positions = phase.count();
  for (int64_t n = 0; n < images; n += largest.images) {
    for (int64_t m = 0; m < positions; m += largest.positions) {
      const Chunk chunk{n, std::min(largest.images, images - n), m, std::min(largest.positions, positions - m)};
      if (const ct_code code = f(chunk); code != CT_OK) return code;
    }
  }
  return CT_OK;
}

// columns[image * image_stride + (channel * taps + tap) * row_stride + position] from source [images, channels, ..].
template <class T>
ct_code launch_unfold(Device& device, const Phase& phase, const Chunk& chunk, int64_t channels, const T* source,
                      T* columns, int64_t image_stride, int64_t row_stride, ct_error* error);

// results [images, channels, ..] at the phase's places from rows [channels, chunk's columns].
template <class T>
ct_code launch_spread(Device& device, const Phase& phase, const Chunk& chunk, int64_t channels, const T* rows,
                      T* results, ct_error* error);

// Weights [groups, out, in, kernel] and the phase's part of them as the left factor: [groups, out, in, taps], or with
// `transposed` [groups, in, out, taps]. Packs, or with `unpack` writes the packed ones (not transposed) to their
// places.
struct Weights {
  int64_t groups, out_channels, in_channels;
  bool transposed, unpack;
};
template <class T>
ct_code launch_pack(Device& device, const Phase& phase, const Weights& weights, const T* from, T* to, ct_error* error);

}  // namespace cotangent::cuda

#endif
