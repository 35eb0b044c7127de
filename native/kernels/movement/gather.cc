// gather: y[o, j, :] = x[o, indices[j], :], the operand seen as [outer, size, inner]. An index outside gives NaN (0,
// false).
#include <algorithm>
#include <cstring>
#include <limits>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/movement/indexed.h"
#include "native/kernels/movement/movement.h"

namespace cotangent::cpu {
namespace {

class GatherKernel : public Kernel {
 public:
  explicit GatherKernel(const OpDesc& desc) : gather_(desc), count_(element_count(desc.out(0))) {
    estimated_ns = estimate_ns(2.0 * static_cast<double>(byte_count(desc.out(0)) + byte_count(desc.in(1))));
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    switch (gather_.dtype) {
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
    const int64_t size = gather_.size, inner = gather_.inner, picked = gather_.picked;
    const T* const x = static_cast<const T*>(launch.in[0]);
    const int32_t* const indices = static_cast<const int32_t*>(launch.in[1]);
    T* const y = static_cast<T*>(launch.out[0]);
    launch.parallel.range(count_, kGrain, 64, [&](int64_t begin, int64_t end) {
      int64_t row = begin / inner, first = begin % inner;  // a row is one picked index
      int64_t outer = row / picked, j = row % picked;
      for (int64_t done = begin; done < end;) {
        const int64_t run = std::min(inner - first, end - done), index = indices[j];
        if (index < 0 || index >= size) {
          std::fill_n(y + done, run, missing);
        } else {
          const T* const from = x + (outer * size + index) * inner + first;
          if (run == 1) {
            y[done] = *from;
          } else {
            std::memcpy(y + done, from, static_cast<size_t>(run) * sizeof(T));
          }
        }
        done += run;
        first = 0;
        if (++j == picked) {
          j = 0;
          ++outer;
        }
      }
    });
  }

  const Gather gather_;
  const int64_t count_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_gather(const OpDesc& desc) { return std::make_unique<GatherKernel>(desc); }

}  // namespace cotangent::cpu
