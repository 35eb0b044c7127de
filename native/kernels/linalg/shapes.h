// Operands, results and parameters of the dense factorisations and solves, and of what is computed from their results:
// read from an equation and checked in one place for all devices. Matrices are row-major, [B.., rows, columns].
// Everything here throws KernelError.
#ifndef COTANGENT_KERNELS_LINALG_SHAPES_H
#define COTANGENT_KERNELS_LINALG_SHAPES_H

#include <algorithm>

#include "native/backend/description.h"
#include "native/kernels/linalg/divided_difference.h"

namespace cotangent {

// Matrices [B.., rows, columns].
struct Matrices {
  int64_t batch;
  int rows, columns;
  int64_t size() const { return static_cast<int64_t>(rows) * columns; }
  int small() const { return std::min(rows, columns); }
};

inline Matrices matrices(const ct_type& type) {
  expect_float(type, "an operand");
  if (type.rank < 2) fail(CT_SHAPE, "matrices", describe(type));
  return {product(type, 0, type.rank - 2), blas_size(type.dims[type.rank - 2]), blas_size(type.dims[type.rank - 1])};
}

inline Matrices square_matrices(const ct_type& type) {
  const Matrices shape = matrices(type);
  if (shape.rows != shape.columns) fail(CT_SHAPE, "square matrices", describe(type));
  return shape;
}

// The batch dimensions of `type`, followed by `more`.
inline std::vector<int64_t> batch_dims(const ct_type& type, std::initializer_list<int64_t> more = {}) {
  std::vector<int64_t> result(type.dims, type.dims + type.rank - 2);
  result.insert(result.end(), more);
  return result;
}

// a -> L, info
inline Matrices cholesky_shape(const OpDesc& desc) {
  desc.expect_operands(1, 2);
  const ct_type& a = desc.in(0);
  const Matrices shape = square_matrices(a);
  expect_type(desc.out(0), a.dtype, dims(a), "the factor");
  expect_type(desc.out(1), CT_INT32, batch_dims(a), "info");
  return shape;
}

// l -> (l l^T)^-1
inline Matrices cholesky_inverse_shape(const OpDesc& desc) {
  desc.expect_operands(1, 1);
  const ct_type& l = desc.in(0);
  const Matrices shape = square_matrices(l);
  expect_type(desc.out(0), l.dtype, dims(l), "the result");
  return shape;
}

// triangularSolve: op(A) x = b (left) or x op(A) = b.
struct TriangularSystem {
  int64_t batch;
  int n, sides;  // order of A, right-hand sides
  bool left, lower, transpose, unit;
  int32_t dtype;

  explicit TriangularSystem(const OpDesc& desc) {
    desc.expect_operands(2, 1);
    expect_params(desc, 4);
    const ct_type &a = desc.in(0), &b = desc.in(1);
    const int rank = a.rank;
    const Matrices shape = square_matrices(a);
    left = flag(desc, 0, "left");
    lower = flag(desc, 1, "lower");
    transpose = flag(desc, 2, "transpose");
    unit = flag(desc, 3, "unitDiagonal");
    batch = shape.batch;
    n = shape.rows;
    dtype = a.dtype;
    const int side_dim = rank - (left ? 1 : 2);
    sides = blas_size(b.rank == rank ? b.dims[side_dim] : 0);
    std::vector<int64_t> wanted = dims(a);
    wanted[static_cast<size_t>(side_dim)] = sides;
    expect_type(b, a.dtype, wanted, "the right-hand sides");
    expect_type(desc.out(0), a.dtype, wanted, "the solution");
  }

  double flops() const { return static_cast<double>(n) * n * sides; }  // of one system
};

// a -> factors, permutation, sign, info
inline Matrices lu_shape(const OpDesc& desc) {
  desc.expect_operands(1, 4);
  const ct_type& a = desc.in(0);
  const Matrices shape = square_matrices(a);
  expect_type(desc.out(0), a.dtype, dims(a), "the factors");
  expect_type(desc.out(1), CT_INT32, batch_dims(a, {shape.rows}), "the permutation");
  expect_type(desc.out(2), CT_INT32, batch_dims(a), "the sign");
  expect_type(desc.out(3), CT_INT32, batch_dims(a), "info");
  return shape;
}

// a, factors, permutation, b -> x; the right-hand sides [batch, n, sides]. Parameter: transpose.
inline Matrices lu_solve_shape(const OpDesc& desc) {
  desc.expect_operands(4, 1);
  expect_params(desc, 1);
  flag(desc, 0, "transpose");
  const ct_type &a = desc.in(0), &b = desc.in(3);
  const Matrices shape = square_matrices(a), sides = matrices(b);
  expect_type(desc.in(1), a.dtype, dims(a), "the factors");
  expect_type(desc.in(2), CT_INT32, batch_dims(a, {shape.rows}), "the permutation");
  expect_type(b, a.dtype, batch_dims(a, {shape.rows, sides.columns}), "b");
  expect_type(desc.out(0), a.dtype, dims(b), "the result");
  return sides;
}

// a -> q, r
inline Matrices qr_shape(const OpDesc& desc) {
  desc.expect_operands(1, 2);
  const ct_type& a = desc.in(0);
  const Matrices shape = matrices(a);
  expect_type(desc.out(0), a.dtype, batch_dims(a, {shape.rows, shape.small()}), "Q");
  expect_type(desc.out(1), a.dtype, batch_dims(a, {shape.small(), shape.columns}), "R");
  return shape;
}

// a -> w, v (with `vectors`), info
inline Matrices eigh_shape(const OpDesc& desc, bool vectors) {
  desc.expect_operands(1, vectors ? 3 : 2);
  const ct_type& a = desc.in(0);
  const Matrices shape = square_matrices(a);
  expect_type(desc.out(0), a.dtype, batch_dims(a, {shape.rows}), "the eigenvalues");
  if (vectors) expect_type(desc.out(1), a.dtype, dims(a), "the eigenvectors");
  expect_type(desc.out(vectors ? 2 : 1), CT_INT32, batch_dims(a), "info");
  return shape;
}

// a -> u (with `vectors`), s, vt (with `vectors`), info
inline Matrices svd_shape(const OpDesc& desc, bool vectors) {
  desc.expect_operands(1, vectors ? 4 : 2);
  const ct_type& a = desc.in(0);
  const Matrices shape = matrices(a);
  const int64_t k = shape.small();
  if (vectors) expect_type(desc.out(0), a.dtype, batch_dims(a, {shape.rows, k}), "U");
  expect_type(desc.out(vectors ? 1 : 0), a.dtype, batch_dims(a, {k}), "the singular values");
  if (vectors) expect_type(desc.out(2), a.dtype, batch_dims(a, {k, shape.columns}), "the transpose of V");
  expect_type(desc.out(vectors ? 3 : 1), CT_INT32, batch_dims(a), "info");
  return shape;
}

inline SpectralFunction function_param(const OpDesc& desc, int k) {
  return static_cast<SpectralFunction>(integer_in(desc, k, 0, kSpectralFunctions - 1, "a function"));
}

// a, w, v, h1 .. hr -> D^r f(a)[h1, .., hr]. Parameter: function.
struct SpectralShape {
  Matrices matrices;
  int order;  // r
  SpectralFunction function;

  explicit SpectralShape(const OpDesc& desc) {
    order = desc.in_count() - 3;
    if (order < 0 || order > kMaxPoints - 1) {
      fail(CT_INTERNAL, "from 3 to 6 operands", std::to_string(desc.in_count()));
    }
    desc.expect_operands(3 + order, 1);
    expect_params(desc, 1);
    const ct_type& a = desc.in(0);
    matrices = square_matrices(a);
    expect_type(desc.in(1), a.dtype, batch_dims(a, {matrices.rows}), "the eigenvalues");
    for (int k = 2; k < desc.in_count(); ++k) expect_type(desc.in(k), a.dtype, dims(a), "an operand");
    expect_type(desc.out(0), a.dtype, dims(a), "the result");
    function = function_param(desc, 0);
  }
};

// The operands a (read by derivatives only), u, s, vt of what is computed from a decomposition.
inline Matrices decomposition_shape(const OpDesc& desc) {
  desc.expect_operands(4, 1);
  const ct_type& a = desc.in(0);
  const Matrices shape = matrices(a);
  expect_type(desc.in(1), a.dtype, batch_dims(a, {shape.rows, shape.small()}), "U");
  expect_type(desc.in(2), a.dtype, batch_dims(a, {shape.small()}), "the singular values");
  expect_type(desc.in(3), a.dtype, batch_dims(a, {shape.small(), shape.columns}), "the transpose of V");
  return shape;
}

// singularFunction (parameter: function) and pseudoInverse (parameter: tolerance): what they do to singular values.
struct SingularFunction {
  Matrices matrices;
  bool inverse;
  SpectralFunction function = SpectralFunction::kSign;
  double tolerance = 0;

  SingularFunction(const OpDesc& desc, bool inverse) : matrices(decomposition_shape(desc)), inverse(inverse) {
    expect_params(desc, 1);
    const ct_type& a = desc.in(0);
    const auto wanted = inverse ? batch_dims(a, {matrices.columns, matrices.rows}) : dims(a);
    expect_type(desc.out(0), a.dtype, wanted, "the result");
    if (inverse) {
      tolerance = desc.param(0);
    } else {
      function = function_param(desc, 0);
    }
  }
};

inline Matrices nuclear_norm_shape(const OpDesc& desc) {
  const Matrices shape = decomposition_shape(desc);
  expect_type(desc.out(0), desc.in(0).dtype, batch_dims(desc.in(0)), "the norm");
  return shape;
}

}  // namespace cotangent

#endif
