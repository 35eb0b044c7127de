// singularFunction: U diag(f(s)) V^T of A = U diag(s) V^T, pseudoInverse: V diag(1/s) U^T over the singular values
// above a tolerance, nuclearNorm: their sum. All from a decomposition that is given; batched, row-major.
//
// Singular values within (m + n) eps of zero, relative to the largest, are zero in singularFunction: they have no
// correct digit, and a function that jumps at zero would take them at their word.
#include "native/backend/cpu/blas.h"
#include "native/kernels/linalg/batch.h"
#include "native/kernels/linalg/divided_difference.h"
#include "native/kernels/linalg/linalg.h"

namespace cotangent::cpu {
namespace {

template <class T>
class SingularFunctionKernel : public BatchKernel {
 public:
  // inverse: pseudoInverse with `tolerance`, else `function`.
  SingularFunctionKernel(const OpDesc& desc, const Matrices& shape, bool inverse, SpectralFunction function,
                         double tolerance)
      : BatchKernel(desc, shape.batch, 2.0 * shape.rows * shape.columns * shape.small(), sizeof(T),
                    int64_t{shape.rows} * shape.small() * static_cast<int64_t>(sizeof(T))),
        m_(shape.rows),
        n_(shape.columns),
        k_(shape.small()),
        inverse_(inverse),
        function_(function),
        tolerance_(tolerance) {}

 private:
  void one(const Launch& launch, int64_t index, void* memory) const override {
    const int64_t size = int64_t{m_} * n_;
    T* const result = static_cast<T*>(launch.out[0]) + index * size;
    if (size == 0) return;
    const T* const u = static_cast<const T*>(launch.in[1]) + index * m_ * k_;
    const T* const s = static_cast<const T*>(launch.in[2]) + index * k_;
    const T* const vt = static_cast<const T*>(launch.in[3]) + index * k_ * n_;
    T* const scaled = static_cast<T*>(memory);
    const double largest = static_cast<double>(s[0]);
    for (int64_t j = 0; j < k_; ++j) {
      const T factor = static_cast<T>(map(static_cast<double>(s[j]), largest));
      for (int64_t i = 0; i < m_; ++i) scaled[i * k_ + j] = u[i * k_ + j] * factor;
    }
    if (inverse_) {
      blas::gemm(true, true, n_, m_, k_, T(1), vt, n_, scaled, k_, T(0), result, m_);
    } else {
      blas::gemm(false, false, m_, n_, k_, T(1), scaled, k_, vt, n_, T(0), result, n_);
    }
  }

  // NaN stays NaN.
  double map(double s, double largest) const {
    if (inverse_) return s <= tolerance_ * largest ? 0 : 1 / s;
    const double noise = (m_ + n_) * static_cast<double>(std::numeric_limits<T>::epsilon()) * largest;
    const double value = s <= noise ? 0 : s;
    return divided_difference(function_, &value, 1);
  }

  int m_, n_, k_;
  bool inverse_;
  SpectralFunction function_;
  double tolerance_;
};

template <class T>
class NuclearNormKernel : public BatchKernel {
 public:
  NuclearNormKernel(const OpDesc& desc, const Matrices& shape)
      : BatchKernel(desc, shape.batch, shape.small(), sizeof(T), 0), k_(shape.small()) {}

 private:
  void one(const Launch& launch, int64_t index, void*) const override {
    const T* const s = static_cast<const T*>(launch.in[2]) + index * k_;
    double sum = 0;
    for (int64_t i = 0; i < k_; ++i) sum += static_cast<double>(s[i]);
    static_cast<T*>(launch.out[0])[index] = static_cast<T>(sum);
  }

  int k_;
};

// Operands a (read by derivatives only), u, s, vt.
Matrices decomposition(const OpDesc& desc) {
  desc.expect_operands(4, 1);
  const ct_type& a = desc.in(0);
  const Matrices shape = matrices(a);
  expect_type(desc.in(1), a.dtype, batch_dims(a, {shape.rows, shape.small()}), "U");
  expect_type(desc.in(2), a.dtype, batch_dims(a, {shape.small()}), "the singular values");
  expect_type(desc.in(3), a.dtype, batch_dims(a, {shape.small(), shape.columns}), "the transpose of V");
  return shape;
}

std::unique_ptr<Kernel> prepare(const OpDesc& desc, bool inverse) {
  const Matrices shape = decomposition(desc);
  expect_params(desc, 1);
  const ct_type& a = desc.in(0);
  const auto out = inverse ? batch_dims(a, {shape.columns, shape.rows}) : dims(a);
  expect_type(desc.out(0), a.dtype, out, "the result");
  SpectralFunction function = SpectralFunction::kSign;
  if (!inverse) function = static_cast<SpectralFunction>(integer_in(desc, 0, 0, kSpectralFunctions - 1, "a function"));
  const double tolerance = inverse ? desc.param(0) : 0;
  if (a.dtype == CT_FLOAT32) {
    return std::make_unique<SingularFunctionKernel<float>>(desc, shape, inverse, function, tolerance);
  }
  return std::make_unique<SingularFunctionKernel<double>>(desc, shape, inverse, function, tolerance);
}

}  // namespace

std::unique_ptr<Kernel> prepare_singular_function(const OpDesc& desc) { return prepare(desc, false); }
std::unique_ptr<Kernel> prepare_pseudo_inverse(const OpDesc& desc) { return prepare(desc, true); }

std::unique_ptr<Kernel> prepare_nuclear_norm(const OpDesc& desc) {
  const Matrices shape = decomposition(desc);
  const ct_type& a = desc.in(0);
  expect_type(desc.out(0), a.dtype, batch_dims(a), "the norm");
  if (a.dtype == CT_FLOAT32) return std::make_unique<NuclearNormKernel<float>>(desc, shape);
  return std::make_unique<NuclearNormKernel<double>>(desc, shape);
}

}  // namespace cotangent::cpu
