// spectralFunction: f(A) = V diag(f(w)) V^T of symmetric A, and its derivatives along symmetric directions H1, .., Hr:
//
//   D^r f(A)[H1, .., Hr] = V R V^T,  R_ij = sum over k1 .. k(r-1) and orders s of the directions of
//                          f[w_i, w_k1, .., w_j] S_s1(i, k1) .. S_sr(k(r-1), j),  S = V^T H V
//
// (Daleckii and Krein; R. Bhatia, Matrix Analysis, 1997, theorem V.3.3 and section X.4), where divided differences at
// equal eigenvalues are derivatives. So nothing is divided by a gap, and the results are the same for every choice of
// eigenvectors. Directions count with their symmetric part (H + H^T) / 2, and results are symmetric to the bit.
// Eigenvalues within n eps of zero, relative to the largest, are zero: they have no correct digit, and the roots and
// the functions with a kink at zero would take them at their word.
//
// Batches are spread over the parts; a single large matrix has its products and sums cut over rows.
#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "native/backend/cpu/blas.h"
#include "native/kernels/linalg/batch.h"
#include "native/kernels/linalg/divided_difference.h"
#include "native/kernels/linalg/linalg.h"

namespace cotangent::cpu {
namespace {

constexpr int kSplitSize = 128;  // from here on one matrix is worth more than one thread
constexpr int kMaxOrder = kMaxPoints - 1;

class Alone : public Parallel {
 public:
  int threads() const override { return 1; }
  void run(int parts, void (*body)(void*, int), void* context) override {
    for (int part = 0; part < parts; ++part) body(context, part);
  }
};

double path_flops(int n, int order) {
  double flops = 2.0 * n * n * n * (order == 0 ? 1 : 2 + 2 * order);
  if (order > 0) flops += 40 * std::pow(n, order + 1);
  return flops;
}

template <class T>
class SpectralFunctionKernel : public BatchKernel {
 public:
  SpectralFunctionKernel(const OpDesc& desc, const SpectralShape& shape)
      : BatchKernel(desc, shape.matrices.batch, path_flops(shape.matrices.rows, shape.order), sizeof(T),
                    scratch_size(shape.matrices.rows, shape.order)),
        n_(shape.matrices.rows),
        order_(shape.order),
        function_(shape.function) {}

  int pieces(int threads) const override {
    return split(threads) ? static_cast<int>(batch_) : BatchKernel::pieces(threads);
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    const int threads = launch.parallel.threads();
    if (split(threads)) {
      compute(launch.parallel, launch, launch.piece, launch.workspace);
    } else {
      run_batch(launch, pieces(threads));
    }
    return CT_OK;
  }

 private:
  static int64_t scratch_size(int n, int order) {
    const int64_t matrix = aligned_bytes(int64_t{n} * n * static_cast<int64_t>(sizeof(T)));
    return (order + 2) * matrix + aligned_bytes(n * static_cast<int64_t>(sizeof(double)));
  }

  bool split(int threads) const { return n_ >= kSplitSize && batch_ < threads; }
  int64_t size() const { return static_cast<int64_t>(n_) * n_; }

  template <class U>
  const U* input(const Launch& launch, int k, int64_t offset) const {
    return static_cast<const U*>(launch.in[k]) + offset;
  }

  void one(const Launch& launch, int64_t index, void* scratch) const override {
    Alone alone;
    compute(alone, launch, index, scratch);
  }

  void compute(Parallel& parallel, const Launch& launch, int64_t index, void* memory) const {
    if (n_ == 0) return;
    Scratch scratch(memory);
    double* const w = scratch.take<double>(n_);
    T* const product = scratch.take<T>(size());
    T* const inner = scratch.take<T>(size());
    eigenvalues(w, input<T>(launch, 1, index * n_));
    const T* const v = input<T>(launch, 2, index * size());
    T* const result = static_cast<T*>(launch.out[0]) + index * size();
    if (order_ == 0) {
      // V diag(f(w)) V^T
      each_row(parallel, 1, [&](int64_t i) {
        for (int64_t j = 0; j < n_; ++j)
          product[i * n_ + j] = v[i * n_ + j] * static_cast<T>(divided_difference<1>(function_, w + j));
      });
      multiply(parallel, false, true, product, v, inner);
    } else {
      std::array<T*, kMaxOrder> directions{};
      for (int k = 0; k < order_; ++k) {
        T* const s = directions[static_cast<size_t>(k)] = scratch.take<T>(size());
        symmetric_part(parallel, input<T>(launch, 3 + k, index * size()), inner);
        multiply(parallel, false, false, inner, v, product);
        multiply(parallel, true, false, v, product, s);
      }
      each_row(parallel, std::pow(n_, order_ - 1) * 40, [&](int64_t i) {
        for (int64_t j = 0; j < n_; ++j) inner[i * n_ + j] = static_cast<T>(sum_of_paths(w, directions, i, j));
      });
      multiply(parallel, false, false, v, inner, product);
      multiply(parallel, false, true, product, v, inner);
    }
    symmetric_part(parallel, inner, result);
  }

  void eigenvalues(double* w, const T* given) const {
    double largest = 0;
    for (int i = 0; i < n_; ++i) largest = std::max(largest, static_cast<double>(std::abs(given[i])));
    constexpr double epsilon = static_cast<double>(std::numeric_limits<T>::epsilon());
    for (int i = 0; i < n_; ++i) w[i] = clean_eigenvalue(static_cast<double>(given[i]), largest, n_, epsilon);
  }

  // One element of R.
  double sum_of_paths(const double* w, const std::array<T*, kMaxOrder>& s, int64_t i, int64_t j) const {
    double points[kMaxPoints] = {w[i]};
    points[order_] = w[j];
    if (order_ == 1) return divided_difference<2>(function_, points) * static_cast<double>(s[0][i * n_ + j]);
    double sum = 0;
    int64_t path[kMaxPoints] = {i};
    path[order_] = j;
    const int64_t steps = order_ == 2 ? n_ : size();
    for (int64_t step = 0; step < steps; ++step) {
      path[1] = step % n_;
      if (order_ == 3) path[2] = step / n_;
      for (int k = 1; k < order_; ++k) points[k] = w[path[k]];
      std::array<int, kMaxOrder> sequence{};
      std::iota(sequence.begin(), sequence.end(), 0);
      double products = 0;
      do {
        double term = 1;
        for (int k = 0; k < order_; ++k) {
          const T* const matrix = s[static_cast<size_t>(sequence[static_cast<size_t>(k)])];
          term *= static_cast<double>(matrix[path[k] * n_ + path[k + 1]]);
        }
        products += term;
      } while (std::next_permutation(sequence.begin(), sequence.begin() + order_));
      sum += (order_ == 2 ? divided_difference<3>(function_, points) : divided_difference<4>(function_, points)) *
             products;
    }
    return sum;
  }

  // f(row), rows cut so that a part has enough to do.
  template <class F>
  void each_row(Parallel& parallel, double element_flops, F&& f) const {
    const int64_t grain = std::max<int64_t>(1, static_cast<int64_t>(kPartFlops / (element_flops * n_)));
    parallel.range(n_, grain, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) f(i);
    });
  }

  // c = op(a) op(b), cut over the rows of c.
  void multiply(Parallel& parallel, bool transpose_a, bool transpose_b, const T* a, const T* b, T* c) const {
    const int64_t grain = std::max<int64_t>(8, static_cast<int64_t>(kPartFlops / (2.0 * n_ * n_)));
    parallel.range(n_, grain, 8, [&](int64_t begin, int64_t end) {
      blas::gemm(transpose_a, transpose_b, static_cast<int>(end - begin), n_, n_, T(1),
                 a + (transpose_a ? begin : begin * n_), n_, b, n_, T(0), c + begin * n_, n_);
    });
  }

  void symmetric_part(Parallel& parallel, const T* from, T* to) const {
    each_row(parallel, 4, [&](int64_t i) {
      for (int64_t j = 0; j < n_; ++j) to[i * n_ + j] = from[i * n_ + j] / 2 + from[j * n_ + i] / 2;
    });
  }

  int n_, order_;
  SpectralFunction function_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_spectral_function(const OpDesc& desc) {
  const SpectralShape shape(desc);
  if (desc.in(0).dtype == CT_FLOAT32) return std::make_unique<SpectralFunctionKernel<float>>(desc, shape);
  return std::make_unique<SpectralFunctionKernel<double>>(desc, shape);
}

}  // namespace cotangent::cpu
