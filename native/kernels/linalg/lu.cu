// lu and luSolve on a GPU. cuSOLVER sees column-major matrices and pivots rows, so the factorisation runs on a
// transposed copy and is transposed back; small matrices of a batch by cuBLAS in one call. Permutation, sign and info
// come from the pivots and the factors by a kernel of our own, as on the CPU: a zero pivot is reported and leaves the
// factors as they are, a matrix with NaN or infinity becomes NaN.
#include "native/backend/cuda/blas.h"
#include "native/backend/cuda/device_code.h"
#include "native/backend/cuda/dispatch.h"
#include "native/backend/cuda/solver.h"
#include "native/kernels/linalg/linalg_cuda.h"
#include "native/kernels/linalg/matrices_cuda.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kBlock = 256;
constexpr int kMostBatched = 128;  // order from which matrices go one by one

// A block a matrix. The row that ends up at a place is followed through the swaps by a thread of its own: no thread
// waits for another's swap.
template <class T>
__global__ void __launch_bounds__(kBlock)
    finish_kernel(const T* __restrict__ matrix, const int* __restrict__ pivots, const int* __restrict__ not_finite,
                  T* __restrict__ factor, int* __restrict__ permutation, int* __restrict__ sign, int* __restrict__ info,
                  int n, int64_t batch) {
  auto& swaps = SHARED(int);
  auto& first = SHARED(int);
  for (int64_t i = blockIdx.x; i < batch; i += gridDim.x) {
    const bool finite = not_finite[i] == 0;
    if (threadIdx.x == 0) {
      swaps = 0;
      first = n + 1;
    }
    __syncthreads();
    for (int row = static_cast<int>(threadIdx.x); row < n; row += static_cast<int>(blockDim.x)) {
      int place = row;
      if (finite) {
        for (int k = 0; k < n; ++k) {
          const int other = pivots[i * n + k] - 1;
          place = place == k ? other : place == other ? k : place;
        }
        if (pivots[i * n + row] - 1 != row) atomicAdd(&swaps, 1);
        if (matrix[(i * n + row) * n + row] == T(0)) atomicMin(&first, row + 1);
      }
      permutation[i * n + place] = row;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      factor[i] = finite ? T(1) : kNan<T>;
      sign[i] = finite && swaps % 2 != 0 ? -1 : 1;
      info[i] = !finite ? n : first <= n ? first : 0;
    }
    __syncthreads();
  }
}

template <class T>
class LuKernel : public Kernel {
 public:
  LuKernel(const OpDesc& desc, Device& device, const Matrices& shape) : batch_(shape.batch), n_(shape.rows) {
    const double n = n_;
    estimated_ns = estimate_ns(traffic(desc), 2.0 / 3 * n * n * n * static_cast<double>(batch_));
    in_place[0] = 1;  // the factors are written from a copy
    const int64_t count = batch_ * n_ * n_;
    matrix_ = room_.take<T>(count);
    pivots_ = room_.take<int>(batch_ * n_);
    info_ = room_.take<int>(batch_);
    factor_ = room_.take<T>(batch_);
    largest_ = room_.take<T>(batch_);
    if (count == 0) return;
    if (batched()) {
      pointers_ = room_.take<T*>(batch_);
    } else {
      require(solver::getrf_size(solver::required_handle(device), n_, static_cast<T*>(nullptr), &work_size_),
              "cusolverDnGetrf_bufferSize");
      work_ = room_.take<T>(work_size_);
    }
  }

  uint64_t workspace_bytes() const override { return room_.bytes(); }

  ct_code run(const Launch& to, ct_error* error) const override {
    if (batch_ == 0) return CT_OK;
    T* const matrix = part<T>(to.workspace, matrix_);
    T* const factor = part<T>(to.workspace, factor_);
    int* const pivots = part<int>(to.workspace, pivots_);
    int* const not_finite = part<int>(to.workspace, info_);
    const int64_t size = static_cast<int64_t>(n_) * n_;
    const Placement at{n_, size};
    ct_code code = launch_arrange<T>(to.device, true, batch_, n_, n_, to.input<T>(0), at, matrix, at, {}, error);
    if (code == CT_OK && n_ > 0) code = factorise(to, matrix, pivots, not_finite, error);
    if (code != CT_OK) return code;
    code = launch_condition<T>(to.device, batch_, size, matrix, false, factor, not_finite,
                               part<T>(to.workspace, largest_), error);
    if (code != CT_OK) return code;
    code = check(
        launch(to.device.grid(finish_kernel<T>, batch_ * kBlock, kBlock), kBlock, 0, to.stream(), finish_kernel<T>,
               matrix, pivots, not_finite, factor, to.output<int>(1), to.output<int>(2), to.output<int>(3), n_, batch_),
        error, "lu");
    if (code != CT_OK) return code;
    return launch_arrange<T>(to.device, true, batch_, n_, n_, matrix, at, to.output<T>(0), at, {factor, 1, 0, 0},
                             error);
  }

 private:
  bool batched() const { return batch_ > 1 && n_ <= kMostBatched; }

  ct_code factorise(const Launch& to, T* matrix, int* pivots, int* info, ct_error* error) const {
    const int64_t size = static_cast<int64_t>(n_) * n_;
    if (batched()) {
      cublasHandle_t handle = nullptr;
      if (const ct_code code = to.device.blas(&handle, error); code != CT_OK) return code;
      T** const pointers = part<T*>(to.workspace, pointers_);
      const ct_code code = launch_pointers<T>(to.device, batch_, matrix, size, const_cast<const T**>(pointers), nullptr,
                                              0, nullptr, error);
      if (code != CT_OK) return code;
      return check(blas::getrf_batched(handle, n_, pointers, n_, pivots, info, static_cast<int>(batch_)), error,
                   "cublasGetrfBatched");
    }
    cusolverDnHandle_t handle = nullptr;
    if (const ct_code code = to.device.solver(&handle, error); code != CT_OK) return code;
    for (int64_t i = 0; i < batch_; ++i) {
      const ct_code code =
          check(solver::getrf(handle, n_, matrix + i * size, part<T>(to.workspace, work_), pivots + i * n_, info + i),
                error, "cusolverDnGetrf");
      if (code != CT_OK) return code;
    }
    return CT_OK;
  }

  const int64_t batch_;
  const int n_;
  Room room_;
  int64_t matrix_ = 0, pivots_ = 0, info_ = 0, factor_ = 0, largest_ = 0, pointers_ = 0, work_ = 0;
  int work_size_ = 0;
};

// to[row] = from[permutation[row]], or with `back` to[permutation[row]] = from[row]; no row outside is touched.
template <class T>
__global__ void __launch_bounds__(kBlock)
    permute_kernel(const T* __restrict__ from, const int* __restrict__ permutation, T* __restrict__ to, int64_t n,
                   int64_t columns, int64_t count, bool back) {
  for (int64_t i = grid_start(); i < count; i += grid_step()) {
    const int64_t line = i / columns, column = i - line * columns, named = permutation[line];
    const int64_t other = line / n * n + (named < 0 ? 0 : named >= n ? n - 1 : named);
    if (back) {
      to[other * columns + column] = from[i];
    } else {
      to[i] = from[other * columns + column];
    }
  }
}

// op(A) x = b from the factors: two triangular solves in a row; the rows of b are permuted before them, or those of x
// after the transposed ones.
template <class T>
class LuSolveKernel : public Kernel {
 public:
  LuSolveKernel(const OpDesc& desc, Device& device, const Matrices& sides)
      : sides_(sides),
        transpose_(desc.integer(0) != 0),
        lower_(half(desc, device, true)),
        upper_(half(desc, device, false)) {
    estimated_ns = lower_->estimated_ns + upper_->estimated_ns;
    if (transpose_) solved_ = room_.take<T>(sides.batch * sides.size());
    rest_ = room_.take<char>(static_cast<int64_t>(std::max(lower_->workspace_bytes(), upper_->workspace_bytes())));
  }

  uint64_t workspace_bytes() const override { return room_.bytes(); }

  ct_code run(const Launch& to, ct_error* error) const override {
    const int64_t count = sides_.batch * sides_.size();
    if (count == 0) return CT_OK;
    const T* const b = to.input<T>(3);
    T* const x = to.output<T>(0);
    T* const solved = transpose_ ? part<T>(to.workspace, solved_) : x;
    const Kernel &first = transpose_ ? *upper_ : *lower_, &second = transpose_ ? *lower_ : *upper_;
    ct_code code = CT_OK;
    if (!transpose_) code = permute(to, b, x, count, error);
    if (code == CT_OK) code = solve(to, first, transpose_ ? b : solved, solved, error);
    if (code == CT_OK) code = solve(to, second, solved, solved, error);
    if (code != CT_OK || !transpose_) return code;
    return permute(to, solved, x, count, error);
  }

 private:
  std::unique_ptr<Kernel> half(const OpDesc& desc, Device& device, bool lower) const {
    const ct_type &factors = desc.in(1), &b = desc.in(3);
    const ct_type in[] = {factors, b};
    const double params[] = {1, lower ? 1.0 : 0.0, transpose_ ? 1.0 : 0.0, lower ? 1.0 : 0.0};
    return prepare_triangular_solve(OpDesc({"triangularSolve", 2, 1, 4, in, &b, params, nullptr}), device);
  }

  ct_code solve(const Launch& to, const Kernel& kernel, const T* b, T* x, ct_error* error) const {
    const void* const in[] = {to.in[1], b};
    void* const out[] = {x};
    return kernel.run({in, out, part<char>(to.workspace, rest_), to.device}, error);
  }

  ct_code permute(const Launch& to, const T* from, T* x, int64_t count, ct_error* error) const {
    return check(launch(to.device.grid(permute_kernel<T>, count, kBlock), kBlock, 0, to.stream(), permute_kernel<T>,
                        from, to.input<int>(2), x, sides_.rows, sides_.columns, count, transpose_),
                 error, "luSolve");
  }

  const Matrices sides_;
  const bool transpose_;
  const std::unique_ptr<Kernel> lower_, upper_;
  Room room_;
  int64_t solved_ = 0, rest_ = 0;
};

}  // namespace

std::unique_ptr<Kernel> prepare_lu(const OpDesc& desc, Device& device) {
  const Matrices shape = lu_shape(desc);
  return dispatch_float(desc.in(0).dtype, [&](auto element) -> std::unique_ptr<Kernel> {
    return std::make_unique<LuKernel<decltype(element)>>(desc, device, shape);
  });
}

std::unique_ptr<Kernel> prepare_lu_solve(const OpDesc& desc, Device& device) {
  const Matrices sides = lu_solve_shape(desc);
  return dispatch_float(desc.in(0).dtype, [&](auto element) -> std::unique_ptr<Kernel> {
    return std::make_unique<LuSolveKernel<decltype(element)>>(desc, device, sides);
  });
}

}  // namespace cotangent::cuda
