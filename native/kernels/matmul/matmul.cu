// matmul on a GPU: cuBLAS's products of matrices, one call for the whole batch; inner products by kernels of our own,
// because they are summed in double. The same operands give the same bits: the device has one stream, and cuBLAS's
// kernels for a shape are fixed then.
#include "native/backend/cuda/blas.h"
#include "native/backend/cuda/copy.h"
#include "native/backend/cuda/device_code.h"
#include "native/backend/cuda/dispatch.h"
#include "native/kernels/matmul/matmul.h"
#include "native/kernels/matmul/matmul_cuda.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kBlock = 256;

template <class T>
__global__ void __launch_bounds__(kBlock) scale_kernel(T* c, T factor, int64_t count) {
  for (int64_t i = grid_start(); i < count; i += grid_step()) c[i] *= factor;
}

template <class T>
class MatmulKernel : public Kernel {
 public:
  MatmulKernel(const OpDesc& desc, const MatmulShape& shape) : shape_(shape), form_(shape.form()) {
    estimated_ns = estimate_ns(traffic(desc), shape.flops());
    if (shape.beta != 0) in_place[0] = 1 << 2;
  }

  uint64_t workspace_bytes() const override {
    return form_ == MatmulForm::kDot ? dot_workspace(shape_.batch, shape_.k) : 0;
  }

  ct_code run(const Launch& to, ct_error* error) const override {
    const int64_t total = shape_.batch * shape_.results();
    const int64_t bytes = total * static_cast<int64_t>(sizeof(T));
    const T* const a = to.input<T>(0);
    const T* const b = to.input<T>(1);
    T* const c = to.output<T>(0);
    if (total == 0) return CT_OK;
    if (shape_.beta != 0) {
      const ct_code code = copy_on_device(to.device, c, to.in[2], bytes, error);
      if (code != CT_OK) return code;
    }
    switch (form_) {
      case MatmulForm::kZero:
        if (shape_.beta == 0) {
          return check(cudaMemsetAsync(c, 0, static_cast<size_t>(bytes), to.stream()), error, "cudaMemsetAsync");
        }
        return check(launch(to.device.grid(scale_kernel<T>, total, kBlock), kBlock, 0, to.stream(), scale_kernel<T>, c,
                            static_cast<T>(shape_.beta), total),
                     error, "matmul");
      case MatmulForm::kDot:
        return launch_dots(to.device, shape_.batch, shape_.k, a, b, c, static_cast<double*>(to.workspace), error);
      case MatmulForm::kVector:
        if (shape_.batch == 1) return multiply_vector(to.device, a, b, c, error);
        break;
      case MatmulForm::kMatrix:
        break;
    }
    const int64_t m = shape_.m, n = shape_.n, k = shape_.k;
    return blas::gemm<T>(to.device, shape_.batch, shape_.m, shape_.n, shape_.k, static_cast<T>(shape_.alpha),
                         {a, shape_.lda(), m * k, shape_.transpose_a}, {b, shape_.ldb(), k * n, shape_.transpose_b},
                         static_cast<T>(shape_.beta), {c, shape_.n, m * n}, error);
  }

 private:
  // A matrix and a column, or a row and a matrix: the row is a column on the right of the transpose.
  ct_code multiply_vector(Device& device, const T* a, const T* b, T* c, ct_error* error) const {
    cublasHandle_t handle = nullptr;
    if (const ct_code code = device.blas(&handle, error); code != CT_OK) return code;
    const bool left = shape_.n == 1;
    const T* const matrix = left ? a : b;
    const T* const vector = left ? b : a;
    const int row = left ? shape_.lda() : shape_.ldb(), rows = left ? shape_.m : shape_.n;
    const bool transposed = left ? shape_.transpose_a : !shape_.transpose_b;  // stored as [k, rows]
    const T one = 1, zero = 0;
    return check(blas::gemv(handle, transposed ? CUBLAS_OP_N : CUBLAS_OP_T, transposed ? rows : shape_.k,
                            transposed ? shape_.k : rows, &one, matrix, row, vector, &zero, c),
                 error, "cublasGemv");
  }

  const MatmulShape shape_;
  const MatmulForm form_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_matmul(const OpDesc& desc, Device&) {
  const MatmulShape shape(desc);
  return dispatch_float(shape.dtype, [&](auto element) -> std::unique_ptr<Kernel> {
    return std::make_unique<MatmulKernel<decltype(element)>>(desc, shape);
  });
}

}  // namespace cotangent::cuda
