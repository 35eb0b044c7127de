// svd: A [m, n] = U diag(s) V^T, reduced: U [m, k], s [k] descending, V^T [k, n], k = min(m, n), batched, row-major, by
// LAPACK's divide and conquer. singularValues: s alone.
//
// LAPACK sees A^T [n, m] = V diag(s) U^T: its U, column-major, is our V^T, its V^T our U, so nothing is transposed.
// Batches are spread over the parts. A single large matrix that is not long and thin is reduced to bidiagonal form,
// decomposed there and its vectors transformed back in three pieces, the last of them cut over vectors. Singular
// vectors come in pairs, unique up to a common sign: the first component of u of nearly the largest magnitude is made
// positive. A matrix with NaN or infinity, or without convergence, becomes NaN, with info > 0.
#include "native/backend/cpu/lapack.h"
#include "native/kernels/linalg/batch.h"
#include "native/kernels/linalg/linalg.h"
#include "native/kernels/linalg/orientation.h"

namespace cotangent::cpu {
namespace {

constexpr int kSplitSize = 160;   // from here on the back-transformation of one matrix is worth more than one thread
constexpr int kWorkRows = 64;     // LAPACK's block size at most: what its `work` is a multiple of
constexpr int kBackVectors = 40;  // vectors that a part transforms back, at least
// What ormbr takes for each of them: a block of 32 rows, and a share of its triangular factors (4,160).
constexpr int kBackWork = 32 + 4160 / kBackVectors;

template <class T>
class SvdKernel : public BatchKernel {
 public:
  SvdKernel(const OpDesc& desc, const Matrices& shape, bool vectors)
      : BatchKernel(desc, shape.batch, (vectors ? 22.0 : 8.0 / 3) * shape.rows * shape.columns * shape.small(),
                    sizeof(T), scratch_size(shape, vectors)),
        shape_(shape),
        rows_(shape.columns),
        columns_(shape.rows),
        k_(shape.small()),
        vectors_(vectors) {}

  int pieces(int threads) const override {
    return split(threads) ? static_cast<int>(batch_) * 3 : BatchKernel::pieces(threads);
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    const int threads = launch.parallel.threads();
    if (!split(threads)) {
      run_batch(launch, pieces(threads));
      return CT_OK;
    }
    const int64_t index = launch.piece / 3;
    const Parts parts(launch.workspace, shape_, true);
    const Results out = results(launch, index);
    int32_t& info = *out.info;
    switch (launch.piece % 3) {
      case 0:
        info = load(launch, index, parts.matrix) ? 0 : 1;
        if (info == 0) {
          blas::gebrd(rows_, columns_, parts.matrix, rows_, out.s, parts.off_diagonal, parts.tau_q, parts.tau_p,
                      parts.work, static_cast<int>(work_count(shape_, true)));
        }
        break;
      case 1:
        // The vectors of the bidiagonal matrix, into the corners of the results.
        if (info == 0) {
          std::fill_n(out.vt, int64_t{rows_} * k_, T(0));
          std::fill_n(out.u, int64_t{k_} * columns_, T(0));
          info = blas::bdsdc(rows_ >= columns_, k_, out.s, parts.off_diagonal, out.vt, rows_, out.u, k_, parts.work,
                             parts.integers);
        }
        break;
      default:
        if (info == 0) transform_back(launch.parallel, out, parts);
        finish(launch, index, out);
    }
    return CT_OK;
  }

 private:
  struct Parts {
    Parts(void* memory, const Matrices& shape, bool vectors) {
      Scratch scratch(memory);
      const int k = shape.small();
      matrix = scratch.take<T>(shape.size());
      off_diagonal = scratch.take<T>(k);
      tau_q = scratch.take<T>(k);
      tau_p = scratch.take<T>(k);
      work = scratch.take<T>(work_count(shape, vectors));
      integers = scratch.take<int>(8 * int64_t{k});
    }
    T *matrix, *off_diagonal, *tau_q, *tau_p, *work;
    int* integers;
  };

  struct Results {
    T *u, *s, *vt;
    int32_t* info;
  };

  // At least what gesdd asks for in its best path, gebrd, bdsdc, and ormbr of all parts.
  static int64_t work_count(const Matrices& shape, bool vectors) {
    const int64_t k = shape.small(), sum = int64_t{shape.rows} + shape.columns;
    return (vectors ? 4 * k * k + kBackWork * (k + 8) : 0) + 16 * k + (kWorkRows + 1) * sum;
  }
  static int64_t scratch_size(const Matrices& shape, bool vectors) {
    const auto bytes = [](int64_t count) { return aligned_bytes(count * static_cast<int64_t>(sizeof(T))); };
    return bytes(shape.size()) + 3 * bytes(shape.small()) + bytes(work_count(shape, vectors)) +
           aligned_bytes(8 * int64_t{shape.small()} * static_cast<int64_t>(sizeof(int)));
  }

  // Long and thin matrices are better off with the QR factorisation that gesdd begins with.
  bool split(int threads) const {
    return vectors_ && k_ >= kSplitSize && batch_ < threads && std::max(rows_, columns_) < 1.6 * k_;
  }

  Results results(const Launch& launch, int64_t index) const {
    if (!vectors_)
      return {nullptr, static_cast<T*>(launch.out[0]) + index * k_, nullptr,
              static_cast<int32_t*>(launch.out[1]) + index};
    return {static_cast<T*>(launch.out[0]) + index * k_ * columns_, static_cast<T*>(launch.out[1]) + index * k_,
            static_cast<T*>(launch.out[2]) + index * k_ * rows_, static_cast<int32_t*>(launch.out[3]) + index};
  }

  const T* a_of(const Launch& launch, int64_t index) const {
    return static_cast<const T*>(launch.in[0]) + index * shape_.size();
  }
  T scale_of(const Launch& launch, int64_t index) const {
    return safe_scale(largest_magnitude(a_of(launch, index), shape_.size()));
  }

  // False if an element is not finite.
  bool load(const Launch& launch, int64_t index, T* matrix) const {
    const T* const a = a_of(launch, index);
    if (!all_finite(a, shape_.size())) return false;
    std::copy_n(a, shape_.size(), matrix);
    multiply_by(matrix, shape_.size(), scale_of(launch, index));
    return true;
  }

  void one(const Launch& launch, int64_t index, void* memory) const override {
    const Parts parts(memory, shape_, vectors_);
    const Results out = results(launch, index);
    *out.info = 0;
    if (k_ == 0) return;
    if (!load(launch, index, parts.matrix)) {
      *out.info = 1;
    } else {
      *out.info = blas::gesdd(vectors_, rows_, columns_, parts.matrix, rows_, out.s, out.vt, rows_, out.u, k_,
                              parts.work, static_cast<int>(work_count(shape_, vectors_)), parts.integers);
    }
    finish(launch, index, out);
  }

  void transform_back(Parallel& parallel, const Results& out, const Parts& parts) const {
    parallel.range(k_, kBackVectors, 8, [&](int64_t begin, int64_t end) {
      const int count = static_cast<int>(end - begin);
      T* const work = parts.work + begin * kBackWork;
      blas::ormbr_q(rows_, columns_, count, parts.matrix, rows_, parts.tau_q, out.vt + begin * rows_, rows_, work,
                    count * kBackWork);
      blas::ormbr_p(rows_, columns_, count, parts.matrix, rows_, parts.tau_p, out.u + begin, k_, work,
                    count * kBackWork);
    });
  }

  void finish(const Launch& launch, int64_t index, const Results& out) const {
    if (*out.info != 0) {
      fill_nan(out.s, k_);
      if (vectors_) {
        fill_nan(out.u, int64_t{k_} * columns_);
        fill_nan(out.vt, int64_t{k_} * rows_);
      }
      return;
    }
    multiply_by(out.s, k_, 1 / scale_of(launch, index));
    for (int64_t i = 0; i < k_ && vectors_; ++i) {
      if (orientation(out.u + i, columns_, k_) > 0) continue;
      scale(out.u + i, columns_, k_, T(-1));
      scale(out.vt + i * rows_, rows_, 1, T(-1));
    }
  }

  Matrices shape_;
  int rows_, columns_, k_;  // of A^T, which LAPACK sees
  bool vectors_;
};

std::unique_ptr<Kernel> prepare(const OpDesc& desc, bool vectors) {
  const Matrices shape = svd_shape(desc, vectors);
  const ct_type& a = desc.in(0);
  const int64_t k = shape.small();
  // LAPACK counts its work in 32 bits.
  const int64_t work = 4 * k * k + 300 * (int64_t{shape.rows} + shape.columns);
  if (work > std::numeric_limits<int32_t>::max()) fail(CT_SHAPE, "matrices of order below 23,000", describe(a));
  if (a.dtype == CT_FLOAT32) return std::make_unique<SvdKernel<float>>(desc, shape, vectors);
  return std::make_unique<SvdKernel<double>>(desc, shape, vectors);
}

}  // namespace

std::unique_ptr<Kernel> prepare_svd(const OpDesc& desc) { return prepare(desc, true); }
std::unique_ptr<Kernel> prepare_singular_values(const OpDesc& desc) { return prepare(desc, false); }

}  // namespace cotangent::cpu
