/** QR factorisation and least squares, batched over leading dimensions. */
import { beside } from '../concrete.js';
import { epsilonOf } from '../dtype.js';
import { ShapeError } from '../errors.js';
import * as lax from '../primitives/lax.js';
import * as linalg from '../primitives/lax-linalg.js';
import { diagonalOf } from '../primitives/matrices.js';
import type { Tensor } from '../tensor.js';
import { commonDType } from '../tracing.js';
import { broadcastShapes, TensorType } from '../types.js';
import { broadcastTo, reshape } from './arrays.js';
import { abs, cast, greater, logicalNot, mul } from './elementwise.js';
import { matmul, matrixTranspose, triangularSolve } from './linalg.js';
import { all, max } from './reductions.js';

/** A reduced QR factorisation A = Q R, k = min(m, n). */
export interface Qr {
  /** Orthonormal columns, [.., m, k]. */
  readonly q: Tensor;
  /** Upper triangular (trapezoidal for m < n), [.., k, n]; its diagonal is not negative. */
  readonly r: Tensor;
}

/**
 * Reduced QR factorisation A = Q R of A [.., m, n], float32 or float64, by Householder reflections.
 *
 * The diagonal of R is not negative, where NumPy and PyTorch leave its signs to LAPACK: so Q and R are unique when the first k columns
 * are independent. Where they are not, the derivative is not finite. A matrix with NaN or infinity gives NaN.
 * @throws {ShapeError} not matrices.  {DTypeError} not a float dtype.
 * @see G. H. Golub, C. F. Van Loan, Matrix Computations, 4th ed., section 5.2.
 */
export function qr(a: Tensor): Qr {
  const [q, r] = linalg.qr(a);
  return { q, r };
}

/**
 * The x that minimises |A x - b| for A [.., m, n] of full rank and b [.., m, k], or a vector b [m]: the least squares solution for
 * m >= n, the solution of least norm for m < n. Leading dimensions broadcast.
 *
 * By QR of A (m >= n) or Aᵀ, so errors grow with the condition number of A, not its square, when the residual is small. Reads reject
 * with NumericalError when A has NaN or infinity, or a diagonal entry of R is at most max(m, n) eps times the largest: the rank is then not full.
 * @throws {ShapeError} sizes disagree.  {DTypeError} not one float dtype.
 * @see G. H. Golub, C. F. Van Loan, Matrix Computations, 4th ed., sections 5.3.3 and 5.6.2.
 */
export function lstsq(a: Tensor, b: Tensor): Tensor {
  commonDType('lstsq', [a, b]);
  if (a.rank < 2 || b.rank === 0)
    throw new ShapeError('lstsq', `Expected a [.., m, n] and b [.., m, k] or [m], received ${a.type} and ${b.type}`);
  const right = b.rank === 1 ? reshape(b, [b.size, 1]) : b;
  const [m, n] = a.shape.slice(-2) as [number, number];
  if (right.shape[right.rank - 2] !== m)
    throw new ShapeError('lstsq', `Expected a and b with equally many rows, received ${a.type} and ${b.type}`);
  const batch = broadcastShapes('lstsq', [a.shape.slice(0, -2), right.shape.slice(0, -2)]);
  const matrix = broadcastTo(a, [...batch, m, n]);
  const sides = broadcastTo(right, [...batch, ...right.shape.slice(-2)]);
  const tall = m >= n;
  const { q, r } = qr(tall ? matrix : matrixTranspose(matrix));
  const x = tall
    ? triangularSolve(r, matmul(q, sides, { transposeA: true }), { lower: false })
    : matmul(q, triangularSolve(r, sides, { lower: false, transpose: true }));
  const whole = linalg.checked(x, rankInfo(r, Math.max(m, n)), 'lstsq');
  return b.rank === 1 ? reshape(whole, whole.shape.slice(0, -1)) : whole;
}

/** 1 for each matrix whose R shows a rank that is not full, else 0. */
function rankInfo(r: Tensor, size: number): Tensor {
  const pivots = abs(diagonalOf(linalg.constant(r)));
  if (pivots.shape[pivots.rank - 1] === 0)
    return beside(r, () => lax.zeros(TensorType.of('int32', pivots.shape.slice(0, -1))));
  const bound = mul(max(pivots, -1, { keepDims: true }), size * epsilonOf(r.dtype));
  // NaN is not above the bound.
  return cast(logicalNot(all(greater(pivots, bound), -1)), 'int32');
}
