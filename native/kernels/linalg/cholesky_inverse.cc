// choleskyInverse: (L L^T)^-1 from L, batched, row-major; only L's lower triangle is read, the result is symmetric to
// the bit. 2/3 n^3 operations, where two triangular solves with the identity take 2 n^3.
//
// Batches are spread over the parts. A single large matrix goes by blocks: first the block columns of X = L^-1, each a
// triangular solve from its diagonal on, then the block rows of X^T X, each a product from its diagonal on; every part
// takes one block of a piece. A zero on the diagonal of L gives NaN everywhere.
#include "native/backend/cpu/blas.h"
#include "native/backend/cpu/lapack.h"
#include "native/kernels/linalg/batch.h"
#include "native/kernels/linalg/linalg.h"

namespace cotangent::cpu {
namespace {

constexpr int kBlockedSize = 192;
constexpr int kBlock = 64;

template <class T>
class CholeskyInverseKernel : public BatchKernel {
 public:
  CholeskyInverseKernel(const OpDesc& desc, const Matrices& shape)
      : BatchKernel(desc, shape.batch, 2.0 / 3 * shape.rows * shape.rows * shape.rows, sizeof(T), 0), n_(shape.rows) {}

  // X, of one matrix after the other.
  uint64_t workspace_bytes(int threads) const override {
    return in_blocks(threads) ? static_cast<uint64_t>(size()) * sizeof(T) : 0;
  }

  int pieces(int threads) const override {
    return in_blocks(threads) ? static_cast<int>(batch_) * 2 * groups(threads) : BatchKernel::pieces(threads);
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    const int threads = launch.parallel.threads();
    if (!in_blocks(threads)) {
      run_batch(launch, pieces(threads));
      return CT_OK;
    }
    const int count = groups(threads), index = launch.piece / (2 * count), step = launch.piece % (2 * count);
    const bool first = step < count;
    const T* const l = static_cast<const T*>(launch.in[0]) + index * size();
    T* const result = static_cast<T*>(launch.out[0]) + index * size();
    T* const x = static_cast<T*>(launch.workspace);
    const int from = (first ? step : step - count) * threads;
    launch.parallel.parts(std::min(threads, blocks() - from), [&](int part) {
      const int start = (from + part) * kBlock;
      if (first) {
        invert_columns(l, x, start);
      } else {
        multiply_rows(x, result, start);
      }
    });
    if (step + 1 == 2 * count && singular(l)) {
      fill_nan(result, size());
    } else if (step + 1 == 2 * count) {
      launch.parallel.range(n_, 64, 16, [&](int64_t begin, int64_t end) { mirror(result, begin, end); });
    }
    return CT_OK;
  }

 private:
  bool in_blocks(int threads) const { return n_ >= kBlockedSize && batch_ < threads; }
  int blocks() const { return (n_ + kBlock - 1) / kBlock; }
  int groups(int threads) const { return (blocks() + threads - 1) / threads; }
  int64_t size() const { return static_cast<int64_t>(n_) * n_; }

  bool singular(const T* l) const {
    for (int64_t i = 0; i < n_; ++i) {
      if (l[i * n_ + i] == 0) return true;
    }
    return false;
  }

  void one(const Launch& launch, int64_t index, void*) const override {
    const T* const l = static_cast<const T*>(launch.in[0]) + index * size();
    T* const result = static_cast<T*>(launch.out[0]) + index * size();
    if (n_ == 0) return;
    if (singular(l)) return fill_nan(result, size());
    for (int64_t i = 0; i < n_; ++i) std::copy_n(l + i * n_, i + 1, result + i * n_);
    if (blas::potri(n_, result, n_) != 0) fill_nan(result, size());
    mirror(result, 0, n_);
  }

  // Columns [start, start + width) of X: L X = I, from row `start` on.
  void invert_columns(const T* l, T* x, int start) const {
    const int width = std::min(kBlock, n_ - start), rows = n_ - start;
    const int64_t corner = static_cast<int64_t>(start) * n_ + start;
    for (int64_t i = 0; i < rows; ++i) {
      std::fill_n(x + corner + i * n_, width, T(0));
      if (i < width) x[corner + i * n_ + i] = 1;
    }
    blas::trsm('R', 'U', 'N', 'N', width, rows, l + corner, n_, x + corner, n_);
  }

  // Rows [start, start + width) of X^T X up to the diagonal block: X is zero above row `start` there.
  void multiply_rows(const T* x, T* result, int start) const {
    const int width = std::min(kBlock, n_ - start);
    const int64_t row = static_cast<int64_t>(start) * n_;
    blas::gemm(true, false, width, start + width, n_ - start, T(1), x + row + start, n_, x + row, n_, T(0),
               result + row, n_);
  }

  // Rows [begin, end) right of the diagonal from the columns below it.
  void mirror(T* a, int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t j = i + 1; j < n_; ++j) a[i * n_ + j] = a[j * n_ + i];
    }
  }

  int n_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_cholesky_inverse(const OpDesc& desc) {
  const Matrices shape = cholesky_inverse_shape(desc);
  if (desc.in(0).dtype == CT_FLOAT32) return std::make_unique<CholeskyInverseKernel<float>>(desc, shape);
  return std::make_unique<CholeskyInverseKernel<double>>(desc, shape);
}

}  // namespace cotangent::cpu
