// qr on a GPU: cuSOLVER's Householder factorisation of a column-major copy; then the signs that make the diagonal of R
// positive are applied on the way back. A matrix with NaN or infinity is factored as zeros and becomes NaN.
#include "native/backend/cuda/device_code.h"
#include "native/backend/cuda/dispatch.h"
#include "native/backend/cuda/solver.h"
#include "native/kernels/linalg/linalg_cuda.h"
#include "native/kernels/linalg/matrices_cuda.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kBlock = 256;

// signs [batch, k]: -1 where R's diagonal is negative, NaN for a matrix that is not finite. `a`: column-major [m, n].
template <class T>
__global__ void __launch_bounds__(kBlock)
    sign_kernel(const T* __restrict__ a, const int* __restrict__ not_finite, T* __restrict__ signs, int64_t m,
                int64_t n, int64_t k, int64_t count) {
  for (int64_t i = grid_start(); i < count; i += grid_step()) {
    const int64_t matrix = i / k, column = i - matrix * k;
    const T diagonal = a[matrix * m * n + column * m + column];
    signs[i] = not_finite[matrix] != 0 ? kNan<T> : diagonal < 0 ? T(-1) : T(1);
  }
}

// R [k, n], row-major, from the upper triangle.
template <class T>
__global__ void __launch_bounds__(kBlock)
    upper_kernel(const T* __restrict__ a, const T* __restrict__ signs, T* __restrict__ r, int64_t m, int64_t n,
                 int64_t k, int64_t count) {
  for (int64_t i = grid_start(); i < count; i += grid_step()) {
    const int64_t line = i / n, column = i - line * n, matrix = line / k, row = line - matrix * k;
    const T sign = signs[line];
    r[i] = column < row ? (sign == sign ? T(0) : sign) : a[matrix * m * n + column * m + row] * sign;
  }
}

template <class T>
class QrKernel : public Kernel {
 public:
  QrKernel(const OpDesc& desc, Device& device, const Matrices& shape)
      : shape_(shape), m_(shape.rows), n_(shape.columns), k_(shape.small()) {
    estimated_ns = estimate_ns(traffic(desc), 4.0 * static_cast<double>(shape.batch * shape.size()) * k_);
    if (empty()) return;
    matrix_ = room_.take<T>(shape.batch * shape.size());
    tau_ = room_.take<T>(k_);
    signs_ = room_.take<T>(shape.batch * k_);
    scale_ = room_.take<T>(shape.batch);
    largest_ = room_.take<T>(shape.batch);
    info_ = room_.take<int>(shape.batch);
    found_ = room_.take<int>(1);
    const cusolverDnHandle_t handle = solver::required_handle(device);
    T* const none = nullptr;
    int factor = 0, vectors = 0;
    require(solver::geqrf_size(handle, m_, n_, none, &factor), "cusolverDnGeqrf_bufferSize");
    require(solver::orgqr_size(handle, m_, k_, none, none, &vectors), "cusolverDnOrgqr_bufferSize");
    work_size_ = std::max(factor, vectors);
    work_ = room_.take<T>(work_size_);
  }

  uint64_t workspace_bytes() const override { return room_.bytes(); }

  ct_code run(const Launch& to, ct_error* error) const override {
    if (empty()) return CT_OK;
    const int64_t batch = shape_.batch, size = shape_.size();
    T* const matrix = part<T>(to.workspace, matrix_);
    T* const scale = part<T>(to.workspace, scale_);
    T* const signs = part<T>(to.workspace, signs_);
    T* const tau = part<T>(to.workspace, tau_);
    T* const work = part<T>(to.workspace, work_);
    int* const not_finite = part<int>(to.workspace, info_);
    int* const found = part<int>(to.workspace, found_);
    const cusolverDnHandle_t handle = to.device.solver(error);
    if (!handle) return CT_DEVICE;
    ct_code code = launch_condition<T>(to.device, batch, size, to.input<T>(0), false, scale, not_finite,
                                       part<T>(to.workspace, largest_), error);
    if (code != CT_OK) return code;
    code = launch_arrange<T>(to.device, true, batch, m_, n_, to.input<T>(0), {n_, size}, matrix, {m_, size},
                             {scale, 1, 0, 0}, error);
    for (int64_t i = 0; i < batch && code == CT_OK; ++i) {
      T* const a = matrix + i * size;
      code = check(solver::geqrf(handle, m_, n_, a, tau, work, work_size_, found), error, "cusolverDnGeqrf");
      if (code == CT_OK) code = finish_r(to, a, not_finite + i, signs + i * k_, to.output<T>(1) + i * k_ * n_, error);
      if (code == CT_OK) {
        code = check(solver::orgqr(handle, m_, k_, a, tau, work, work_size_, found), error, "cusolverDnOrgqr");
      }
    }
    if (code != CT_OK) return code;
    return launch_arrange<T>(to.device, true, batch, k_, m_, matrix, {m_, size}, to.output<T>(0),
                             {k_, static_cast<int64_t>(m_) * k_}, {signs, k_, 1, 0}, error);
  }

 private:
  bool empty() const { return shape_.batch == 0 || k_ == 0; }

  // R of one matrix, before the reflectors below it give way to Q.
  ct_code finish_r(const Launch& to, const T* a, const int* not_finite, T* signs, T* r, ct_error* error) const {
    const ct_code code = check(launch(to.device.grid(sign_kernel<T>, k_, kBlock), kBlock, 0, to.stream(),
                                      sign_kernel<T>, a, not_finite, signs, m_, n_, k_, k_),
                               error, "qr");
    if (code != CT_OK) return code;
    const int64_t count = static_cast<int64_t>(k_) * n_;
    return check(launch(to.device.grid(upper_kernel<T>, count, kBlock), kBlock, 0, to.stream(), upper_kernel<T>, a,
                        signs, r, m_, n_, k_, count),
                 error, "qr");
  }

  const Matrices shape_;
  const int m_, n_, k_;
  Room room_;
  int64_t matrix_ = 0, tau_ = 0, signs_ = 0, scale_ = 0, largest_ = 0, info_ = 0, found_ = 0, work_ = 0;
  int work_size_ = 0;
};

}  // namespace

std::unique_ptr<Kernel> prepare_qr(const OpDesc& desc, Device& device) {
  const Matrices shape = qr_shape(desc);
  return dispatch_float(desc.in(0).dtype, [&](auto element) -> std::unique_ptr<Kernel> {
    return std::make_unique<QrKernel<decltype(element)>>(desc, device, shape);
  });
}

}  // namespace cotangent::cuda
