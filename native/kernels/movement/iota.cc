#include "native/kernels/movement/iota.h"

#include <algorithm>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/movement/movement.h"

namespace cotangent::cpu {
namespace {

class IotaKernel : public Kernel {
 public:
  explicit IotaKernel(const OpDesc& desc) : iota_(desc) { estimated_ns = estimate_ns(traffic(desc)); }

  ct_code run(const Launch& launch, ct_error*) const override {
    switch (iota_.dtype) {
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
    const auto [size, inner, count, dtype] = iota_;
    (void)dtype;
    T* const y = static_cast<T*>(launch.out[0]);
    launch.parallel.range(count, kGrain, 64, [&, size = size, inner = inner](int64_t begin, int64_t end) {
      int64_t first = begin % inner, k = begin / inner % size;
      for (int64_t done = begin; done < end;) {
        const int64_t run = std::min(inner - first, end - done);
        std::fill_n(y + done, run, static_cast<T>(k));
        done += run;
        first = 0;
        if (++k == size) k = 0;
      }
    });
  }

  const Iota iota_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_iota(const OpDesc& desc) { return std::make_unique<IotaKernel>(desc); }

}  // namespace cotangent::cpu
