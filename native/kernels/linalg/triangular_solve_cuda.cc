// triangularSolve on a GPU: cuBLAS's solve, of a batch of small systems in one call. A zero on the diagonal gives
// infinities and NaN, as the division does.
#include "native/backend/cuda/blas.h"
#include "native/backend/cuda/copy.h"
#include "native/backend/cuda/dispatch.h"
#include "native/kernels/linalg/linalg_cuda.h"
#include "native/kernels/linalg/matrices_cuda.h"

namespace cotangent::cuda {
namespace {

constexpr int kMostBatched = 512;  // order from which a single system fills the device

template <class T>
class TriangularSolveKernel : public Kernel {
 public:
  TriangularSolveKernel(const OpDesc& desc, const TriangularSystem& system)
      : system_(system), bytes_(byte_count(desc.in(1))) {
    estimated_ns = estimate_ns(traffic(desc), system.flops() * static_cast<double>(system.batch));
    in_place[0] = 2;
    if (!batched()) return;
    a_pointers_ = room_.take<const T*>(system.batch);
    x_pointers_ = room_.take<T*>(system.batch);
  }

  uint64_t workspace_bytes() const override { return room_.bytes(); }

  ct_code run(const Launch& to, ct_error* error) const override {
    const T* const a = to.input<T>(0);
    T* const x = to.output<T>(0);
    if (bytes_ == 0) return CT_OK;
    const ct_code copied = copy_on_device(to.device, x, to.in[1], bytes_, error);
    if (copied != CT_OK) return copied;
    cublasHandle_t handle = nullptr;
    if (const ct_code code = to.device.blas(&handle, error); code != CT_OK) return code;
    // cuBLAS's A is our A^T: x op(A) = b there for the left side, with the triangle turned over.
    const int n = system_.n, sides = system_.sides;
    const cublasSideMode_t side = system_.left ? CUBLAS_SIDE_RIGHT : CUBLAS_SIDE_LEFT;
    const cublasFillMode_t uplo = system_.lower ? CUBLAS_FILL_MODE_UPPER : CUBLAS_FILL_MODE_LOWER;
    const cublasOperation_t op = system_.transpose ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasDiagType_t diagonal = system_.unit ? CUBLAS_DIAG_UNIT : CUBLAS_DIAG_NON_UNIT;
    const int rows = system_.left ? sides : n, columns = system_.left ? n : sides;
    const int64_t a_size = static_cast<int64_t>(n) * n, x_size = static_cast<int64_t>(n) * sides;
    if (batched()) {
      const T** const a_pointers = part<const T*>(to.workspace, a_pointers_);
      T** const x_pointers = part<T*>(to.workspace, x_pointers_);
      const ct_code code = launch_pointers<T>(to.device, system_.batch, a, a_size, a_pointers, x, x_size,
                                              const_cast<const T**>(x_pointers), error);
      if (code != CT_OK) return code;
      return check(blas::trsm_batched(handle, side, uplo, op, diagonal, rows, columns, a_pointers, n, x_pointers, rows,
                                      static_cast<int>(system_.batch)),
                   error, "cublasTrsmBatched");
    }
    for (int64_t i = 0; i < system_.batch; ++i) {
      const ct_code code =
          check(blas::trsm(handle, side, uplo, op, diagonal, rows, columns, a + i * a_size, n, x + i * x_size, rows),
                error, "cublasTrsm");
      if (code != CT_OK) return code;
    }
    return CT_OK;
  }

 private:
  bool batched() const { return system_.batch > 1 && system_.n <= kMostBatched; }

  const TriangularSystem system_;
  const int64_t bytes_;
  Room room_;
  int64_t a_pointers_ = 0, x_pointers_ = 0;
};

}  // namespace

std::unique_ptr<Kernel> prepare_triangular_solve(const OpDesc& desc, Device&) {
  const TriangularSystem system(desc);
  return dispatch_float(system.dtype, [&](auto element) -> std::unique_ptr<Kernel> {
    return std::make_unique<TriangularSolveKernel<decltype(element)>>(desc, system);
  });
}

}  // namespace cotangent::cuda
