// eigh and eigenvalues on a GPU: cuSOLVER's divide and conquer, or its batched Jacobi method for small matrices of a
// batch, of (A + A^T) / 2, scaled like on the CPU. Vectors are turned by the rule of orientation.h on the way back to
// row-major order. A matrix with NaN or infinity is decomposed as zeros and becomes NaN.
#include "native/backend/cuda/dispatch.h"
#include "native/backend/cuda/solver.h"
#include "native/kernels/linalg/linalg_cuda.h"
#include "native/kernels/linalg/matrices_cuda.h"

namespace cotangent::cuda {
namespace {

constexpr int kMostBatched = 32;  // order up to which the Jacobi method is the faster one

struct Settings {
  Settings() { require(cusolverDnCreateSyevjInfo(&value), "cusolverDnCreateSyevjInfo"); }
  ~Settings() { cusolverDnDestroySyevjInfo(value); }
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;
  syevjInfo_t value = nullptr;
};

template <class T>
class EighKernel : public Kernel {
 public:
  EighKernel(const OpDesc& desc, Device& device, const Matrices& shape, bool vectors)
      : batch_(shape.batch), n_(shape.rows), vectors_(vectors) {
    const double n = n_;
    estimated_ns = estimate_ns(traffic(desc), (vectors ? 9.0 : 4.0 / 3) * n * n * n * static_cast<double>(batch_));
    if (batch_ == 0 || n_ == 0) return;
    matrix_ = room_.take<T>(batch_ * n_ * n_);
    values_ = room_.take<T>(batch_ * n_);
    scale_ = room_.take<T>(batch_);
    largest_ = room_.take<T>(batch_);
    signs_ = room_.take<T>(vectors ? batch_ * n_ : 0);
    info_ = room_.take<int>(batch_);
    found_ = room_.take<int>(batch_);
    const cusolverDnHandle_t handle = solver::required_handle(device);
    const T* const none = nullptr;
    if (batched()) {
      settings_ = std::make_unique<Settings>();
      require(solver::syevj_batched_size(handle, job(), n_, none, none, &work_size_, settings_->value,
                                         static_cast<int>(batch_)),
              "cusolverDnSyevjBatched_bufferSize");
    } else {
      require(solver::syevd_size(handle, job(), n_, none, none, &work_size_), "cusolverDnSyevd_bufferSize");
    }
    work_ = room_.take<T>(work_size_);
  }

  uint64_t workspace_bytes() const override { return room_.bytes(); }

  ct_code run(const Launch& to, ct_error* error) const override {
    int* const info = to.output<int>(vectors_ ? 2 : 1);
    if (batch_ == 0) return CT_OK;
    if (n_ == 0) {
      return check(cudaMemsetAsync(info, 0, static_cast<size_t>(batch_) * sizeof(int), to.stream()), error,
                   "cudaMemsetAsync");
    }
    const int64_t size = static_cast<int64_t>(n_) * n_;
    T* const matrix = part<T>(to.workspace, matrix_);
    T* const values = part<T>(to.workspace, values_);
    T* const scale = part<T>(to.workspace, scale_);
    int* const not_finite = part<int>(to.workspace, info_);
    ct_code code = launch_condition<T>(to.device, batch_, size, to.input<T>(0), true, scale, not_finite,
                                       part<T>(to.workspace, largest_), error);
    if (code == CT_OK) code = launch_symmetric_part<T>(to.device, batch_, n_, to.input<T>(0), matrix, scale, error);
    if (code == CT_OK) code = decompose(to, matrix, values, error);
    if (code != CT_OK) return code;
    code = launch_values<T>(to.device, batch_, n_, values, scale, part<int>(to.workspace, found_), not_finite,
                            to.output<T>(0), info, error);
    if (code != CT_OK || !vectors_) return code;
    T* const signs = part<T>(to.workspace, signs_);
    code = launch_orientation<T>(to.device, batch_, n_, n_, matrix, size, n_, 1, info, signs, error);
    if (code != CT_OK) return code;
    return launch_arrange<T>(to.device, true, batch_, n_, n_, matrix, {n_, size}, to.output<T>(1), {n_, size},
                             {signs, n_, 1, 0}, error);
  }

 private:
  bool batched() const { return batch_ > 1 && n_ <= kMostBatched; }
  cusolverEigMode_t job() const { return vectors_ ? CUSOLVER_EIG_MODE_VECTOR : CUSOLVER_EIG_MODE_NOVECTOR; }

  ct_code decompose(const Launch& to, T* matrix, T* values, ct_error* error) const {
    cusolverDnHandle_t handle = nullptr;
    if (const ct_code code = to.device.solver(&handle, error); code != CT_OK) return code;
    T* const work = part<T>(to.workspace, work_);
    int* const found = part<int>(to.workspace, found_);
    if (batched()) {
      return check(solver::syevj_batched(handle, job(), n_, matrix, values, work, work_size_, found, settings_->value,
                                         static_cast<int>(batch_)),
                   error, "cusolverDnSyevjBatched");
    }
    for (int64_t i = 0; i < batch_; ++i) {
      const ct_code code =
          check(solver::syevd(handle, job(), n_, matrix + i * n_ * n_, values + i * n_, work, work_size_, found + i),
                error, "cusolverDnSyevd");
      if (code != CT_OK) return code;
    }
    return CT_OK;
  }

  const int64_t batch_;
  const int n_;
  const bool vectors_;
  std::unique_ptr<Settings> settings_;
  Room room_;
  int64_t matrix_ = 0, values_ = 0, scale_ = 0, largest_ = 0, signs_ = 0, info_ = 0, found_ = 0, work_ = 0;
  int work_size_ = 0;
};

std::unique_ptr<Kernel> prepare(const OpDesc& desc, Device& device, bool vectors) {
  const Matrices shape = eigh_shape(desc, vectors);
  return dispatch_float(desc.in(0).dtype, [&](auto element) -> std::unique_ptr<Kernel> {
    return std::make_unique<EighKernel<decltype(element)>>(desc, device, shape, vectors);
  });
}

}  // namespace

std::unique_ptr<Kernel> prepare_eigh(const OpDesc& desc, Device& device) { return prepare(desc, device, true); }
std::unique_ptr<Kernel> prepare_eigenvalues(const OpDesc& desc, Device& device) { return prepare(desc, device, false); }

}  // namespace cotangent::cuda
