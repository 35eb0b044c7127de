// randomGamma: keys [B.., 2], shapes [B.., ..] -> gamma variables of those shapes (scale 1). See random_formulas.h.
#include "native/kernels/random/random_gamma.h"

#include "native/backend/cpu/kernel.h"
#include "native/kernels/random/parameters.h"
#include "native/kernels/random/random_formulas.h"

namespace cotangent::cpu {
namespace {

class GammaKernel : public Kernel {
 public:
  explicit GammaKernel(const GammaParameters& gamma)
      : count_(gamma.count), lane_(gamma.lane), single_(gamma.dtype == CT_FLOAT32) {
    estimated_ns = estimate_ns(0) + 100 * static_cast<double>(count_);
    in_place[0] = 2;
  }

  int pieces(int threads) const override { return pieces_by_time(threads, count_ / 256); }

  ct_code run(const Launch& launch, ct_error*) const override {
    constexpr int64_t kGrain = 128;  // elements worth a thread
    const uint32_t* const keys = static_cast<const uint32_t*>(launch.in[0]);
    const Piece piece(count_, launch.piece, pieces(launch.parallel.threads()));
    launch.parallel.range(piece.length(), kGrain, 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = piece.begin + begin; i < piece.begin + end; ++i) {
        const uint32_t* const key = keys + i / lane_ * 2;
        const uint64_t element = static_cast<uint64_t>(i % lane_);
        if (single_) {
          const double shape = static_cast<const float*>(launch.in[1])[i];
          static_cast<float*>(launch.out[0])[i] = static_cast<float>(random::gamma(shape, element, key[0], key[1]));
        } else {
          const double shape = static_cast<const double*>(launch.in[1])[i];
          static_cast<double*>(launch.out[0])[i] = random::gamma(shape, element, key[0], key[1]);
        }
      }
    });
    return CT_OK;
  }

 private:
  int64_t count_, lane_;
  bool single_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_random_gamma(const OpDesc& desc) {
  return std::make_unique<GammaKernel>(GammaParameters(desc));
}

}  // namespace cotangent::cpu
