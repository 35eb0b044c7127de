// matmul: batched products op(A) op(B) of float32 or float64; with a third operand C and params alpha, beta:
// alpha op(A) op(B) + beta C, in place of C where it may be overwritten.
#ifndef COTANGENT_KERNELS_MATMUL_MATMUL_H
#define COTANGENT_KERNELS_MATMUL_MATMUL_H

#include "native/backend/description.h"

namespace cotangent {

// [m, 1] or [1, n] or neither: the algorithms.
enum class MatmulForm { kZero, kDot, kVector, kMatrix };

struct MatmulShape {
  int64_t batch;
  int m, n, k;
  bool transpose_a, transpose_b;
  double alpha = 1, beta = 0;  // beta is 0 when there is no C
  int32_t dtype;

  // Throws KernelError.
  explicit MatmulShape(const OpDesc& desc) {
    const bool sums = desc.in_count() == 3;
    desc.expect_operands(sums ? 3 : 2, 1);
    expect_params(desc, sums ? 4 : 2);
    const ct_type &a = desc.in(0), &b = desc.in(1);
    const int rank = a.rank;
    dtype = a.dtype;
    expect_float(a, "an operand");
    if (rank < 2) fail(CT_SHAPE, "operands of rank at least 2", describe(a));
    transpose_a = flag(desc, 0, "transposeA");
    transpose_b = flag(desc, 1, "transposeB");
    std::vector<int64_t> wanted_b = dims(a), wanted_c = dims(a);
    batch = product(a, 0, rank - 2);
    m = blas_size(a.dims[rank - (transpose_a ? 1 : 2)]);
    k = blas_size(a.dims[rank - (transpose_a ? 2 : 1)]);
    n = blas_size(b.rank == rank ? b.dims[rank - (transpose_b ? 2 : 1)] : 0);
    const size_t last = static_cast<size_t>(rank - 1);
    wanted_b[last] = transpose_b ? k : n;
    wanted_b[last - 1] = transpose_b ? n : k;
    wanted_c[last] = n;
    wanted_c[last - 1] = m;
    expect_type(b, a.dtype, wanted_b, "the second operand");
    expect_type(desc.out(0), a.dtype, wanted_c, "the result");
    if (!sums) return;
    expect_type(desc.in(2), a.dtype, wanted_c, "what the product is added to");
    alpha = desc.param(2);
    beta = desc.param(3);
    if (form() == MatmulForm::kDot || form() == MatmulForm::kVector) {
      fail(CT_INTERNAL, "matrices, where something is added to their product", "a vector");
    }
  }

  MatmulForm form() const {
    if (k == 0) return MatmulForm::kZero;
    if (m == 1 && n == 1) return MatmulForm::kDot;
    return m == 1 || n == 1 ? MatmulForm::kVector : MatmulForm::kMatrix;
  }

  int64_t results() const { return static_cast<int64_t>(m) * n; }  // of one product
  double flops() const { return 2.0 * static_cast<double>(batch) * m * n * k; }

  // Lengths of stored rows.
  int lda() const { return transpose_a ? m : k; }
  int ldb() const { return transpose_b ? k : n; }
};

}  // namespace cotangent

#endif
