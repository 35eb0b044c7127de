// cholesky and choleskyInverse on a GPU. Small matrices belong to a warp each, in shared memory; larger ones of a
// batch by cuSOLVER's batched factorisation up to an order where a single matrix fills the device, beyond it one after
// the other. Neither says what NaN and infinity give: a last kernel looks at the diagonal, where both end up, and makes
// a failing matrix NaN.
#include "native/backend/cuda/device_code.h"
#include "native/backend/cuda/dispatch.h"
#include "native/backend/cuda/solver.h"
#include "native/kernels/linalg/linalg_cuda.h"
#include "native/kernels/linalg/matrices_cuda.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kBlock = 256;
constexpr int kSmall = 32;         // order of a warp's matrix
constexpr int kSmallWarps = 4;     // a block
constexpr int kMostBatched = 512;  // order from which matrices go one by one
constexpr int kSmallRow = kSmall + 1;
constexpr int kInverseWarps = 2;

template <class T>
__device__ __forceinline__ bool good_pivot(T pivot) {
  return pivot > T(0) && pivot - pivot == T(0);
}

// L of a warp's matrix, lane i holding row i: right-looking, in shared memory. a may be l.
template <class T>
__global__ void __launch_bounds__(kSmallWarps* kWarp)
    small_cholesky_kernel(const T* a, T* l, int* info, int n, int64_t batch) {
  auto& storage = SHARED(T[kSmallWarps][kSmall][kSmallRow]);
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  auto& m = storage[threadIdx.x / kWarp];
  const int64_t size = static_cast<int64_t>(n) * n;
  for (int64_t i = grid_start() / kWarp; i < batch; i += grid_step() / kWarp) {
    for (int e = lane; e < n * n; e += static_cast<int>(kWarp)) m[e / n][e % n] = a[i * size + e];
    __syncwarp();
    int failed = 0;
    for (int j = 0; j < n && failed == 0; ++j) {
      const T pivot = m[j][j];  // every lane reads it before lane j writes
      if (!good_pivot(pivot)) failed = j + 1;
      const T root = sqrt(pivot);
      __syncwarp();
      if (lane == j) m[j][j] = root;
      if (lane > j && lane < n) m[lane][j] /= root;
      __syncwarp();
      if (lane > j && lane < n) {
        const T factor = m[lane][j];
        for (int k = j + 1; k <= lane; ++k) m[lane][k] -= factor * m[k][j];
      }
      __syncwarp();
    }
    for (int e = lane; e < n * n; e += static_cast<int>(kWarp)) {
      const int row = e / n, column = e % n;
      l[i * size + e] = failed != 0 ? kNan<T> : column <= row ? m[row][column] : T(0);
    }
    if (lane == 0) info[i] = failed;
    __syncwarp();
  }
}

// (L L^T)^-1 of a warp's matrix in shared memory: column j of X = L^-1 by lane j, then X^T X. A zero on the diagonal
// gives NaN everywhere.
template <class T>
__global__ void __launch_bounds__(kInverseWarps* kWarp)
    small_inverse_kernel(const T* __restrict__ l, T* __restrict__ result, int n, int64_t batch) {
  auto& factors = SHARED(T[kInverseWarps][kSmall][kSmallRow]);
  auto& inverses = SHARED(T[kInverseWarps][kSmall][kSmallRow]);
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  auto& m = factors[threadIdx.x / kWarp];
  auto& x = inverses[threadIdx.x / kWarp];
  const int64_t size = static_cast<int64_t>(n) * n;
  for (int64_t i = grid_start() / kWarp; i < batch; i += grid_step() / kWarp) {
    for (int e = lane; e < n * n; e += static_cast<int>(kWarp)) m[e / n][e % n] = l[i * size + e];
    __syncwarp();
    const bool failed = __any_sync(kAllLanes, lane < n && m[lane][lane] == T(0)) != 0;
    for (int row = lane; row < n; ++row) {
      T sum = row == lane ? T(1) : T(0);
      for (int k = lane; k < row; ++k) sum -= m[row][k] * x[k][lane];
      x[row][lane] = sum / m[row][row];
    }
    __syncwarp();
    for (int e = lane; e < n * n; e += static_cast<int>(kWarp)) {
      const int row = e / n, column = e % n;
      T sum = 0;
      for (int k = row < column ? column : row; k < n; ++k) sum += x[k][row] * x[k][column];
      result[i * size + e] = failed ? kNan<T> : sum;
    }
    __syncwarp();
  }
}

// A block a matrix: info from the factorisation or the first bad element of the diagonal, counted from 1; then NaN
// everywhere. With `inverse` an element is bad when it is zero, and info is not kept.
template <class T>
__global__ void __launch_bounds__(kBlock)
    finish_kernel(const T* diagonal, const int* found, T* l, int* info, int64_t n, int64_t batch, bool inverse) {
  auto& first = SHARED(int);
  for (int64_t i = blockIdx.x; i < batch; i += gridDim.x) {
    if (threadIdx.x == 0) first = found != nullptr && found[i] > 0 ? found[i] : static_cast<int>(n) + 1;
    __syncthreads();
    for (int64_t k = threadIdx.x; k < n; k += blockDim.x) {
      const T element = diagonal[(i * n + k) * n + k];
      if (inverse ? element == T(0) : !good_pivot(element)) atomicMin(&first, static_cast<int>(k) + 1);
    }
    __syncthreads();
    const bool failed = first <= n;
    if (threadIdx.x == 0 && info != nullptr) info[i] = failed ? first : 0;
    if (failed) {
      for (int64_t e = threadIdx.x; e < n * n; e += blockDim.x) l[i * n * n + e] = kNan<T>;
    }
    __syncthreads();
  }
}

// The upper triangle from the lower one.
template <class T>
__global__ void __launch_bounds__(kBlock) mirror_kernel(T* a, int64_t n, int64_t count) {
  for (int64_t i = grid_start(); i < count; i += grid_step()) {
    const int64_t line = i / n, column = i - line * n, row = line % n;
    if (column > row) a[i] = a[(line - row + column) * n + row];
  }
}

template <class T>
class CholeskyKernel : public Kernel {
 public:
  CholeskyKernel(const OpDesc& desc, Device& device, const Matrices& shape) : batch_(shape.batch), n_(shape.rows) {
    const double n = n_;
    estimated_ns = estimate_ns(traffic(desc), n * n * n / 3 * static_cast<double>(batch_));
    in_place[0] = 1;
    if (small() || empty()) return;
    if (batched()) {
      pointers_ = room_.take<T*>(batch_);
    } else {
      require(solver::potrf_size(solver::required_handle(device), kUpper, n_, static_cast<T*>(nullptr), &work_size_),
              "cusolverDnPotrf_bufferSize");
      work_ = room_.take<T>(work_size_);
    }
  }

  uint64_t workspace_bytes() const override { return room_.bytes(); }

  ct_code run(const Launch& to, ct_error* error) const override {
    T* const l = to.output<T>(0);
    int* const info = to.output<int>(1);
    if (batch_ == 0) return CT_OK;
    if (n_ == 0) {
      return check(cudaMemsetAsync(info, 0, static_cast<size_t>(batch_) * sizeof(int), to.stream()), error,
                   "cudaMemsetAsync");
    }
    if (small()) {
      constexpr unsigned kThreads = kSmallWarps * kWarp;
      const unsigned blocks = to.device.grid(small_cholesky_kernel<T>, batch_ * kWarp, kThreads);
      return check(
          launch(blocks, kThreads, 0, to.stream(), small_cholesky_kernel<T>, to.input<T>(0), l, info, n_, batch_),
          error, "cholesky");
    }
    ct_code code = launch_lower(to.device, batch_, n_, to.input<T>(0), l, error);
    if (code == CT_OK) code = factor(to, l, info, error);
    if (code != CT_OK) return code;
    return check(launch(to.device.grid(finish_kernel<T>, batch_ * kBlock, kBlock), kBlock, 0, to.stream(),
                        finish_kernel<T>, l, info, l, info, n_, batch_, false),
                 error, "cholesky");
  }

 private:
  static constexpr cublasFillMode_t kUpper = CUBLAS_FILL_MODE_UPPER;  // our lower triangle

  bool empty() const { return batch_ == 0 || n_ == 0; }
  bool small() const { return n_ <= kSmall; }
  bool batched() const { return batch_ > 1 && n_ <= kMostBatched; }

  ct_code factor(const Launch& to, T* l, int* info, ct_error* error) const {
    cusolverDnHandle_t handle = nullptr;
    if (const ct_code code = to.device.solver(&handle, error); code != CT_OK) return code;
    const int64_t size = static_cast<int64_t>(n_) * n_;
    if (batched()) {
      T** const pointers = part<T*>(to.workspace, pointers_);
      const ct_code code =
          launch_pointers<T>(to.device, batch_, l, size, const_cast<const T**>(pointers), nullptr, 0, nullptr, error);
      if (code != CT_OK) return code;
      return check(solver::potrf_batched(handle, kUpper, n_, pointers, info, static_cast<int>(batch_)), error,
                   "cusolverDnPotrfBatched");
    }
    T* const work = part<T>(to.workspace, work_);
    for (int64_t i = 0; i < batch_; ++i) {
      const ct_code code =
          check(solver::potrf(handle, kUpper, n_, l + i * size, work, work_size_, info + i), error, "cusolverDnPotrf");
      if (code != CT_OK) return code;
    }
    return CT_OK;
  }

  const int64_t batch_;
  const int n_;
  Room room_;
  int64_t pointers_ = 0, work_ = 0;
  int work_size_ = 0;
};

template <class T>
class CholeskyInverseKernel : public Kernel {
 public:
  CholeskyInverseKernel(const OpDesc& desc, Device& device, const Matrices& shape)
      : batch_(shape.batch), n_(shape.rows) {
    const double n = n_;
    estimated_ns = estimate_ns(traffic(desc), 2.0 / 3 * n * n * n * static_cast<double>(batch_));
    if (batch_ == 0 || n_ <= kSmall) return;
    require(solver::potri_size(solver::required_handle(device), CUBLAS_FILL_MODE_UPPER, n_, static_cast<T*>(nullptr),
                               &work_size_),
            "cusolverDnPotri_bufferSize");
    info_ = room_.take<int>(1);
    work_ = room_.take<T>(work_size_);
  }

  uint64_t workspace_bytes() const override { return room_.bytes(); }

  ct_code run(const Launch& to, ct_error* error) const override {
    const T* const l = to.input<T>(0);
    T* const result = to.output<T>(0);
    const int64_t size = static_cast<int64_t>(n_) * n_, count = batch_ * size;
    if (count == 0) return CT_OK;
    if (n_ <= kSmall) {
      constexpr unsigned kThreads = kInverseWarps * kWarp;
      const unsigned blocks = to.device.grid(small_inverse_kernel<T>, batch_ * kWarp, kThreads);
      return check(launch(blocks, kThreads, 0, to.stream(), small_inverse_kernel<T>, l, result, n_, batch_), error,
                   "choleskyInverse");
    }
    cusolverDnHandle_t handle = nullptr;
    if (const ct_code code = to.device.solver(&handle, error); code != CT_OK) return code;
    ct_code code = launch_lower(to.device, batch_, n_, l, result, error);
    for (int64_t i = 0; i < batch_ && code == CT_OK; ++i) {
      code = check(solver::potri(handle, CUBLAS_FILL_MODE_UPPER, n_, result + i * size, part<T>(to.workspace, work_),
                                 work_size_, part<int>(to.workspace, info_)),
                   error, "cusolverDnPotri");
    }
    if (code != CT_OK) return code;
    code = check(launch(to.device.grid(mirror_kernel<T>, count, kBlock), kBlock, 0, to.stream(), mirror_kernel<T>,
                        result, n_, count),
                 error, "choleskyInverse");
    if (code != CT_OK) return code;
    return check(launch(to.device.grid(finish_kernel<T>, batch_ * kBlock, kBlock), kBlock, 0, to.stream(),
                        finish_kernel<T>, l, nullptr, result, nullptr, n_, batch_, true),
                 error, "choleskyInverse");
  }

 private:
  const int64_t batch_;
  const int n_;
  Room room_;
  int64_t info_ = 0, work_ = 0;
  int work_size_ = 0;
};

}  // namespace

std::unique_ptr<Kernel> prepare_cholesky(const OpDesc& desc, Device& device) {
  const Matrices shape = cholesky_shape(desc);
  return dispatch_float(desc.in(0).dtype, [&](auto element) -> std::unique_ptr<Kernel> {
    return std::make_unique<CholeskyKernel<decltype(element)>>(desc, device, shape);
  });
}

std::unique_ptr<Kernel> prepare_cholesky_inverse(const OpDesc& desc, Device& device) {
  const Matrices shape = cholesky_inverse_shape(desc);
  return dispatch_float(desc.in(0).dtype, [&](auto element) -> std::unique_ptr<Kernel> {
    return std::make_unique<CholeskyInverseKernel<decltype(element)>>(desc, device, shape);
  });
}

}  // namespace cotangent::cuda
