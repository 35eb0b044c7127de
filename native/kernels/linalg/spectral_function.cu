// spectralFunction on a GPU: V diag(f(w)) V^T, or V R V^T with R summed from divided differences and the directions in
// the basis of eigenvectors (spectral_function.cc has the formula). Products by cuBLAS for the whole batch; a thread an
// element of R, in double, in the order of the CPU.
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
constexpr unsigned kPathBlock = 128;

// A warp a matrix.
template <class T>
__global__ void __launch_bounds__(kBlock)
    clean_kernel(const T* __restrict__ given, double* __restrict__ w, int n, double epsilon, int64_t batch) {
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  for (int64_t i = grid_start() / kWarp; i < batch; i += grid_step() / kWarp) {
    double largest = 0;
    for (int k = lane; k < n; k += static_cast<int>(kWarp)) {
      const double size = fabs(static_cast<double>(given[i * n + k]));
      largest = largest < size ? size : largest;
    }
    largest = warp_max(largest);
    for (int k = lane; k < n; k += static_cast<int>(kWarp)) {
      w[i * n + k] = clean_eigenvalue(static_cast<double>(given[i * n + k]), largest, n, epsilon);
    }
  }
}

// V diag(f(w)).
template <class T>
__global__ void __launch_bounds__(kBlock)
    image_kernel(const T* __restrict__ v, const double* __restrict__ w, T* __restrict__ product,
                 SpectralFunction function, int64_t n, int64_t count) {
  const int64_t size = n * n;
  for (int64_t i = grid_start(); i < count; i += grid_step()) {
    product[i] = v[i] * static_cast<T>(divided_difference<1>(function, w + i / size * n + i % n));
  }
}

// R of all matrices; s: the directions, `count` elements each.
template <class T, int Order>
__global__ void __launch_bounds__(kPathBlock)
    path_kernel(const double* __restrict__ w, const T* __restrict__ s, T* __restrict__ r, SpectralFunction function,
                int64_t n, int64_t count) {
  for (int64_t e = grid_start(); e < count; e += grid_step()) {
    const int64_t line = e / n, matrix = line / n, j = e - line * n, i = line - matrix * n;
    const double* const values = w + matrix * n;
    const auto at = [&](int direction, int64_t row, int64_t column) {
      return static_cast<double>(s[direction * count + (matrix * n + row) * n + column]);
    };
    double sum = 0;
    if constexpr (Order == 1) {
      const double points[2] = {values[i], values[j]};
      sum = divided_difference<2>(function, points);
      sum *= static_cast<double>(s[e]);
    } else if constexpr (Order == 2) {
      for (int64_t k = 0; k < n; ++k) {
        const double points[3] = {values[i], values[k], values[j]};
        const double products = at(0, i, k) * at(1, k, j) + at(1, i, k) * at(0, k, j);
        sum += divided_difference<3>(function, points) * products;
      }
    } else {
      for (int64_t l = 0; l < n; ++l) {
        for (int64_t k = 0; k < n; ++k) {
          const double points[4] = {values[i], values[k], values[l], values[j]};
          double products = 0;
          for (int first = 0; first < 3; ++first) {
            const int low = first == 0 ? 1 : 0, high = first == 2 ? 1 : 2;
            const double start = at(first, i, k);
            products += start * at(low, k, l) * at(high, l, j);
            products += start * at(high, k, l) * at(low, l, j);
          }
          sum += divided_difference<4>(function, points) * products;
        }
      }
    }
    r[e] = static_cast<T>(sum);
  }
}

template <class T>
class SpectralFunctionKernel : public Kernel {
 public:
  SpectralFunctionKernel(const OpDesc& desc, const SpectralShape& shape)
      : batch_(shape.matrices.batch), n_(shape.matrices.rows), order_(shape.order), function_(shape.function) {
    double each = 2.0 * n_ * n_ * n_ * (order_ == 0 ? 1 : 2 + 2 * order_);
    if (order_ > 0) each += 40 * std::pow(n_, order_ + 1);
    estimated_ns = estimate_ns(traffic(desc), each * static_cast<double>(batch_));
    w_ = room_.take<double>(batch_ * n_);
    product_ = room_.take<T>(count());
    inner_ = room_.take<T>(count());
    directions_ = room_.take<T>(order_ * count());
  }

  uint64_t workspace_bytes() const override { return room_.bytes(); }

  ct_code run(const Launch& to, ct_error* error) const override {
    if (count() == 0) return CT_OK;
    double* const w = part<double>(to.workspace, w_);
    T* const product = part<T>(to.workspace, product_);
    T* const inner = part<T>(to.workspace, inner_);
    T* const directions = part<T>(to.workspace, directions_);
    const T* const v = to.input<T>(2);
    const auto multiply = [&](bool transpose_a, bool transpose_b, const T* a, const T* b, T* c) {
      const int64_t size = static_cast<int64_t>(n_) * n_;
      return blas::gemm<T>(to.device, batch_, n_, n_, n_, T(1), {a, n_, size, transpose_a}, {b, n_, size, transpose_b},
                           T(0), {c, n_, size}, error);
    };
    constexpr double kEpsilon = static_cast<double>(std::numeric_limits<T>::epsilon());
    ct_code code = over(to, batch_ * kWarp, kBlock, error, clean_kernel<T>, to.input<T>(1), w, n_, kEpsilon, batch_);
    if (order_ == 0) {
      if (code == CT_OK)
        code = over(to, count(), kBlock, error, image_kernel<T>, v, w, product, function_, n_, count());
    } else {
      for (int k = 0; k < order_ && code == CT_OK; ++k) {
        code = launch_symmetric_part<T>(to.device, batch_, n_, to.input<T>(3 + k), inner, nullptr, error);
        if (code == CT_OK) code = multiply(false, false, inner, v, product);
        if (code == CT_OK) code = multiply(true, false, v, product, directions + k * count());
      }
      if (code == CT_OK) code = paths(to, w, directions, inner, error);
      if (code == CT_OK) code = multiply(false, false, v, inner, product);
    }
    if (code == CT_OK) code = multiply(false, true, product, v, inner);
    if (code == CT_OK) {
      code = launch_symmetric_part<T>(to.device, batch_, n_, inner, to.output<T>(0), nullptr, error);
    }
    return code;
  }

 private:
  int64_t count() const { return batch_ * n_ * n_; }

  ct_code paths(const Launch& to, const double* w, const T* directions, T* r, ct_error* error) const {
    const auto run = [&](auto kernel) {
      return over(to, count(), kPathBlock, error, kernel, w, directions, r, function_, n_, count());
    };
    return order_ == 1 ? run(path_kernel<T, 1>) : order_ == 2 ? run(path_kernel<T, 2>) : run(path_kernel<T, 3>);
  }

  template <class... P, class... A>
  static ct_code over(const Launch& to, int64_t items, unsigned block, ct_error* error, void (*kernel)(P...),
                      A... arguments) {
    return check(launch(to.device.grid(kernel, items, block), block, 0, to.stream(), kernel, arguments...), error,
                 "spectralFunction");
  }

  const int64_t batch_;
  const int n_, order_;
  const SpectralFunction function_;
  Room room_;
  int64_t w_ = 0, product_ = 0, inner_ = 0, directions_ = 0;
};

}  // namespace

std::unique_ptr<Kernel> prepare_spectral_function(const OpDesc& desc, Device&) {
  const SpectralShape shape(desc);
  return dispatch_float(desc.in(0).dtype, [&](auto element) -> std::unique_ptr<Kernel> {
    return std::make_unique<SpectralFunctionKernel<decltype(element)>>(desc, shape);
  });
}

}  // namespace cotangent::cuda
