#include <limits>

#include "native/kernels/convolution/unfold.h"

namespace cotangent::cuda {
namespace {

PhaseAxis phase_axis(const GatherAxis& axis, int64_t phase) {
  const std::vector<GatherAxis::Tap>& taps = axis.taps[static_cast<size_t>(phase)];
  PhaseAxis made{};
  made.result = axis.result;
  made.source = axis.source;
  made.first = phase;
  made.interval = axis.interval;
  made.count = axis.count(phase);
  made.step = axis.step;
  made.taps = static_cast<int64_t>(taps.size());
  made.kernels = axis.kernel;
  made.kernel_step = 1;
  if (made.taps > 0) {
    made.offset = taps[0].offset;
    made.kernel = taps[0].kernel;
  }
  if (made.taps > 1) {
    made.offset_step = taps[1].offset - taps[0].offset;
    made.kernel_step = taps[1].kernel - taps[0].kernel;
  }
  return made;
}

}  // namespace

bool Phase::identity() const {
  bool same = whole();
  for (const PhaseAxis& one : axis) {
    same = same && one.taps == 1 && one.offset == 0 && one.source == one.count && (one.step == 1 || one.count == 1);
  }
  return same;
}

Phase Phase::of_results() const {
  Phase made = *this;
  for (PhaseAxis& one : made.axis) {
    one.source = one.result;
    one.step = one.interval;
    one.offset = one.first;
    one.offset_step = 0;
    one.taps = 1;
  }
  return made;
}

std::vector<Phase> make_phases(const ConvShape& shape, Gather gather) {
  GatherAxis axis[kSpatialAxes];
  for (int k = 0; k < kSpatialAxes; ++k) axis[k] = GatherAxis(shape.axis[k], gather);
  std::vector<Phase> phases;
  for (int64_t p0 = 0; p0 < axis[0].phases; ++p0) {
    for (int64_t p1 = 0; p1 < axis[1].phases; ++p1) {
      for (int64_t p2 = 0; p2 < axis[2].phases; ++p2) {
        phases.push_back({{phase_axis(axis[0], p0), phase_axis(axis[1], p1), phase_axis(axis[2], p2)}});
      }
    }
  }
  return phases;
}

Chunk largest_chunk(const Phase& phase, int64_t images, int64_t rows, int64_t element) {
  const int64_t positions = std::max<int64_t>(1, phase.count()), bytes = std::max<int64_t>(1, rows) * element;
  const int64_t columns = std::clamp<int64_t>(kColumnBytes / bytes, 1, std::numeric_limits<int32_t>::max());
  if (positions <= columns)
    return {0, std::clamp<int64_t>(columns / positions, 1, std::max<int64_t>(1, images)), 0, positions};
  return {0, 1, 0, columns > 32 ? columns / 32 * 32 : columns};
}

}  // namespace cotangent::cuda
