// cast: x -> y of the same dims and any dtype. One read and one write an element; in place where the sizes agree.
#include <cstring>

#include "native/kernels/elementwise/chain.h"

namespace cotangent::cpu {
namespace {

class CastKernel : public Kernel {
 public:
  explicit CastKernel(const OpDesc& desc)
      : target_(COTANGENT_SIMD_DISPATCH(chain_target)()),
        from_(desc.in(0).dtype),
        to_(desc.out(0).dtype),
        from_bytes_(element_bytes(from_)),
        to_bytes_(element_bytes(to_)),
        count_(element_count(desc.out(0))) {
    if (from_bytes_ == to_bytes_) in_place[0] = 1;
    estimated_ns = 50.0 + static_cast<double>(count_) * (0.1 + static_cast<double>(from_bytes_ + to_bytes_) * 0.1);
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    constexpr int64_t kGrain = 16384, kAlign = 128;
    launch.parallel.range(count_, kGrain, kAlign, [&](int64_t begin, int64_t end) {
      const char* const in = static_cast<const char*>(launch.in[0]) + begin * from_bytes_;
      char* const out = static_cast<char*>(launch.out[0]) + begin * to_bytes_;
      if (from_ != to_) {
        target_.cast(from_, to_, in, out, end - begin);
      } else if (in != out) {
        std::memcpy(out, in, static_cast<size_t>((end - begin) * to_bytes_));
      }
    });
    return CT_OK;
  }

 private:
  const ChainTarget& target_;
  int32_t from_, to_;
  int64_t from_bytes_, to_bytes_, count_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_cast(const OpDesc& desc) {
  desc.expect_operands(1, 1);
  if (dims(desc.in(0)) != dims(desc.out(0))) {
    throw KernelError{CT_SHAPE, "Expected a result of the operand's dims, received " + describe(desc.in(0)) + " and " +
                                    describe(desc.out(0)) + "."};
  }
  return std::make_unique<CastKernel>(desc);
}

}  // namespace cotangent::cpu
