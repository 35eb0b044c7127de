// singularFunction, pseudoInverse and nuclearNorm on a GPU, from a decomposition that is given: one of its factors is
// scaled, and cuBLAS multiplies; sums in double, by a warp a matrix.
#include "native/backend/cuda/blas.h"
#include "native/backend/cuda/device_code.h"
#include "native/backend/cuda/dispatch.h"
#include "native/backend/cuda/warp.h"
#include "native/kernels/linalg/linalg_cuda.h"
#include "native/kernels/linalg/matrices_cuda.h"
#include "native/kernels/linalg/spectrum.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kBlock = 256;

struct Images {
  bool inverse;
  SpectralFunction function;
  double tolerance, noise;
  int64_t columns, size, count;  // of U: columns, elements of a matrix, of all
};

// U diag(f(s)).
template <class T>
__global__ void __launch_bounds__(kBlock)
    image_kernel(const T* __restrict__ u, const T* __restrict__ s, T* __restrict__ scaled, Images p) {
  for (int64_t i = grid_start(); i < p.count; i += grid_step()) {
    const T* const values = s + i / p.size * p.columns;
    scaled[i] = u[i] * static_cast<T>(singular_image(p.inverse, p.function, p.tolerance,
                                                     static_cast<double>(values[i % p.columns]),
                                                     static_cast<double>(values[0]), p.noise));
  }
}

template <class T>
__global__ void __launch_bounds__(kBlock)
    sum_kernel(const T* __restrict__ s, T* __restrict__ sums, int64_t k, int64_t batch) {
  const int64_t lane = threadIdx.x % kWarp;
  for (int64_t i = grid_start() / kWarp; i < batch; i += grid_step() / kWarp) {
    double sum = 0;
    for (int64_t e = lane; e < k; e += kWarp) sum += static_cast<double>(s[i * k + e]);
    sum = warp_sum(sum);
    if (lane == 0) sums[i] = static_cast<T>(sum);
  }
}

template <class T>
class SingularFunctionKernel : public Kernel {
 public:
  SingularFunctionKernel(const OpDesc& desc, const SingularFunction& f)
      : batch_(f.matrices.batch), m_(f.matrices.rows), n_(f.matrices.columns), k_(f.matrices.small()), f_(f) {
    estimated_ns = estimate_ns(traffic(desc), 2.0 * static_cast<double>(batch_ * f.matrices.size()) * k_);
  }

  uint64_t workspace_bytes() const override { return static_cast<uint64_t>(batch_ * m_ * k_) * sizeof(T); }

  ct_code run(const Launch& to, ct_error* error) const override {
    const int64_t m = m_, n = n_, k = k_;
    if (batch_ * m * n == 0) return CT_OK;
    T* const scaled = static_cast<T*>(to.workspace);
    const T* const vt = to.input<T>(3);
    const double noise = (m_ + n_) * static_cast<double>(std::numeric_limits<T>::epsilon());
    const Images p{f_.inverse, f_.function, f_.tolerance, noise, k, m * k, batch_ * m * k};
    const ct_code code = check(launch(to.device.grid(image_kernel<T>, p.count, kBlock), kBlock, 0, to.stream(),
                                      image_kernel<T>, to.input<T>(1), to.input<T>(2), scaled, p),
                               error, "singularFunction");
    if (code != CT_OK) return code;
    if (f_.inverse) {
      return blas::gemm<T>(to.device, batch_, n_, m_, k_, T(1), {vt, n_, k * n, true}, {scaled, k_, m * k, true}, T(0),
                           {to.output<T>(0), m_, m * n}, error);
    }
    return blas::gemm<T>(to.device, batch_, m_, n_, k_, T(1), {scaled, k_, m * k}, {vt, n_, k * n}, T(0),
                         {to.output<T>(0), n_, m * n}, error);
  }

 private:
  const int64_t batch_;
  const int m_, n_, k_;
  const SingularFunction f_;
};

template <class T>
class NuclearNormKernel : public Kernel {
 public:
  NuclearNormKernel(const OpDesc& desc, const Matrices& shape) : batch_(shape.batch), k_(shape.small()) {
    estimated_ns = estimate_ns(static_cast<double>(byte_count(desc.in(2))));
  }

  ct_code run(const Launch& to, ct_error* error) const override {
    if (batch_ == 0) return CT_OK;
    return check(launch(to.device.grid(sum_kernel<T>, batch_ * kWarp, kBlock), kBlock, 0, to.stream(), sum_kernel<T>,
                        to.input<T>(2), to.output<T>(0), k_, batch_),
                 error, "nuclearNorm");
  }

 private:
  const int64_t batch_, k_;
};

std::unique_ptr<Kernel> prepare(const OpDesc& desc, bool inverse) {
  const SingularFunction f(desc, inverse);
  return dispatch_float(desc.in(0).dtype, [&](auto element) -> std::unique_ptr<Kernel> {
    return std::make_unique<SingularFunctionKernel<decltype(element)>>(desc, f);
  });
}

}  // namespace

std::unique_ptr<Kernel> prepare_singular_function(const OpDesc& desc, Device&) { return prepare(desc, false); }
std::unique_ptr<Kernel> prepare_pseudo_inverse(const OpDesc& desc, Device&) { return prepare(desc, true); }

std::unique_ptr<Kernel> prepare_nuclear_norm(const OpDesc& desc, Device&) {
  const Matrices shape = nuclear_norm_shape(desc);
  return dispatch_float(desc.in(0).dtype, [&](auto element) -> std::unique_ptr<Kernel> {
    return std::make_unique<NuclearNormKernel<decltype(element)>>(desc, shape);
  });
}

}  // namespace cotangent::cuda
