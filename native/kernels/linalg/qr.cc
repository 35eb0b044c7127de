// qr: A [m, n] = Q R with Q [m, k], R [k, n], k = min(m, n), batched, row-major; the diagonal of R is not negative.
//
// LAPACK sees A^T: A^T = L Q' by Householder reflections, with L = R^T and Q' = Q^T in its column-major order, so
// nothing is transposed. Turning signs so that diag(R) >= 0 makes the factors of a matrix of full rank unique.
#include "native/backend/cpu/lapack.h"
#include "native/kernels/linalg/batch.h"
#include "native/kernels/linalg/linalg.h"

namespace cotangent::cpu {
namespace {

constexpr int kWorkRows = 64;  // LAPACK's block size at most: what its `work` is a multiple of

template <class T>
class QrKernel : public BatchKernel {
 public:
  QrKernel(const OpDesc& desc, const Matrices& shape)
      : BatchKernel(desc, shape.batch, 4.0 * shape.rows * shape.columns * shape.small(), sizeof(T),
                    aligned_bytes(shape.size() * static_cast<int64_t>(sizeof(T))) +
                        (1 + kWorkRows) * aligned_bytes(shape.columns * static_cast<int64_t>(sizeof(T)))),
        m_(shape.rows),
        n_(shape.columns),
        k_(shape.small()) {}

 private:
  void one(const Launch& launch, int64_t index, void* memory) const override {
    const int64_t size = static_cast<int64_t>(m_) * n_;
    T* const q = static_cast<T*>(launch.out[0]) + index * m_ * k_;
    T* const r = static_cast<T*>(launch.out[1]) + index * k_ * n_;
    const T* const a = static_cast<const T*>(launch.in[0]) + index * size;
    if (k_ == 0) return;
    if (!all_finite(a, size)) {
      fill_nan(q, static_cast<int64_t>(m_) * k_);
      fill_nan(r, static_cast<int64_t>(k_) * n_);
      return;
    }
    Scratch scratch(memory);
    T* const matrix = scratch.take<T>(size);
    T* const tau = scratch.take<T>(n_);
    T* const work = scratch.take<T>(static_cast<int64_t>(kWorkRows) * n_);
    std::copy_n(a, size, matrix);
    blas::gelqf(n_, m_, matrix, n_, tau, work, kWorkRows * n_);
    for (int64_t column = 0; column < m_; ++column) std::copy_n(matrix + column * n_, k_, q + column * k_);
    blas::orglq(k_, m_, k_, q, k_, tau, work, kWorkRows * n_);
    for (int64_t i = 0; i < k_; ++i) {
      const bool turn = matrix[i * n_ + i] < 0;
      for (int64_t j = 0; j < n_; ++j) {
        const T value = matrix[i * n_ + j];
        r[i * n_ + j] = j < i ? T(0) : turn ? -value : value;
      }
      if (turn) {
        for (int64_t row = 0; row < m_; ++row) q[row * k_ + i] = -q[row * k_ + i];
      }
    }
  }

  int m_, n_, k_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_qr(const OpDesc& desc) {
  const Matrices shape = qr_shape(desc);
  if (desc.in(0).dtype == CT_FLOAT32) return std::make_unique<QrKernel<float>>(desc, shape);
  return std::make_unique<QrKernel<double>>(desc, shape);
}

}  // namespace cotangent::cpu
