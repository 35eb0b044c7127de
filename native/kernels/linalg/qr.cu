// qr on a GPU. Small matrices belong to a warp each, in shared memory. Others go through cuSOLVER's Householder
// factorisation of a column-major copy; then the signs that make the diagonal of R positive are applied on the way
// back. A matrix with NaN or infinity is factored as zeros and becomes NaN.
#include "native/backend/cuda/device_code.h"
#include "native/backend/cuda/dispatch.h"
#include "native/backend/cuda/solver.h"
#include "native/backend/cuda/warp.h"
#include "native/kernels/linalg/linalg_cuda.h"
#include "native/kernels/linalg/matrices_cuda.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kBlock = 256;
constexpr int kSmall = 32;      // rows and columns of a warp's matrix
constexpr int kSmallWarps = 2;  // a block

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

// Q and R of a warp's matrix [m, n] by Householder reflections I - tau v v^T, as LAPACK's geqr2 and org2r: lane i has
// row i of the column that a reflection comes from, lane c the column that it is applied to. The norm of the column is
// taken relative to its largest element, so that no square leaves the range.
template <class T>
__global__ void __launch_bounds__(kSmallWarps* kWarp)
    small_qr_kernel(const T* __restrict__ from, T* __restrict__ q_out, T* __restrict__ r_out, int m, int n,
                    int64_t batch) {
  auto& matrices = SHARED(T[kSmallWarps][kSmall][kSmall + 1]);
  auto& bases = SHARED(T[kSmallWarps][kSmall][kSmall + 1]);
  const int lane = static_cast<int>(threadIdx.x % kWarp), step = static_cast<int>(kWarp), k = m < n ? m : n;
  auto& a = matrices[threadIdx.x / kWarp];
  auto& q = bases[threadIdx.x / kWarp];
  for (int64_t i = grid_start() / kWarp; i < batch; i += grid_step() / kWarp) {
    bool finite = true;
    for (int e = lane; e < m * n; e += step) {
      const T value = from[i * m * n + e];
      finite = finite && value - value == T(0);
      a[e / n][e % n] = value;
    }
    for (int e = lane; e < m * k; e += step) q[e / k][e % k] = e / k == e % k ? T(1) : T(0);
    finite = __all_sync(kAllLanes, finite) != 0;
    __syncwarp();
    T own_tau = 0;  // of the reflection `lane`
    for (int j = 0; j < k && finite; ++j) {
      const T alpha = a[j][j], below = lane > j && lane < m ? a[lane][j] : T(0);
      const T largest = warp_max(static_cast<T>(fabs(below)));
      T tau = 0;
      __syncwarp();
      if (largest != T(0)) {  // in all lanes or in none: NaN, of an update that overflowed, goes on into Q and R
        const T ratio = below / largest;
        const T norm = hypot(alpha, largest * static_cast<T>(sqrt(warp_sum(ratio * ratio))));
        const T beta = alpha > T(0) ? -norm : norm;
        tau = (beta - alpha) / beta;
        if (lane > j && lane < m) a[lane][j] = below / (alpha - beta);
        if (lane == j) a[j][j] = beta;
      }
      if (lane == j) own_tau = tau;
      __syncwarp();
      if (lane > j && lane < n) {
        T dot = a[j][lane];
        for (int row = j + 1; row < m; ++row) dot += a[row][j] * a[row][lane];
        dot *= tau;
        a[j][lane] -= dot;
        for (int row = j + 1; row < m; ++row) a[row][lane] -= dot * a[row][j];
      }
      __syncwarp();
    }
    for (int j = k - 1; j >= 0 && finite; --j) {
      const T tau = __shfl_sync(kAllLanes, own_tau, j);
      if (lane >= k) continue;
      T dot = q[j][lane];
      for (int row = j + 1; row < m; ++row) dot += a[row][j] * q[row][lane];
      dot *= tau;
      q[j][lane] -= dot;
      for (int row = j + 1; row < m; ++row) q[row][lane] -= dot * a[row][j];
    }
    __syncwarp();
    for (int e = lane; e < k * n; e += step) {
      const int row = e / n, column = e % n;
      const T value = column < row ? T(0) : a[row][row] < 0 ? -a[row][column] : a[row][column];
      r_out[i * k * n + e] = finite ? value : kNan<T>;
    }
    for (int e = lane; e < m * k; e += step) {
      const int row = e / k, column = e % k;
      q_out[i * m * k + e] = !finite ? kNan<T> : a[column][column] < 0 ? -q[row][column] : q[row][column];
    }
    __syncwarp();
  }
}

template <class T>
class QrKernel : public Kernel {
 public:
  QrKernel(const OpDesc& desc, Device& device, const Matrices& shape)
      : shape_(shape), m_(shape.rows), n_(shape.columns), k_(shape.small()) {
    estimated_ns = estimate_ns(traffic(desc), 4.0 * static_cast<double>(shape.batch * shape.size()) * k_);
    if (empty() || small()) return;
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
    if (small()) {
      constexpr unsigned kThreads = kSmallWarps * kWarp;
      const unsigned blocks = to.device.grid(small_qr_kernel<T>, batch * kWarp, kThreads);
      return check(launch(blocks, kThreads, 0, to.stream(), small_qr_kernel<T>, to.input<T>(0), to.output<T>(0),
                          to.output<T>(1), m_, n_, batch),
                   error, "qr");
    }
    T* const matrix = part<T>(to.workspace, matrix_);
    T* const scale = part<T>(to.workspace, scale_);
    T* const signs = part<T>(to.workspace, signs_);
    T* const tau = part<T>(to.workspace, tau_);
    T* const work = part<T>(to.workspace, work_);
    int* const not_finite = part<int>(to.workspace, info_);
    int* const found = part<int>(to.workspace, found_);
    cusolverDnHandle_t handle = nullptr;
    if (const ct_code code = to.device.solver(&handle, error); code != CT_OK) return code;
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
  bool small() const { return m_ <= kSmall && n_ <= kSmall; }

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
