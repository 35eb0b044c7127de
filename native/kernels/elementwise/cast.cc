// cast on the CPU: one read and one write an element; in place where the sizes agree.
#include "native/kernels/elementwise/cast.h"

#include <cstring>

#include "native/kernels/elementwise/chain.h"

namespace cotangent::cpu {
namespace {

class CastKernel : public Kernel {
 public:
  explicit CastKernel(const OpDesc& desc) : target_(COTANGENT_SIMD_DISPATCH(chain_target)()), cast_(desc) {
    if (cast_.from_bytes == cast_.to_bytes) in_place[0] = 1;
    estimated_ns =
        50.0 + static_cast<double>(cast_.count) * (0.1 + static_cast<double>(cast_.from_bytes + cast_.to_bytes) * 0.1);
  }

  int pieces(int threads) const override { return pieces_by_time(threads, cast_.count / kGrain); }

  ct_code run(const Launch& launch, ct_error*) const override {
    constexpr int64_t kAlign = 128;
    const Piece piece(cast_.count, launch.piece, pieces(launch.parallel.threads()), kAlign);
    launch.parallel.range(piece.length(), kGrain, kAlign, [&](int64_t begin, int64_t end) {
      const char* const in = static_cast<const char*>(launch.in[0]) + (piece.begin + begin) * cast_.from_bytes;
      char* const out = static_cast<char*>(launch.out[0]) + (piece.begin + begin) * cast_.to_bytes;
      if (cast_.from != cast_.to) {
        target_.cast(cast_.from, cast_.to, in, out, end - begin);
      } else if (in != out) {
        std::memcpy(out, in, static_cast<size_t>((end - begin) * cast_.to_bytes));
      }
    });
    return CT_OK;
  }

 private:
  static constexpr int64_t kGrain = 16384;  // elements worth a thread
  const ChainTarget& target_;
  const Cast cast_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_cast(const OpDesc& desc) { return std::make_unique<CastKernel>(desc); }

}  // namespace cotangent::cpu
