// eigh: A = V diag(w) V^T of the symmetric matrix (A + A^T) / 2, eigenvalues ascending, batched, row-major, by LAPACK's
// divide and conquer. eigenvalues: w alone.
//
// Batches are spread over the parts. A single large matrix is reduced to tridiagonal form, decomposed there and its
// eigenvectors transformed back in three pieces, the last of them cut over eigenvectors. Eigenvectors are unique up to
// their sign: the first component of nearly the largest magnitude is made positive, so that it does not depend on
// the algorithm. A matrix with NaN or infinity, or without convergence, becomes NaN, with info > 0.
#include "native/backend/cpu/lapack.h"
#include "native/kernels/linalg/batch.h"
#include "native/kernels/linalg/linalg.h"
#include "native/kernels/linalg/orientation.h"

namespace cotangent::cpu {
namespace {

constexpr int kSplitSize = 160;   // from here on the back-transformation of one matrix is worth more than one thread
constexpr int kWorkRows = 64;     // LAPACK's block size at most: what sytrd's `work` is a multiple of
constexpr int kBackColumns = 40;  // eigenvectors that a part transforms back, at least
// What ormtr takes for each of them: a block of 32 rows, and a share of its triangular factors (4,160).
constexpr int kBackWork = 32 + 4160 / kBackColumns;

template <class T>
class EighKernel : public BatchKernel {
 public:
  EighKernel(const OpDesc& desc, const Matrices& shape, bool vectors)
      : BatchKernel(desc, shape.batch, (vectors ? 9.0 : 4.0 / 3) * shape.rows * shape.rows * shape.rows, sizeof(T),
                    scratch_size(shape.rows)),
        n_(shape.rows),
        vectors_(vectors) {}

  int pieces(int threads) const override {
    if (split(threads)) return static_cast<int>(batch_) * 3;
    return BatchKernel::pieces(threads);
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    const int threads = launch.parallel.threads();
    if (!split(threads)) {
      run_batch(launch, pieces(threads));
      return CT_OK;
    }
    const int64_t index = launch.piece / 3;
    const Parts parts(launch.workspace, n_);
    T* const w = values(launch, index);
    int32_t& info = info_of(launch, index);
    switch (launch.piece % 3) {
      case 0:
        info = symmetrise(parts.matrix, a_of(launch, index)) ? 0 : 1;
        if (info == 0) multiply_by(parts.matrix, size(), scale_of(launch, index));
        if (info == 0) blas::sytrd(n_, parts.matrix, n_, w, parts.off_diagonal, parts.tau, parts.work, kWorkRows * n_);
        break;
      case 1:
        if (info == 0)
          info = blas::stedc(n_, w, parts.off_diagonal, vectors_of(launch, index), n_, parts.work, parts.integers);
        break;
      default:
        if (info == 0) transform_back(launch, index, parts);
        if (info == 0) multiply_by(w, n_, 1 / scale_of(launch, index));
        fail_or_keep(launch, index);
    }
    return CT_OK;
  }

 private:
  struct Parts {
    Parts(void* memory, int n) {
      Scratch scratch(memory);
      matrix = scratch.take<T>(static_cast<int64_t>(n) * n);
      off_diagonal = scratch.take<T>(n);
      tau = scratch.take<T>(n);
      work = scratch.take<T>(work_count(n));
      integers = scratch.take<int>(blas::eigen_integers(n));
    }
    T *matrix, *off_diagonal, *tau, *work;
    int* integers;
  };

  static int64_t work_count(int n) { return std::max<int64_t>(blas::eigen_work(n), int64_t{kWorkRows} * n); }
  static int64_t scratch_size(int n) {
    const auto bytes = [](int64_t count) { return aligned_bytes(count * static_cast<int64_t>(sizeof(T))); };
    return bytes(static_cast<int64_t>(n) * n) + 2 * bytes(n) + bytes(work_count(n)) +
           aligned_bytes(blas::eigen_integers(n) * static_cast<int64_t>(sizeof(int)));
  }

  bool split(int threads) const { return vectors_ && n_ >= kSplitSize && batch_ < threads; }
  int64_t size() const { return static_cast<int64_t>(n_) * n_; }
  const T* a_of(const Launch& launch, int64_t index) const {
    return static_cast<const T*>(launch.in[0]) + index * size();
  }
  T* values(const Launch& launch, int64_t index) const { return static_cast<T*>(launch.out[0]) + index * n_; }
  T* vectors_of(const Launch& launch, int64_t index) const { return static_cast<T*>(launch.out[1]) + index * size(); }
  int32_t& info_of(const Launch& launch, int64_t index) const {
    return static_cast<int32_t*>(launch.out[vectors_ ? 2 : 1])[index];
  }

  T scale_of(const Launch& launch, int64_t index) const {
    return safe_scale(largest_magnitude(a_of(launch, index), size()));
  }

  // The lower triangle, as LAPACK sees it, of (A + A^T) / 2; false if an element is not finite.
  bool symmetrise(T* matrix, const T* a) const {
    for (int64_t i = 0; i < n_; ++i) {
      for (int64_t j = 0; j <= i; ++j) matrix[j * n_ + i] = a[i * n_ + j] / 2 + a[j * n_ + i] / 2;
      for (int64_t j = i + 1; j < n_; ++j) matrix[j * n_ + i] = 0;
    }
    return all_finite(matrix, size());
  }

  void one(const Launch& launch, int64_t index, void* memory) const override {
    const Parts parts(memory, n_);
    int32_t& info = info_of(launch, index);
    info = 0;
    if (n_ == 0) return;
    if (!symmetrise(parts.matrix, a_of(launch, index))) {
      info = 1;
    } else {
      info = blas::syevd(vectors_, n_, parts.matrix, n_, values(launch, index), parts.work, parts.integers);
    }
    if (vectors_ && info == 0) {
      orient_columns(parts.matrix, n_, n_, n_);
      transpose_matrix(vectors_of(launch, index), parts.matrix, n_, n_);
    }
    fail_or_keep(launch, index);
  }

  void fail_or_keep(const Launch& launch, int64_t index) const {
    if (info_of(launch, index) == 0) return;
    fill_nan(values(launch, index), n_);
    if (vectors_) fill_nan(vectors_of(launch, index), size());
  }

  // Every part transforms its eigenvectors with LAPACK's reflectors. The eigenvectors pass through the workspace that
  // divide and conquer is done with, as the columns of a matrix.
  void transform_back(const Launch& launch, int64_t index, const Parts& parts) const {
    T* const vectors = vectors_of(launch, index);
    T* const columns = parts.work;
    T* const work = columns + size();
    launch.parallel.range(n_, kBackColumns, 8, [&](int64_t begin, int64_t end) {
      const int count = static_cast<int>(end - begin);
      std::copy(vectors + begin * n_, vectors + end * n_, columns + begin * n_);
      blas::ormtr(n_, count, parts.matrix, n_, parts.tau, columns + begin * n_, n_, work + begin * kBackWork,
                  count * kBackWork);
      orient_columns(columns + begin * n_, n_, count, n_);
    });
    launch.parallel.range(n_, 64, 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i += 16) {
        for (int64_t j = 0; j < n_; j += 16) {
          transpose_tile(vectors + i * n_ + j, n_, columns + j * n_ + i, n_, std::min<int64_t>(16, n_ - j),
                         std::min<int64_t>(16, end - i));
        }
      }
    });
  }

  int n_;
  bool vectors_;
};

std::unique_ptr<Kernel> prepare(const OpDesc& desc, bool vectors) {
  const Matrices shape = eigh_shape(desc, vectors);
  const ct_type& a = desc.in(0);
  // LAPACK counts its work in 32 bits.
  if (blas::eigen_work(shape.rows) > std::numeric_limits<int32_t>::max()) {
    fail(CT_SHAPE, "matrices of order below 32766", describe(a));
  }
  if (a.dtype == CT_FLOAT32) return std::make_unique<EighKernel<float>>(desc, shape, vectors);
  return std::make_unique<EighKernel<double>>(desc, shape, vectors);
}

}  // namespace

std::unique_ptr<Kernel> prepare_eigh(const OpDesc& desc) { return prepare(desc, true); }
std::unique_ptr<Kernel> prepare_eigenvalues(const OpDesc& desc) { return prepare(desc, false); }

}  // namespace cotangent::cpu
