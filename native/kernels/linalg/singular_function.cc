// singularFunction: U diag(f(s)) V^T of A = U diag(s) V^T, pseudoInverse: V diag(1/s) U^T over the singular values
// above a tolerance, nuclearNorm: their sum. All from a decomposition that is given; batched, row-major.
#include "native/backend/cpu/blas.h"
#include "native/kernels/linalg/batch.h"
#include "native/kernels/linalg/linalg.h"

namespace cotangent::cpu {
namespace {

template <class T>
class SingularFunctionKernel : public BatchKernel {
 public:
  SingularFunctionKernel(const OpDesc& desc, const SingularFunction& f)
      : BatchKernel(desc, f.matrices.batch, 2.0 * f.matrices.rows * f.matrices.columns * f.matrices.small(), sizeof(T),
                    int64_t{f.matrices.rows} * f.matrices.small() * static_cast<int64_t>(sizeof(T))),
        m_(f.matrices.rows),
        n_(f.matrices.columns),
        k_(f.matrices.small()),
        f_(f) {}

 private:
  void one(const Launch& launch, int64_t index, void* memory) const override {
    const int64_t size = int64_t{m_} * n_;
    T* const result = static_cast<T*>(launch.out[0]) + index * size;
    if (size == 0) return;
    const T* const u = static_cast<const T*>(launch.in[1]) + index * m_ * k_;
    const T* const s = static_cast<const T*>(launch.in[2]) + index * k_;
    const T* const vt = static_cast<const T*>(launch.in[3]) + index * k_ * n_;
    T* const scaled = static_cast<T*>(memory);
    const double largest = static_cast<double>(s[0]),
                 noise = (m_ + n_) * static_cast<double>(std::numeric_limits<T>::epsilon());
    for (int64_t j = 0; j < k_; ++j) {
      const T factor = static_cast<T>(
          singular_image(f_.inverse, f_.function, f_.tolerance, static_cast<double>(s[j]), largest, noise));
      for (int64_t i = 0; i < m_; ++i) scaled[i * k_ + j] = u[i * k_ + j] * factor;
    }
    if (f_.inverse) {
      blas::gemm(true, true, n_, m_, k_, T(1), vt, n_, scaled, k_, T(0), result, m_);
    } else {
      blas::gemm(false, false, m_, n_, k_, T(1), scaled, k_, vt, n_, T(0), result, n_);
    }
  }

  int m_, n_, k_;
  SingularFunction f_;
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

std::unique_ptr<Kernel> prepare(const OpDesc& desc, bool inverse) {
  const SingularFunction f(desc, inverse);
  if (desc.in(0).dtype == CT_FLOAT32) return std::make_unique<SingularFunctionKernel<float>>(desc, f);
  return std::make_unique<SingularFunctionKernel<double>>(desc, f);
}

}  // namespace

std::unique_ptr<Kernel> prepare_singular_function(const OpDesc& desc) { return prepare(desc, false); }
std::unique_ptr<Kernel> prepare_pseudo_inverse(const OpDesc& desc) { return prepare(desc, true); }

std::unique_ptr<Kernel> prepare_nuclear_norm(const OpDesc& desc) {
  const Matrices shape = nuclear_norm_shape(desc);
  if (desc.in(0).dtype == CT_FLOAT32) return std::make_unique<NuclearNormKernel<float>>(desc, shape);
  return std::make_unique<NuclearNormKernel<double>>(desc, shape);
}

}  // namespace cotangent::cpu
