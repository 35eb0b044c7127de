// svd and singularValues on a GPU: cuSOLVER's QR iteration, or its batched Jacobi method for small matrices of a batch,
// scaled like on the CPU.
//
// The library sees column-major matrices, tall ones only in its QR iteration. A wide A is its own tall transpose there,
// A^T = V diag(s) U^T, as it is for the Jacobi method whatever its form; a tall A is transposed first. Pairs of vectors
// are turned by the rule of orientation.h on the way back. A matrix with NaN or infinity is decomposed as zeros and
// becomes NaN.
#include "native/backend/cuda/dispatch.h"
#include "native/backend/cuda/solver.h"
#include "native/kernels/linalg/linalg_cuda.h"
#include "native/kernels/linalg/matrices_cuda.h"

namespace cotangent::cuda {
namespace {

constexpr int kMostBatched = 32;  // the most rows or columns that the batched Jacobi method takes

struct Settings {
  Settings() { require(cusolverDnCreateGesvdjInfo(&value), "cusolverDnCreateGesvdjInfo"); }
  ~Settings() { cusolverDnDestroyGesvdjInfo(value); }
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;
  gesvdjInfo_t value = nullptr;
};

template <class T>
class SvdKernel : public Kernel {
 public:
  SvdKernel(const OpDesc& desc, Device& device, const Matrices& shape, bool vectors)
      : shape_(shape),
        batch_(shape.batch),
        m_(shape.rows),
        n_(shape.columns),
        k_(shape.small()),
        vectors_(vectors),
        turned_(m_ > n_ && !batched()),
        left_(turned_ ? m_ : n_),
        right_(turned_ ? n_ : m_) {
    estimated_ns =
        estimate_ns(traffic(desc), (vectors ? 22.0 : 8.0 / 3) * static_cast<double>(batch_ * shape.size()) * k_);
    if (batch_ == 0 || k_ == 0) return;
    matrix_ = room_.take<T>(batch_ * shape.size());
    values_ = room_.take<T>(batch_ * k_);
    scale_ = room_.take<T>(batch_);
    largest_ = room_.take<T>(batch_);
    signs_ = room_.take<T>(vectors ? batch_ * k_ : 0);
    // The library's left and right vectors; without `vectors` the batched method wants room all the same.
    left_vectors_ = room_.take<T>(vectors || batched() ? batch_ * left_size() : 0);
    right_vectors_ = room_.take<T>(vectors || batched() ? batch_ * right_size() : 0);
    info_ = room_.take<int>(batch_);
    found_ = room_.take<int>(batch_);
    const cusolverDnHandle_t handle = solver::required_handle(device);
    const T* const none = nullptr;
    if (batched()) {
      settings_ = std::make_unique<Settings>();
      require(solver::gesvdj_batched_size(handle, job(), left_, right_, none, &work_size_, settings_->value,
                                          static_cast<int>(batch_)),
              "cusolverDnGesvdjBatched_bufferSize");
    } else {
      require(solver::gesvd_size(handle, left_, right_, none, &work_size_), "cusolverDnGesvd_bufferSize");
    }
    work_ = room_.take<T>(work_size_);
  }

  uint64_t workspace_bytes() const override { return room_.bytes(); }

  ct_code run(const Launch& to, ct_error* error) const override {
    int* const info = to.output<int>(vectors_ ? 3 : 1);
    if (batch_ == 0) return CT_OK;
    if (k_ == 0) {
      return check(cudaMemsetAsync(info, 0, static_cast<size_t>(batch_) * sizeof(int), to.stream()), error,
                   "cudaMemsetAsync");
    }
    T* const matrix = part<T>(to.workspace, matrix_);
    T* const values = part<T>(to.workspace, values_);
    T* const scale = part<T>(to.workspace, scale_);
    int* const not_finite = part<int>(to.workspace, info_);
    ct_code code = launch_condition<T>(to.device, batch_, shape_.size(), to.input<T>(0), true, scale, not_finite,
                                       part<T>(to.workspace, largest_), error);
    if (code != CT_OK) return code;
    const Placement rows{n_, shape_.size()}, columns{turned_ ? m_ : n_, shape_.size()};
    code = launch_arrange<T>(to.device, turned_, batch_, m_, n_, to.input<T>(0), rows, matrix, columns,
                             {scale, 1, 0, 0}, error);
    if (code == CT_OK) code = decompose(to, matrix, values, error);
    if (code != CT_OK) return code;
    code = launch_values<T>(to.device, batch_, k_, values, scale, part<int>(to.workspace, found_), not_finite,
                            to.output<T>(vectors_ ? 1 : 0), info, error);
    return code == CT_OK && vectors_ ? bring_vectors(to, info, error) : code;
  }

 private:
  bool batched() const { return batch_ > 1 && m_ <= kMostBatched && n_ <= kMostBatched; }
  cusolverEigMode_t job() const { return vectors_ ? CUSOLVER_EIG_MODE_VECTOR : CUSOLVER_EIG_MODE_NOVECTOR; }

  // The Jacobi method gives square U and V, the other U [left, k] and V^T [k, k]; k = right there.
  int64_t left_size() const { return static_cast<int64_t>(left_) * (batched() ? left_ : k_); }
  int64_t right_size() const { return static_cast<int64_t>(right_) * right_; }

  ct_code decompose(const Launch& to, T* matrix, T* values, ct_error* error) const {
    cusolverDnHandle_t handle = nullptr;
    if (const ct_code code = to.device.solver(&handle, error); code != CT_OK) return code;
    T* const work = part<T>(to.workspace, work_);
    T* const left = part<T>(to.workspace, left_vectors_);
    T* const right = part<T>(to.workspace, right_vectors_);
    int* const found = part<int>(to.workspace, found_);
    if (batched()) {
      return check(solver::gesvdj_batched(handle, job(), left_, right_, matrix, values, left, right, work, work_size_,
                                          found, settings_->value, static_cast<int>(batch_)),
                   error, "cusolverDnGesvdjBatched");
    }
    for (int64_t i = 0; i < batch_; ++i) {
      T* const u = vectors_ ? left + i * left_size() : nullptr;
      T* const vt = vectors_ ? right + i * right_size() : nullptr;
      const ct_code code = check(solver::gesvd(handle, vectors_ ? 'S' : 'N', left_, right_, matrix + i * shape_.size(),
                                               values + i * k_, u, vt, work, work_size_, found + i),
                                 error, "cusolverDnGesvd");
      if (code != CT_OK) return code;
    }
    return CT_OK;
  }

  // Component i of vector j is at data[matrix * stride + j * vector + i * component].
  struct Side {
    const T* data;
    int64_t stride, vector, component, length;
  };

  ct_code bring_vectors(const Launch& to, const int* info, ct_error* error) const {
    T* const signs = part<T>(to.workspace, signs_);
    // The library's left vectors are columns; its right ones are columns of V, or rows of V^T.
    const Side left{part<T>(to.workspace, left_vectors_), left_size(), left_, 1, left_};
    const int64_t vector = batched() ? right_ : 1, component = batched() ? 1 : right_;
    const Side right{part<T>(to.workspace, right_vectors_), right_size(), vector, component, right_};
    const Side &u = turned_ ? left : right, &v = turned_ ? right : left;
    ct_code code = launch_orientation<T>(to.device, batch_, k_, u.length, u.data, u.stride, u.vector, u.component, info,
                                         signs, error);
    if (code == CT_OK) code = arrange(to, u, signs, false, to.output<T>(0), error);
    return code == CT_OK ? arrange(to, v, signs, true, to.output<T>(2), error) : code;
  }

  // Vectors as the rows or the columns of a row-major result.
  ct_code arrange(const Launch& to, const Side& from, const T* signs, bool as_rows, T* result, ct_error* error) const {
    const bool rows_now = from.component == 1;  // seen as row-major, a vector is a row
    const Placement from_at{rows_now ? from.vector : from.component, from.stride};
    const Placement to_at{as_rows ? from.length : k_, from.length * k_};
    const Factors<T> factors{signs, k_, rows_now ? 1 : 0, rows_now ? 0 : 1};
    return launch_arrange<T>(to.device, rows_now != as_rows, batch_, rows_now ? k_ : from.length,
                             rows_now ? from.length : k_, from.data, from_at, result, to_at, factors, error);
  }

  const Matrices shape_;
  const int64_t batch_;
  const int m_, n_, k_;
  const bool vectors_, turned_;  // turned: the library sees A, else A^T
  const int left_, right_;       // rows and columns of what it sees
  std::unique_ptr<Settings> settings_;
  Room room_;
  int64_t matrix_ = 0, values_ = 0, scale_ = 0, largest_ = 0, signs_ = 0, left_vectors_ = 0, right_vectors_ = 0;
  int64_t info_ = 0, found_ = 0, work_ = 0;
  int work_size_ = 0;
};

std::unique_ptr<Kernel> prepare(const OpDesc& desc, Device& device, bool vectors) {
  const Matrices shape = svd_shape(desc, vectors);
  return dispatch_float(desc.in(0).dtype, [&](auto element) -> std::unique_ptr<Kernel> {
    return std::make_unique<SvdKernel<decltype(element)>>(desc, device, shape, vectors);
  });
}

}  // namespace

std::unique_ptr<Kernel> prepare_svd(const OpDesc& desc, Device& device) { return prepare(desc, device, true); }
std::unique_ptr<Kernel> prepare_singular_values(const OpDesc& desc, Device& device) {
  return prepare(desc, device, false);
}

}  // namespace cotangent::cuda
