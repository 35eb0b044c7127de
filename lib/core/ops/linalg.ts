/** Matrix products, factorisations and solves, batched over leading dimensions. */
import { ShapeError } from '../errors.js';
import * as lax from '../primitives/lax.js';
import * as linalg from '../primitives/lax-linalg.js';
import { transposeLast } from '../primitives/matrices.js';
import type { Tensor } from '../tensor.js';
import { bind1, commonDType } from '../tracing.js';
import { broadcastShapes } from '../types.js';
import { broadcastTo, reshape } from './arrays.js';
import { mul } from './elementwise.js';
import { sum } from './reductions.js';

export type { MatmulFlags } from '../primitives/lax.js';

/**
 * Matrix product a b by NumPy's rules: vectors are rows on the left and columns on the right, leading dimensions broadcast.
 * @param flags.transposeA  use aᵀ (last two axes; a must be a matrix). Default: false.
 * @param flags.transposeB  likewise for b.
 * @throws {ShapeError} inner dimensions disagree.  {DTypeError} not one float dtype.
 */
export function matmul(a: Tensor, b: Tensor, flags: lax.MatmulFlags = {}): Tensor {
  commonDType('matmul', [a, b]);
  if (a.rank === 0 || b.rank === 0)
    throw new ShapeError('matmul', `Expected vectors or matrices, received ${a.type} and ${b.type}`);
  const left = a.rank === 1 ? reshape(a, [1, a.size]) : a;
  const right = b.rank === 1 ? reshape(b, [b.size, 1]) : b;
  const batch = broadcastShapes('matmul', [left.shape.slice(0, -2), right.shape.slice(0, -2)]);
  const product = lax.matmul(
    broadcastTo(left, [...batch, ...left.shape.slice(-2)]),
    broadcastTo(right, [...batch, ...right.shape.slice(-2)]),
    flags,
  );
  const [m, n] = product.shape.slice(-2) as [number, number];
  return reshape(product, [...batch, ...(a.rank === 1 ? [] : [m]), ...(b.rank === 1 ? [] : [n])]);
}

/** Inner product of two vectors. */
export function dot(a: Tensor, b: Tensor): Tensor {
  if (a.rank !== 1 || b.rank !== 1 || a.size !== b.size) {
    throw new ShapeError('dot', `Expected two vectors of one length, received ${a.type} and ${b.type}`);
  }
  return sum(mul(a, b));
}

/** a bᵀ of two vectors. */
export function outer(a: Tensor, b: Tensor): Tensor {
  if (a.rank !== 1 || b.rank !== 1)
    throw new ShapeError('outer', `Expected two vectors, received ${a.type} and ${b.type}`);
  return mul(reshape(a, [a.size, 1]), reshape(b, [1, b.size]));
}

/**
 * L of A = L Lᵀ for symmetric positive definite A [.., n, n], of which the lower triangle is read. Reads of whatever depends on
 * the result reject with NumericalError when A is not positive definite; `choleskyInfo` does not check.
 */
export function cholesky(a: Tensor): Tensor {
  const [l, info] = lax.cholesky(a);
  return bind1(lax.primitive('check'), [l, info], { op: 'cholesky' });
}

/** `[L, info]`; info (int32, one a matrix) is 0, or the order of the leading minor that is not positive; L is NaN there. */
export function choleskyInfo(a: Tensor): [Tensor, Tensor] {
  return lax.cholesky(a);
}

export interface TriangularSolveOptions {
  /** a x = b rather than x a = b. Default: true. */
  readonly left?: boolean;
  /** The lower triangle of a is read. Default: true. */
  readonly lower?: boolean;
  /** Solve with aᵀ. Default: false. */
  readonly transpose?: boolean;
  /** Take the diagonal for ones. Default: false. */
  readonly unitDiagonal?: boolean;
}

/** x of a x = b with triangular a [.., n, n] and b [.., n, k] (or a vector [n]). A zero on the diagonal gives infinities. */
export function triangularSolve(a: Tensor, b: Tensor, options: TriangularSolveOptions = {}): Tensor {
  const { left = true, lower = true, transpose = false, unitDiagonal = false } = options;
  commonDType('triangularSolve', [a, b]);
  const flags = { left, lower, transpose, unitDiagonal };
  if (b.rank !== 1) return lax.triangularSolve(a, b, flags);
  return reshape(lax.triangularSolve(a, reshape(b, left ? [b.size, 1] : [1, b.size]), flags), b.shape);
}

/** x of L Lᵀ x = b, given L from `cholesky`; b [.., n, k] or a vector [n]. */
export function choleskySolve(l: Tensor, b: Tensor): Tensor {
  return triangularSolve(l, triangularSolve(l, b), { transpose: true });
}

/**
 * A⁻¹ of A = L Lᵀ, given L from `cholesky` [.., n, n] (lower triangle read): symmetric, in a third of the operations of
 * `choleskySolve` with the identity. A zero on the diagonal of L gives NaN.
 * @throws {ShapeError} not square.  {DTypeError} not a float dtype.
 */
export function choleskyInverse(l: Tensor): Tensor {
  return linalg.choleskyInverse(l);
}

/** Swaps the last two axes. */
export function matrixTranspose(x: Tensor): Tensor {
  return transposeLast(x);
}
