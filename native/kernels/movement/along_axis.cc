// takeAlongAxis: y[o, j, i] = x[o, indices[o, j, i], i], the operand seen as [outer, size, inner]; an index outside
// gives NaN (0, false). addAlongAxis: y = base; y[o, indices[o, j, i], i] += updates[o, j, i]; indices outside are
// dropped, every element is summed in the order of j by one thread.
#include <algorithm>
#include <limits>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/movement/indexed.h"
#include "native/kernels/movement/movement.h"
#include "native/kernels/movement/strided_copy.h"

namespace cotangent::cpu {
namespace {

constexpr int64_t kGrain = 16384;  // elements; single ones are fetched at random

class TakeKernel : public Kernel {
 public:
  explicit TakeKernel(const OpDesc& desc) : extents_(desc) { estimated_ns = estimate_ns(2.0 * traffic(desc)); }

  ct_code run(const Launch& launch, ct_error*) const override {
    switch (extents_.dtype) {
      case CT_FLOAT32:
        take(launch, std::numeric_limits<float>::quiet_NaN());
        break;
      case CT_FLOAT64:
        take(launch, std::numeric_limits<double>::quiet_NaN());
        break;
      case CT_BOOL:
        take(launch, uint8_t{0});
        break;
      default:
        take(launch, uint32_t{0});
    }
    return CT_OK;
  }

 private:
  template <class T>
  void take(const Launch& launch, T missing) const {
    const int64_t outer = extents_.outer, size = extents_.size, picked = extents_.picked, inner = extents_.inner;
    const T* const x = static_cast<const T*>(launch.in[0]);
    const int32_t* const indices = static_cast<const int32_t*>(launch.in[1]);
    T* const y = static_cast<T*>(launch.out[0]);
    launch.parallel.range(outer * picked * inner, kGrain, 64, [&](int64_t begin, int64_t end) {
      int64_t row = begin / inner, first = begin % inner;  // a row is one place along the axis
      for (int64_t done = begin; done < end; ++row) {
        const int64_t run = std::min(inner - first, end - done);
        const T* const from = x + row / picked * size * inner + first;
        for (int64_t i = 0; i < run; ++i) {
          const int64_t index = indices[done + i];
          y[done + i] = index < 0 || index >= size ? missing : from[index * inner + i];
        }
        done += run;
        first = 0;
      }
    });
  }

  const TakeAlong extents_;
};

class AddKernel : public Kernel {
 public:
  explicit AddKernel(const OpDesc& desc) : extents_(desc), bytes_(byte_count(desc.in(0))) {
    estimated_ns = estimate_ns(2.0 * traffic(desc));
    in_place[0] = 1;
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    copy_bytes(launch.parallel, launch.out[0], launch.in[0], bytes_);
    if (extents_.dtype == CT_FLOAT32) {
      add<float>(launch);
    } else if (extents_.dtype == CT_FLOAT64) {
      add<double>(launch);
    } else {
      add<uint32_t>(launch);
    }
    return CT_OK;
  }

 private:
  template <class T>
  void add(const Launch& launch) const {
    constexpr int64_t kLine = 16;  // columns: parts should not write to the same cache line
    const int64_t outer = extents_.outer, size = extents_.size, picked = extents_.picked, inner = extents_.inner;
    Parallel& parallel = launch.parallel;
    const int64_t work = outer * picked * inner;
    if (work == 0) return;
    // A part of `n` pieces, when all n together are `work` additions.
    const auto grain = [&](int64_t n) { return std::max<int64_t>(1, kGrain * n / work); };
    if (outer >= parallel.threads()) {
      parallel.range(outer, grain(outer), 1,
                     [&](int64_t begin, int64_t end) { add_region<T>(launch, begin, end, 0, size, 0, inner); });
    } else if (inner >= kLine * parallel.threads()) {
      parallel.range(inner, grain(inner), kLine,
                     [&](int64_t begin, int64_t end) { add_region<T>(launch, 0, outer, 0, size, begin, end); });
    } else {
      // Every part reads all indices and keeps those that fall into its rows.
      parallel.range(size, grain(size), kLine,
                     [&](int64_t begin, int64_t end) { add_region<T>(launch, 0, outer, begin, end, 0, inner); });
    }
  }

  template <class T>
  void add_region(const Launch& launch, int64_t outer_begin, int64_t outer_end, int64_t row_begin, int64_t row_end,
                  int64_t inner_begin, int64_t inner_end) const {
    const int64_t size = extents_.size, picked = extents_.picked, inner = extents_.inner;
    const int32_t* const indices = static_cast<const int32_t*>(launch.in[1]);
    const T* const updates = static_cast<const T*>(launch.in[2]);
    T* const y = static_cast<T*>(launch.out[0]);
    for (int64_t o = outer_begin; o < outer_end; ++o) {
      for (int64_t j = 0; j < picked; ++j) {
        const int64_t row = (o * picked + j) * inner;
        for (int64_t i = inner_begin; i < inner_end; ++i) {
          const int64_t index = indices[row + i];
          if (index >= row_begin && index < row_end) y[(o * size + index) * inner + i] += updates[row + i];
        }
      }
    }
  }

  const AddAlong extents_;
  const int64_t bytes_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_take_along_axis(const OpDesc& desc) { return std::make_unique<TakeKernel>(desc); }
std::unique_ptr<Kernel> prepare_add_along_axis(const OpDesc& desc) { return std::make_unique<AddKernel>(desc); }

}  // namespace cotangent::cpu
