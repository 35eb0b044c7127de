#ifndef COTANGENT_KERNELS_CUMULATIVE_CUMULATIVE_H
#define COTANGENT_KERNELS_CUMULATIVE_CUMULATIVE_H

#include <algorithm>
#include <memory>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/cumulative/cumulative_loops.h"

namespace cotangent::cpu {

// [outer, size, inner], cut into items that are walked alone: lines, or tiles of columns.
struct LineTiles {
  int64_t outer, inner;

  // Columns of a tile: whole cache lines, and enough tiles for some threads.
  int64_t width() const {
    return std::min<int64_t>(std::max<int64_t>(inner, 1),
                             std::clamp<int64_t>(inner / 8 / 16 * 16, 16, kCumulativeWidth));
  }
  int64_t count() const { return (inner + width() - 1) / width(); }
  int64_t items() const { return inner == 1 ? outer : outer * count(); }
};

std::unique_ptr<Kernel> prepare_linear_recurrence(const OpDesc& desc);

}  // namespace cotangent::cpu

#endif
