#include "native/kernels/convolution/gather_plan.h"

#include <algorithm>
#include <cstring>

namespace cotangent::cpu {
namespace {

constexpr int64_t kBandBytes = 256 << 10;  // of copied source: it stays in the second cache with the weights

int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b != 0 && a < 0); }

// One row: sources first, first + step, ..., zeros where there is none.
template <class T>
void copy_row(T* to, int64_t length, const T* from, int64_t source, int64_t first, int64_t step) {
  const int64_t begin = std::clamp<int64_t>(-floor_divide(first, step), 0, length);  // first index with source >= 0
  const int64_t end = std::clamp<int64_t>(floor_divide(source - 1 - first, step) + 1, begin, length);
  std::fill(to, to + begin, T(0));
  if (step == 1) {
    if (end > begin) std::memcpy(to + begin, from + first + begin, static_cast<size_t>(end - begin) * sizeof(T));
  } else if (step == 2) {
    for (int64_t j = begin; j < end; ++j) to[j] = from[first + 2 * j];
  } else {
    for (int64_t j = begin; j < end; ++j) to[j] = from[first + step * j];
  }
  std::fill(to + end, to + length, T(0));
}

}  // namespace

GatherPlan::GatherPlan(const ConvShape& shape, Gather gather, int64_t channels, int64_t element, int64_t wanted) {
  for (int k = 0; k < kSpatialAxes; ++k) axis_[k] = GatherAxis(shape.axis[k], gather);
  while (band_axis_ + 1 < kSpatialAxes && axis_[band_axis_].count(0) <= 1) ++band_axis_;
  const int64_t results = axis_[band_axis_].count(0);
  const auto measure = [&] {
    plane_size_ = planes_ = 1;
    for (int k = 0; k < kSpatialAxes; ++k) {
      length_[k] = (k == band_axis_ ? band_ : axis_[k].count(0)) + axis_[k].reach / axis_[k].step;
      plane_size_ *= length_[k];
      planes_ *= static_cast<int64_t>(axis_[k].remainders.size());
    }
    return static_cast<double>(channel_stride()) * static_cast<double>(channels * element);
  };
  band_ = std::max<int64_t>(1, results);
  while (band_ > 1 && (measure() > kBandBytes || (results + band_ - 1) / band_ < std::min(wanted, results)))
    band_ = (band_ + 1) / 2;
  measure();
  bands_ = (results + band_ - 1) / band_;
  make_phases();
}

void GatherPlan::make_phases() {
  const auto &outer = axis_[0], &middle = axis_[1], &inner = axis_[2];
  for (int64_t p0 = 0; p0 < outer.phases; ++p0) {
    for (int64_t p1 = 0; p1 < middle.phases; ++p1) {
      for (int64_t p2 = 0; p2 < inner.phases; ++p2) {
        const int64_t index[kSpatialAxes] = {p0, p1, p2};
        GatherPhase phase;
        for (int k = 0; k < kSpatialAxes; ++k) {
          phase.first[k] = index[k];
          phase.count[k] = axis_[k].count(index[k]);
        }
        for (const auto& t0 : outer.taps[static_cast<size_t>(p0)]) {
          for (const auto& t1 : middle.taps[static_cast<size_t>(p1)]) {
            for (const auto& t2 : inner.taps[static_cast<size_t>(p2)]) {
              const GatherAxis::Tap taps[kSpatialAxes] = {t0, t1, t2};
              int64_t plane = 0, at = 0;
              for (int k = 0; k < kSpatialAxes; ++k) {
                plane = plane * static_cast<int64_t>(axis_[k].remainders.size()) + axis_[k].plane_of(taps[k].offset);
                at = at * length_[k] + (taps[k].offset - axis_[k].lowest) / axis_[k].step;
              }
              phase.offset.push_back(plane * plane_size_ + at);
              phase.kernel.push_back((t0.kernel * middle.kernel + t1.kernel) * inner.kernel + t2.kernel);
            }
          }
        }
        phases_.push_back(std::move(phase));
      }
    }
  }
}

void GatherPlan::range(int64_t band, const GatherPhase& phase, int axis, int64_t* begin, int64_t* end) const {
  *begin = axis == band_axis_ ? std::min(phase.count[axis], band * band_) : 0;
  *end = axis == band_axis_ ? std::min(phase.count[axis], (band + 1) * band_) : phase.count[axis];
}

template <class T>
void GatherPlan::copy(T* to, const T* from, int64_t channels, int64_t band) const {
  const auto &outer = axis_[0], &middle = axis_[1], &inner = axis_[2];
  const auto base = [&](int k) { return axis_[k].lowest + (k == band_axis_ ? band * band_ * axis_[k].step : 0); };
  const int64_t source = outer.source * middle.source * inner.source;
  for (int64_t c = 0; c < channels; ++c, from += source) {
    for (const int64_t r0 : outer.remainders) {
      for (const int64_t r1 : middle.remainders) {
        for (const int64_t r2 : inner.remainders) {
          for (int64_t j0 = 0; j0 < length_[0]; ++j0) {
            const int64_t q0 = base(0) + r0 + outer.step * j0;
            for (int64_t j1 = 0; j1 < length_[1]; ++j1, to += length_[2]) {
              const int64_t q1 = base(1) + r1 + middle.step * j1;
              if (q0 < 0 || q0 >= outer.source || q1 < 0 || q1 >= middle.source) {
                std::fill(to, to + length_[2], T(0));
              } else {
                copy_row(to, length_[2], from + (q0 * middle.source + q1) * inner.source, inner.source, base(2) + r2,
                         inner.step);
              }
            }
          }
        }
      }
    }
  }
}

template void GatherPlan::copy(float*, const float*, int64_t, int64_t) const;
template void GatherPlan::copy(double*, const double*, int64_t, int64_t) const;

}  // namespace cotangent::cpu
