// scatterAdd: y = base; y[o, indices[j], :] += updates[o, j, :], the base seen as [outer, size, inner]. scatterSet: the
// same with = instead of +=, so that the last of equal indices wins. Indices outside are dropped. Every element is
// treated in the order of j by one thread, so the bits do not depend on the number of threads. int32 sums wrap.
#include <algorithm>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/movement/indexed.h"
#include "native/kernels/movement/movement.h"
#include "native/kernels/movement/strided_copy.h"

namespace cotangent::cpu {
namespace {

template <bool adds>
class ScatterKernel : public Kernel {
 public:
  explicit ScatterKernel(const OpDesc& desc) : scatter_(desc, adds), bytes_(byte_count(desc.in(0))) {
    estimated_ns = estimate_ns(traffic(desc));
    in_place[0] = 1;
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    copy_bytes(launch.parallel, launch.out[0], launch.in[0], bytes_);
    if (scatter_.dtype == CT_FLOAT32) {
      scatter<float>(launch);
    } else if (scatter_.dtype == CT_FLOAT64) {
      scatter<double>(launch);
    } else if (scatter_.dtype == CT_BOOL) {
      scatter<uint8_t>(launch);
    } else {
      scatter<uint32_t>(launch);
    }
    return CT_OK;
  }

 private:
  // What one part writes: outer indices, rows of the result and inner columns, each as [begin, end).
  struct Region {
    int64_t outer_begin, outer_end, row_begin, row_end, inner_begin, inner_end;
  };

  template <class T>
  void scatter(const Launch& launch) const {
    constexpr int64_t kGrain = 16384;
    constexpr int64_t kLine = 16;  // columns: parts should not write to the same cache line
    Parallel& parallel = launch.parallel;
    const int64_t work = scatter_.outer * scatter_.picked * scatter_.inner;
    if (work == 0) return;
    // A part of `n` pieces, when all n together do `work` writes.
    const auto grain = [&](int64_t n) { return std::max<int64_t>(1, kGrain * n / work); };
    if (scatter_.outer >= parallel.threads()) {
      parallel.range(scatter_.outer, grain(scatter_.outer), 1, [&](int64_t begin, int64_t end) {
        apply<T>(launch, {begin, end, 0, scatter_.size, 0, scatter_.inner});
      });
    } else if (scatter_.inner >= kLine * parallel.threads()) {
      parallel.range(scatter_.inner, grain(scatter_.inner), kLine, [&](int64_t begin, int64_t end) {
        apply<T>(launch, {0, scatter_.outer, 0, scatter_.size, begin, end});
      });
    } else if (scatter_.inner < kLine) {
      // Sorting the indices into parts would cost more than these few writes.
      apply<T>(launch, {0, scatter_.outer, 0, scatter_.size, 0, scatter_.inner});
    } else {
      // Every part reads all indices and keeps those that fall into its rows.
      parallel.range(scatter_.size, grain(scatter_.size), kLine, [&](int64_t begin, int64_t end) {
        apply<T>(launch, {0, scatter_.outer, begin, end, 0, scatter_.inner});
      });
    }
  }

  template <class T>
  void apply(const Launch& launch, const Region& region) const {
    const int32_t* const indices = static_cast<const int32_t*>(launch.in[1]);
    const T* const updates = static_cast<const T*>(launch.in[2]);
    T* const y = static_cast<T*>(launch.out[0]);
    for (int64_t o = region.outer_begin; o < region.outer_end; ++o) {
      for (int64_t j = 0; j < scatter_.picked; ++j) {
        const int64_t index = indices[j];
        if (index < region.row_begin || index >= region.row_end) continue;
        T* const to = y + (o * scatter_.size + index) * scatter_.inner;
        const T* const from = updates + (o * scatter_.picked + j) * scatter_.inner;
        for (int64_t i = region.inner_begin; i < region.inner_end; ++i) {
          if constexpr (adds) {
            to[i] += from[i];
          } else {
            to[i] = from[i];
          }
        }
      }
    }
  }

  const Scatter scatter_;
  const int64_t bytes_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_scatter_add(const OpDesc& desc) { return std::make_unique<ScatterKernel<true>>(desc); }
std::unique_ptr<Kernel> prepare_scatter_set(const OpDesc& desc) { return std::make_unique<ScatterKernel<false>>(desc); }

}  // namespace cotangent::cpu
