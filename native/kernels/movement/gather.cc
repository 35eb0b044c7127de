// gather: y[o, j, :] = x[o, indices[j], :], the operand seen as [outer, size, inner]. An index outside gives NaN (0,
// false).
#include <algorithm>
#include <cstring>
#include <limits>

#include "native/backend/cpu/check.h"
#include "native/kernels/movement/movement.h"

namespace cotangent::cpu {
namespace {

class GatherKernel : public Kernel {
 public:
  GatherKernel(const OpDesc& desc, int axis)
      : size_(desc.in(0).dims[axis]),
        inner_(product(desc.in(0), axis + 1, desc.in(0).rank)),
        picked_(element_count(desc.in(1))),
        count_(element_count(desc.out(0))),
        dtype_(desc.in(0).dtype) {
    estimated_ns = estimate_ns(2.0 * static_cast<double>(byte_count(desc.out(0)) + byte_count(desc.in(1))));
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    switch (dtype_) {
      case CT_FLOAT32:
        gather(launch, std::numeric_limits<float>::quiet_NaN());
        break;
      case CT_FLOAT64:
        gather(launch, std::numeric_limits<double>::quiet_NaN());
        break;
      case CT_BOOL:
        gather(launch, uint8_t{0});
        break;
      default:
        gather(launch, uint32_t{0});
    }
    return CT_OK;
  }

 private:
  template <class T>
  void gather(const Launch& launch, T missing) const {
    constexpr int64_t kGrain = 16384;  // elements; single ones are fetched at random
    const T* const x = static_cast<const T*>(launch.in[0]);
    const int32_t* const indices = static_cast<const int32_t*>(launch.in[1]);
    T* const y = static_cast<T*>(launch.out[0]);
    launch.parallel.range(count_, kGrain, 64, [&](int64_t begin, int64_t end) {
      int64_t row = begin / inner_, first = begin % inner_;  // a row is one picked index
      int64_t outer = row / picked_, j = row % picked_;
      for (int64_t done = begin; done < end;) {
        const int64_t run = std::min(inner_ - first, end - done), index = indices[j];
        if (index < 0 || index >= size_) {
          std::fill_n(y + done, run, missing);
        } else {
          const T* const from = x + (outer * size_ + index) * inner_ + first;
          if (run == 1) {
            y[done] = *from;
          } else {
            std::memcpy(y + done, from, static_cast<size_t>(run) * sizeof(T));
          }
        }
        done += run;
        first = 0;
        if (++j == picked_) {
          j = 0;
          ++outer;
        }
      }
    });
  }

  int64_t size_, inner_, picked_, count_;
  int32_t dtype_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_gather(const OpDesc& desc) {
  desc.expect_operands(2, 1);
  expect_params(desc, 1);
  const ct_type &x = desc.in(0), &indices = desc.in(1);
  const int axis = axis_param(desc, 0, x.rank);
  expect_dtype(indices, {CT_INT32}, "indices");
  std::vector<int64_t> wanted(x.dims, x.dims + axis);
  wanted.insert(wanted.end(), indices.dims, indices.dims + indices.rank);
  wanted.insert(wanted.end(), x.dims + axis + 1, x.dims + x.rank);
  expect_type(desc.out(0), x.dtype, wanted, "the result");
  return std::make_unique<GatherKernel>(desc, axis);
}

}  // namespace cotangent::cpu
