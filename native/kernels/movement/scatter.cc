// scatterAdd: y = base; y[o, indices[j], :] += updates[o, j, :], the base seen as [outer, size, inner]. scatterSet: the
// same with = instead of +=, so that the last of equal indices wins. Indices outside are dropped. Every element is
// treated in the order of j by one thread, so the bits do not depend on the number of threads. int32 sums wrap.
#include <algorithm>

#include "native/backend/cpu/check.h"
#include "native/kernels/movement/movement.h"
#include "native/kernels/movement/strided_copy.h"

namespace cotangent::cpu {
namespace {

template <bool adds>
class ScatterKernel : public Kernel {
 public:
  ScatterKernel(const OpDesc& desc, int axis)
      : outer_(product(desc.in(0), 0, axis)),
        size_(desc.in(0).dims[axis]),
        inner_(product(desc.in(0), axis + 1, desc.in(0).rank)),
        updates_(element_count(desc.in(1))),
        bytes_(byte_count(desc.in(0))),
        dtype_(desc.in(0).dtype) {
    estimated_ns = estimate_ns(traffic(desc));
    in_place[0] = 1;
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    copy_bytes(launch.parallel, launch.out[0], launch.in[0], bytes_);
    if (dtype_ == CT_FLOAT32) {
      scatter<float>(launch);
    } else if (dtype_ == CT_FLOAT64) {
      scatter<double>(launch);
    } else if (dtype_ == CT_BOOL) {
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
    const int64_t work = outer_ * updates_ * inner_;
    if (work == 0) return;
    // A part of `n` pieces, when all n together do `work` writes.
    const auto grain = [&](int64_t n) { return std::max<int64_t>(1, kGrain * n / work); };
    if (outer_ >= parallel.threads()) {
      parallel.range(outer_, grain(outer_), 1,
                     [&](int64_t begin, int64_t end) { apply<T>(launch, {begin, end, 0, size_, 0, inner_}); });
    } else if (inner_ >= kLine * parallel.threads()) {
      parallel.range(inner_, grain(inner_), kLine,
                     [&](int64_t begin, int64_t end) { apply<T>(launch, {0, outer_, 0, size_, begin, end}); });
    } else if (inner_ < kLine) {
      // Sorting the indices into parts would cost more than these few writes.
      apply<T>(launch, {0, outer_, 0, size_, 0, inner_});
    } else {
      // Every part reads all indices and keeps those that fall into its rows.
      parallel.range(size_, grain(size_), kLine,
                     [&](int64_t begin, int64_t end) { apply<T>(launch, {0, outer_, begin, end, 0, inner_}); });
    }
  }

  template <class T>
  void apply(const Launch& launch, const Region& region) const {
    const int32_t* const indices = static_cast<const int32_t*>(launch.in[1]);
    const T* const updates = static_cast<const T*>(launch.in[2]);
    T* const y = static_cast<T*>(launch.out[0]);
    for (int64_t o = region.outer_begin; o < region.outer_end; ++o) {
      for (int64_t j = 0; j < updates_; ++j) {
        const int64_t index = indices[j];
        if (index < region.row_begin || index >= region.row_end) continue;
        T* const to = y + (o * size_ + index) * inner_;
        const T* const from = updates + (o * updates_ + j) * inner_;
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

  int64_t outer_, size_, inner_, updates_, bytes_;
  int32_t dtype_;
};

template <bool adds>
std::unique_ptr<Kernel> prepare(const OpDesc& desc) {
  desc.expect_operands(3, 1);
  expect_params(desc, 1);
  const ct_type &base = desc.in(0), &indices = desc.in(1);
  const int axis = axis_param(desc, 0, base.rank);
  if (adds) expect_dtype(base, {CT_FLOAT32, CT_FLOAT64, CT_INT32, CT_UINT32}, "a base");
  expect_dtype(indices, {CT_INT32}, "indices");
  std::vector<int64_t> wanted(base.dims, base.dims + axis);
  wanted.insert(wanted.end(), indices.dims, indices.dims + indices.rank);
  wanted.insert(wanted.end(), base.dims + axis + 1, base.dims + base.rank);
  expect_type(desc.in(2), base.dtype, wanted, "the updates");
  expect_type(desc.out(0), base.dtype, dims(base), "the result");
  return std::make_unique<ScatterKernel<adds>>(desc, axis);
}

}  // namespace

std::unique_ptr<Kernel> prepare_scatter_add(const OpDesc& desc) { return prepare<true>(desc); }
std::unique_ptr<Kernel> prepare_scatter_set(const OpDesc& desc) { return prepare<false>(desc); }

}  // namespace cotangent::cpu
