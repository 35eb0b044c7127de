// lu: A[permutation] = L U with row pivoting, batched, row-major; L (unit diagonal, not stored) and U share one matrix.
//
// LAPACK sees column-major matrices and pivots rows, so the factorisation runs on a transposed copy and is transposed
// back. Batches are spread over the parts. A single large matrix is factored block column by block column
// (right-looking): the panel by LAPACK, and what it changes to its right (row swaps, a triangular solve and a product)
// cut over columns. Swaps to the left wait for the end. A zero pivot is reported in `info` and leaves the factors as
// they are (the determinant is zero); a matrix with NaN or infinity becomes NaN.
#include <cstring>
#include <vector>

#include "native/backend/cpu/blas.h"
#include "native/backend/cpu/lapack.h"
#include "native/kernels/linalg/batch.h"
#include "native/kernels/linalg/linalg.h"

namespace cotangent::cpu {
namespace {

constexpr int kBlockedSize = 384;
constexpr int kBlock = 64;

template <class T>
class LuKernel : public BatchKernel {
 public:
  LuKernel(const OpDesc& desc, const Matrices& shape)
      : BatchKernel(desc, shape.batch, 2.0 / 3 * shape.rows * shape.rows * shape.rows, sizeof(T),
                    aligned_bytes(shape.size() * static_cast<int64_t>(sizeof(T))) +
                        shape.rows * static_cast<int64_t>(sizeof(int))),
        n_(shape.rows) {
    in_place[0] = 1;
  }

  int pieces(int threads) const override {
    if (in_blocks(threads)) return static_cast<int>(batch_) * (blocks() + 1);
    return BatchKernel::pieces(threads);
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    if (!in_blocks(launch.parallel.threads())) {
      run_batch(launch, pieces(launch.parallel.threads()));
      return CT_OK;
    }
    // The matrix being factored stays in the workspace from the first of its pieces to the last.
    const int index = launch.piece / (blocks() + 1), step = launch.piece % (blocks() + 1);
    Scratch scratch(launch.workspace);
    T* const matrix = scratch.take<T>(size());
    int* const pivots = scratch.take<int>(n_);
    if (step == 0) {
      const T* const a = static_cast<const T*>(launch.in[0]) + index * size();
      launch.parallel.range(n_, 64, 16, [&](int64_t begin, int64_t end) { transpose_rows(matrix, a, begin, end); });
    }
    if (step < blocks()) {
      factor_block(launch.parallel, matrix, pivots, step * kBlock);
    } else {
      launch.parallel.range(blocks(), 1, 1, [&](int64_t begin, int64_t end) {
        for (int64_t block = begin; block < end; ++block) {
          const int start = static_cast<int>(block) * kBlock, next = std::min(n_, start + kBlock);
          if (next < n_) blas::laswp(next - start, at(matrix, 0, start), n_, next + 1, n_, pivots);
        }
      });
      finish(launch, index, matrix, pivots);
    }
    return CT_OK;
  }

 private:
  void one(const Launch& launch, int64_t index, void* memory) const override {
    Scratch scratch(memory);
    T* const matrix = scratch.take<T>(size());
    int* const pivots = scratch.take<int>(n_);
    transpose_matrix(matrix, static_cast<const T*>(launch.in[0]) + index * size(), n_, n_);
    if (n_ > 0) blas::getrf(n_, n_, matrix, n_, pivots);
    finish(launch, index, matrix, pivots);
  }

  bool in_blocks(int threads) const { return n_ >= kBlockedSize && batch_ < threads; }
  int blocks() const { return (n_ + kBlock - 1) / kBlock; }
  int64_t size() const { return static_cast<int64_t>(n_) * n_; }
  T* at(T* matrix, int64_t row, int64_t column) const { return matrix + column * n_ + row; }

  // Rows [begin, end) of row-major `a` as columns.
  void transpose_rows(T* matrix, const T* a, int64_t begin, int64_t end) const {
    for (int64_t j = 0; j < n_; j += 32) {
      for (int64_t i = begin; i < end; i += 32) {
        transpose_tile(matrix + j * n_ + i, n_, a + i * n_ + j, n_, std::min<int64_t>(32, end - i),
                       std::min<int64_t>(32, n_ - j));
      }
    }
  }

  // One block column, and what it changes in the ones after it.
  void factor_block(Parallel& parallel, T* matrix, int* pivots, int start) const {
    const int width = std::min(kBlock, n_ - start), next = start + width, rest = n_ - next;
    blas::getrf(n_ - start, width, at(matrix, start, start), n_, pivots + start);
    for (int i = start; i < next; ++i) pivots[i] += start;
    const double column_flops = 2.0 * width * rest;
    const int64_t grain = std::max<int64_t>(8, static_cast<int64_t>(kPartFlops / std::max(1.0, column_flops)));
    parallel.range(rest, grain, 8, [&](int64_t begin, int64_t end) {
      const int columns = static_cast<int>(end - begin);
      T* const right = at(matrix, 0, next + begin);
      blas::laswp(columns, right, n_, start + 1, next, pivots);
      blas::trsm('L', 'L', 'N', 'U', width, columns, at(matrix, start, start), n_, right + start, n_);
      blas::gemm(false, false, columns, rest, width, T(-1), right + start, n_, at(matrix, next, start), n_, T(1),
                 right + next, n_);
    });
  }

  void finish(const Launch& launch, int64_t index, const T* matrix, const int* pivots) const {
    T* const factors = static_cast<T*>(launch.out[0]) + index * size();
    int32_t* const permutation = static_cast<int32_t*>(launch.out[1]) + index * n_;
    transpose_matrix(factors, matrix, n_, n_);
    for (int i = 0; i < n_; ++i) permutation[i] = i;
    const bool finite = all_finite(factors, size());
    if (!finite) fill_nan(factors, size());
    bool odd = false;
    for (int i = 0; i < n_ && finite; ++i) {
      if (pivots[i] - 1 == i) continue;
      std::swap(permutation[i], permutation[pivots[i] - 1]);
      odd = !odd;
    }
    int32_t info = finite ? 0 : n_;
    for (int i = 0; i < n_ && info == 0; ++i) {
      if (factors[static_cast<int64_t>(i) * n_ + i] == T(0)) info = i + 1;
    }
    static_cast<int32_t*>(launch.out[2])[index] = odd ? -1 : 1;
    static_cast<int32_t*>(launch.out[3])[index] = info;
  }

  int n_;
};

// luSolve: op(A) x = b from the factors. Two triangular solves in a row, each cut as the kernel of that name cuts it.
class LuSolveKernel : public Kernel {
 public:
  LuSolveKernel(const OpDesc& desc, bool transpose) : transpose_(transpose) {
    const ct_type &factors = desc.in(1), &b = desc.in(3);
    batch_ = product(b, 0, b.rank - 2);
    n_ = b.dims[b.rank - 2];
    row_bytes_ = b.dims[b.rank - 1] * element_bytes(b.dtype);
    bytes_ = byte_count(b);
    lower_ = half(factors, b, true);
    upper_ = half(factors, b, false);
    estimated_ns = lower_->estimated_ns + upper_->estimated_ns;
  }

  int pieces(int threads) const override { return lower_->pieces(threads) + upper_->pieces(threads); }

  uint64_t workspace_bytes(int threads) const override {
    return static_cast<uint64_t>(transpose_ ? aligned_bytes(bytes_) : 0) +
           std::max(lower_->workspace_bytes(threads), upper_->workspace_bytes(threads));
  }

  ct_code run(const Launch& launch, ct_error* error) const override {
    const int32_t* const permutation = static_cast<const int32_t*>(launch.in[2]);
    const auto* const b = static_cast<const std::byte*>(launch.in[3]);
    auto* const x = static_cast<std::byte*>(launch.out[0]);
    if (bytes_ == 0) return CT_OK;
    // A[permutation] = L U: the rows of b are permuted before the solves, or those of x after the transposed ones.
    std::byte* const solved = transpose_ ? static_cast<std::byte*>(launch.workspace) : x;
    void* const rest = static_cast<std::byte*>(launch.workspace) + (transpose_ ? aligned_bytes(bytes_) : 0);
    const Kernel &first = transpose_ ? *upper_ : *lower_, &second = transpose_ ? *lower_ : *upper_;
    const int threads = launch.parallel.threads(), before = first.pieces(threads);
    if (launch.piece == 0 && !transpose_) {
      move_rows(launch.parallel, permutation, [&](int64_t row, int64_t target) { copy_row(x, row, b, target); });
    }
    const bool beginning = launch.piece < before;
    const void* const in[] = {launch.in[1], launch.piece == 0 && transpose_ ? b : solved};
    void* const out[] = {solved};
    const ct_code code = beginning ? first.run({in, out, rest, launch.parallel, launch.piece}, error)
                                   : second.run({in, out, rest, launch.parallel, launch.piece - before}, error);
    if (code != CT_OK || !transpose_ || launch.piece + 1 < pieces(threads)) return code;
    move_rows(launch.parallel, permutation, [&](int64_t row, int64_t target) { copy_row(x, target, solved, row); });
    return CT_OK;
  }

 private:
  std::unique_ptr<Kernel> half(const ct_type& factors, const ct_type& b, bool lower) const {
    const ct_type in[] = {factors, b};
    const double params[] = {1, lower ? 1.0 : 0.0, transpose_ ? 1.0 : 0.0, lower ? 1.0 : 0.0};
    return prepare_triangular_solve(OpDesc({"triangularSolve", 2, 1, 4, in, &b, params, nullptr}));
  }

  // f(row, permutation of row) for all rows of all matrices, counted through the batch. No row outside is touched.
  template <class F>
  void move_rows(Parallel& parallel, const int32_t* permutation, F&& f) const {
    const int64_t grain = std::max<int64_t>(1, 64 * 1024 / std::max<int64_t>(1, row_bytes_));
    parallel.range(batch_ * n_, grain, 1, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int64_t target = std::clamp<int64_t>(permutation[row], 0, n_ - 1);
        f(row, row / n_ * n_ + target);
      }
    });
  }

  void copy_row(std::byte* to, int64_t to_row, const std::byte* from, int64_t from_row) const {
    std::memcpy(to + to_row * row_bytes_, from + from_row * row_bytes_, static_cast<size_t>(row_bytes_));
  }

  bool transpose_;
  int64_t batch_, n_, row_bytes_, bytes_;
  std::unique_ptr<Kernel> lower_, upper_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_lu(const OpDesc& desc) {
  const Matrices shape = lu_shape(desc);
  if (desc.in(0).dtype == CT_FLOAT32) return std::make_unique<LuKernel<float>>(desc, shape);
  return std::make_unique<LuKernel<double>>(desc, shape);
}

std::unique_ptr<Kernel> prepare_lu_solve(const OpDesc& desc) {
  lu_solve_shape(desc);
  return std::make_unique<LuSolveKernel>(desc, flag(desc, 0, "transpose"));
}

}  // namespace cotangent::cpu
