// The copy that results of a convolution are read from. The source is copied into planes, one for each remainder of a
// source's index modulo the axis's step (GatherAxis), framed with zeros, and then a tap is an offset into the copy, the
// same for every result of a phase. Nothing is stuffed with zeros but the frame, and no product with a stuffed zero is
// computed.
#ifndef COTANGENT_KERNELS_CONVOLUTION_GATHER_PLAN_H
#define COTANGENT_KERNELS_CONVOLUTION_GATHER_PLAN_H

#include "native/kernels/convolution/conv_loops.h"
#include "native/kernels/convolution/convolution.h"

namespace cotangent::cpu {

// The results of one phase on each axis, and their taps as offsets into a copied channel.
struct GatherPhase {
  int64_t first[kSpatialAxes], count[kSpatialAxes];
  std::vector<int64_t> kernel, offset;  // by tap: position in the kernel, offset in the channel's copy
};

// A band of results and the copy of what it reads: the results are cut along one axis, so that the copy fits the cache.
class GatherPlan {
 public:
  // `channels` are copied together, `element` bytes each; at least `wanted` bands, where there are so many results.
  GatherPlan(const ConvShape& shape, Gather gather, int64_t channels, int64_t element, int64_t wanted);

  int64_t bands() const { return bands_; }
  int64_t channel_stride() const { return plane_size_ * planes_; }  // of the copy, in elements
  int64_t length(int axis) const { return length_[axis]; }          // of a plane
  const GatherAxis& axis(int k) const { return axis_[k]; }
  const std::vector<GatherPhase>& phases() const { return phases_; }

  // Results [begin, end) of a phase along `axis` that belong to `band`.
  void range(int64_t band, const GatherPhase& phase, int axis, int64_t* begin, int64_t* end) const;

  // Copies what `band` reads of `channels` successive channels.
  template <class T>
  void copy(T* to, const T* from, int64_t channels, int64_t band) const;

 private:
  void make_phases();

  GatherAxis axis_[kSpatialAxes];
  int band_axis_ = 0;
  int64_t band_ = 1, bands_ = 1;
  int64_t length_[kSpatialAxes], plane_size_ = 1, planes_ = 1;
  std::vector<GatherPhase> phases_;
};

template <class T>
ConvLoops<T> conv_loops() {
  if constexpr (sizeof(T) == 4) {
    return COTANGENT_SIMD_DISPATCH(conv_loops_float32)();
  } else {
    return COTANGENT_SIMD_DISPATCH(conv_loops_float64)();
  }
}

inline int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t round_up(int64_t a, int64_t b) { return ceil_divide(a, b) * b; }

}  // namespace cotangent::cpu

#endif
