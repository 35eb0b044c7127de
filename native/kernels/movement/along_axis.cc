// takeAlongAxis: y[o, j, i] = x[o, indices[o, j, i], i], the operand seen as [outer, size, inner]; an index outside
// gives NaN (0, false). addAlongAxis: y = base; y[o, indices[o, j, i], i] += updates[o, j, i]; indices outside are
// dropped, every element is summed in the order of j by one thread.
#include <algorithm>
#include <limits>

#include "native/backend/cpu/check.h"
#include "native/kernels/movement/movement.h"
#include "native/kernels/movement/strided_copy.h"

namespace cotangent::cpu {
namespace {

constexpr int64_t kGrain = 16384;  // elements; single ones are fetched at random

struct Extents {
  Extents(const OpDesc& desc, int axis)
      : outer(product(desc.in(0), 0, axis)),
        size(desc.in(0).dims[axis]),
        picked(desc.in(1).dims[axis]),
        inner(product(desc.in(0), axis + 1, desc.in(0).rank)) {}
  int64_t outer, size, picked, inner;
};

class TakeKernel : public Kernel {
 public:
  TakeKernel(const OpDesc& desc, int axis) : extents_(desc, axis), dtype_(desc.in(0).dtype) {
    estimated_ns = estimate_ns(2.0 * traffic(desc));
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    switch (dtype_) {
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
    const auto [outer, size, picked, inner] = extents_;
    const T* const x = static_cast<const T*>(launch.in[0]);
    const int32_t* const indices = static_cast<const int32_t*>(launch.in[1]);
    T* const y = static_cast<T*>(launch.out[0]);
    launch.parallel.range(outer * picked * inner, kGrain, 64,
                          [&, size = size, picked = picked, inner = inner](int64_t begin, int64_t end) {
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

  Extents extents_;
  int32_t dtype_;
};

class AddKernel : public Kernel {
 public:
  AddKernel(const OpDesc& desc, int axis)
      : extents_(desc, axis), bytes_(byte_count(desc.in(0))), dtype_(desc.in(0).dtype) {
    estimated_ns = estimate_ns(2.0 * traffic(desc));
    in_place[0] = 1;
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    copy_bytes(launch.parallel, launch.out[0], launch.in[0], bytes_);
    if (dtype_ == CT_FLOAT32) {
      add<float>(launch);
    } else if (dtype_ == CT_FLOAT64) {
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
    const auto [outer, size, picked, inner] = extents_;
    Parallel& parallel = launch.parallel;
    const int64_t work = outer * picked * inner;
    if (work == 0) return;
    // A part of `n` pieces, when all n together are `work` additions.
    const auto grain = [work = work](int64_t n) { return std::max<int64_t>(1, kGrain * n / work); };
    if (outer >= parallel.threads()) {
      parallel.range(outer, grain(outer), 1, [&, size = size, inner = inner](int64_t begin, int64_t end) {
        add_region<T>(launch, begin, end, 0, size, 0, inner);
      });
    } else if (inner >= kLine * parallel.threads()) {
      parallel.range(inner, grain(inner), kLine, [&, outer = outer, size = size](int64_t begin, int64_t end) {
        add_region<T>(launch, 0, outer, 0, size, begin, end);
      });
    } else {
      // Every part reads all indices and keeps those that fall into its rows.
      parallel.range(size, grain(size), kLine, [&, outer = outer, inner = inner](int64_t begin, int64_t end) {
        add_region<T>(launch, 0, outer, begin, end, 0, inner);
      });
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

  Extents extents_;
  int64_t bytes_;
  int32_t dtype_;
};

// Checks the indices; returns the axis.
int check_indices(const OpDesc& desc) {
  expect_params(desc, 1);
  const ct_type &x = desc.in(0), &indices = desc.in(1);
  const int axis = axis_param(desc, 0, x.rank);
  std::vector<int64_t> wanted = dims(x);
  if (indices.rank == x.rank) wanted[static_cast<size_t>(axis)] = indices.dims[axis];
  expect_type(indices, CT_INT32, wanted, "the indices");
  return axis;
}

}  // namespace

std::unique_ptr<Kernel> prepare_take_along_axis(const OpDesc& desc) {
  desc.expect_operands(2, 1);
  const int axis = check_indices(desc);
  expect_type(desc.out(0), desc.in(0).dtype, dims(desc.in(1)), "the result");
  return std::make_unique<TakeKernel>(desc, axis);
}

std::unique_ptr<Kernel> prepare_add_along_axis(const OpDesc& desc) {
  desc.expect_operands(3, 1);
  const int axis = check_indices(desc);
  const ct_type& base = desc.in(0);
  expect_dtype(base, {CT_FLOAT32, CT_FLOAT64, CT_INT32, CT_UINT32}, "a base");
  expect_type(desc.in(2), base.dtype, dims(desc.in(1)), "the updates");
  expect_type(desc.out(0), base.dtype, dims(base), "the result");
  return std::make_unique<AddKernel>(desc, axis);
}

}  // namespace cotangent::cpu
