// randomGammaGradient: shapes and gamma variables of one type -> dz/da, elementwise (gamma_gradient.h).
#include "native/backend/cpu/kernel.h"
#include "native/kernels/random/gamma_gradient.h"
#include "native/kernels/random/parameters.h"
#include "native/kernels/random/random_gamma.h"

namespace cotangent::cpu {
namespace {

template <class T>
class GammaGradientKernel : public Kernel {
 public:
  explicit GammaGradientKernel(const GammaGradientParameters& gamma) : count_(gamma.count) {
    estimated_ns = estimate_ns(0) + 500 * static_cast<double>(count_);  // some tens of divisions
    in_place[0] = 3;
  }

  int pieces(int threads) const override { return pieces_by_time(threads, count_ / 64); }

  ct_code run(const Launch& launch, ct_error*) const override {
    constexpr int64_t kGrain = 32;  // elements worth a thread
    const T *const shapes = static_cast<const T*>(launch.in[0]), *const variables = static_cast<const T*>(launch.in[1]);
    T* const to = static_cast<T*>(launch.out[0]);
    const Piece piece(count_, launch.piece, pieces(launch.parallel.threads()));
    launch.parallel.range(piece.length(), kGrain, 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = piece.begin + begin; i < piece.begin + end; ++i) {
        to[i] = static_cast<T>(random::gamma_shape_gradient(shapes[i], variables[i]));
      }
    });
    return CT_OK;
  }

 private:
  int64_t count_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_random_gamma_gradient(const OpDesc& desc) {
  const GammaGradientParameters gamma(desc);
  if (gamma.dtype == CT_FLOAT32) return std::make_unique<GammaGradientKernel<float>>(gamma);
  return std::make_unique<GammaGradientKernel<double>>(gamma);
}

}  // namespace cotangent::cpu
