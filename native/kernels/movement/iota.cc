// iota: y[o, k, i] = k, the result seen as [outer, size, inner].
#include <algorithm>

#include "native/backend/cpu/check.h"
#include "native/kernels/movement/movement.h"

namespace cotangent::cpu {
namespace {

class IotaKernel : public Kernel {
 public:
  IotaKernel(const OpDesc& desc, int axis)
      : size_(desc.out(0).dims[axis]),
        inner_(product(desc.out(0), axis + 1, desc.out(0).rank)),
        count_(element_count(desc.out(0))),
        dtype_(desc.out(0).dtype) {
    estimated_ns = estimate_ns(traffic(desc));
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    switch (dtype_) {
      case CT_FLOAT32:
        write<float>(launch);
        break;
      case CT_FLOAT64:
        write<double>(launch);
        break;
      default:
        write<uint32_t>(launch);
    }
    return CT_OK;
  }

 private:
  template <class T>
  void write(const Launch& launch) const {
    constexpr int64_t kGrain = 65536;
    T* const y = static_cast<T*>(launch.out[0]);
    launch.parallel.range(count_, kGrain, 64, [&](int64_t begin, int64_t end) {
      int64_t first = begin % inner_, k = begin / inner_ % size_;
      for (int64_t done = begin; done < end;) {
        const int64_t run = std::min(inner_ - first, end - done);
        std::fill_n(y + done, run, static_cast<T>(k));
        done += run;
        first = 0;
        if (++k == size_) k = 0;
      }
    });
  }

  int64_t size_, inner_, count_;
  int32_t dtype_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_iota(const OpDesc& desc) {
  desc.expect_operands(0, 1);
  expect_params(desc, 1);
  expect_dtype(desc.out(0), {CT_FLOAT32, CT_FLOAT64, CT_INT32, CT_UINT32}, "a result");
  return std::make_unique<IotaKernel>(desc, axis_param(desc, 0, desc.out(0).rank));
}

}  // namespace cotangent::cpu
