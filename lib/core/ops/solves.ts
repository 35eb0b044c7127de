/** Linear systems, inverses and determinants by LU factorisation, batched over leading dimensions. */
import { beside } from '../concrete.js';
import { ShapeError } from '../errors.js';
import * as lax from '../primitives/lax.js';
import * as linalg from '../primitives/lax-linalg.js';
import { diagonalOf, identity, triangle } from '../primitives/matrices.js';
import type { Tensor } from '../tensor.js';
import { commonDType } from '../tracing.js';
import { broadcastShapes } from '../types.js';
import { broadcastTo, concatenate, reshape, slice } from './arrays.js';
import { abs, cast, less, log, mul, sign, where } from './elementwise.js';
import { sum } from './reductions.js';

/** An LU factorisation A[permutation] = L U. */
export interface Lu {
  /** Lower triangular with ones on the diagonal, [.., n, n]. */
  readonly l: Tensor;
  /** Upper triangular, [.., n, n]. */
  readonly u: Tensor;
  /** Row i of L U is row permutation[i] of A: int32 [.., n]. */
  readonly permutation: Tensor;
}

/**
 * LU factorisation with row pivoting of A [.., n, n], float32 or float64: A[permutation] = L U, |L| <= 1.
 *
 * Cost: 2/3 n³ operations a matrix. A singular A has a zero on the diagonal of U and does not fail; its derivative is not finite.
 * @throws {ShapeError} not square.  {DTypeError} not a float dtype.
 * @see G. H. Golub, C. F. Van Loan, Matrix Computations, 4th ed., algorithm 3.4.1.
 */
export function lu(a: Tensor): Lu {
  const [factors, permutation] = linalg.lu(a);
  const lower = beside(factors, () => triangle(factors.type, { strict: true }));
  return {
    l: mul(factors, lower).add(beside(factors, () => identity(factors.type))),
    u: mul(
      factors,
      beside(factors, () => triangle(factors.type, { upper: true })),
    ),
    permutation,
  };
}

/** a x = b with the factors of a, given once; b has the batch dimensions of a. */
function solveFactored(op: string, a: Tensor, b: Tensor): Tensor {
  const [factors, permutation, , info] = linalg.lu(linalg.constant(a));
  return linalg.checked(linalg.luSolve(a, factors, permutation, b), info, op);
}

/**
 * x of A x = b for square A [.., n, n] and b [.., n, k], or a vector b [n]; leading dimensions broadcast. By LU factorisation with row
 * pivoting, which the derivatives use again: they cost two triangular solves.
 *
 * Reads of whatever depends on the result reject with NumericalError when A has a zero pivot or holds NaN or infinity; a nearly singular A gives a large x.
 * @throws {ShapeError} not square, or sizes disagree.  {DTypeError} not one float dtype.
 */
export function solve(a: Tensor, b: Tensor): Tensor {
  commonDType('solve', [a, b]);
  if (a.rank < 2 || b.rank === 0)
    throw new ShapeError('solve', `Expected a [.., n, n] and b [.., n, k] or [n], received ${a.type} and ${b.type}`);
  const right = b.rank === 1 ? reshape(b, [b.size, 1]) : b;
  const batch = broadcastShapes('solve', [a.shape.slice(0, -2), right.shape.slice(0, -2)]);
  const x = solveFactored(
    'solve',
    broadcastTo(a, [...batch, ...a.shape.slice(-2)]),
    broadcastTo(right, [...batch, ...right.shape.slice(-2)]),
  );
  return b.rank === 1 ? reshape(x, x.shape.slice(0, -1)) : x;
}

/**
 * A⁻¹ of square A [.., n, n]. Prefer `solve`, which is cheaper and more accurate, where A⁻¹ b is what you want.
 *
 * Reads reject with NumericalError when A is singular, as for `solve`.
 * @throws {ShapeError} not square.  {DTypeError} not a float dtype.
 */
export function inverse(a: Tensor): Tensor {
  if (a.rank < 2) throw new ShapeError('inverse', `Expected square matrices, received ${a.type}`);
  return solveFactored(
    'inverse',
    a,
    beside(a, () => identity(a.type)),
  );
}

/** The product over the last axis, by halves. */
function productOver(x: Tensor): Tensor {
  const n = x.shape[x.rank - 1] as number;
  if (n === 0) {
    const ones = beside(x, () => lax.full(x.type.withShape([...x.shape.slice(0, -1), 1]), 1));
    return reshape(ones, x.shape.slice(0, -1));
  }
  if (n === 1) return reshape(x, x.shape.slice(0, -1));
  const half = Math.ceil(n / 2);
  const part = (from: number, to: number): Tensor => {
    const edge = (last: number, others: (dim: number) => number): number[] =>
      x.shape.map((dim, axis) => (axis === x.rank - 1 ? last : others(dim)));
    const start = edge(from, () => 0);
    return slice(
      x,
      start,
      edge(to, (dim) => dim),
    );
  };
  const low = part(0, n - half);
  const product = mul(low, part(half, n));
  return productOver(n % 2 === 0 ? product : concatenate([product, part(n - half, half)], -1));
}

/** The factors' diagonal [.., n], and the sign of the permutation in its dtype. */
function pivots(a: Tensor): { diagonal: Tensor; permutationSign: Tensor } {
  const [factors, , permutationSign] = linalg.lu(a);
  return { diagonal: diagonalOf(factors), permutationSign: cast(permutationSign, a.dtype) };
}

/**
 * Determinant of A [.., n, n], one a matrix; 1 for n = 0. A singular matrix gives 0, and a derivative that is not finite: it goes
 * through the factorisation. Overflows early: `slogdet` does not.
 * @throws {ShapeError} not square.  {DTypeError} not a float dtype.
 */
export function det(a: Tensor): Tensor {
  const { diagonal, permutationSign } = pivots(a);
  return mul(permutationSign, productOver(diagonal));
}

export interface SignedLogDeterminant {
  /** -1, 0 or 1, one a matrix, in the dtype of a. */
  readonly sign: Tensor;
  /** log|det A|, one a matrix; -infinity for a singular one. */
  readonly logAbs: Tensor;
}

/**
 * Sign and logarithm of the absolute determinant of A [.., n, n]: det A = sign exp(logAbs), without overflow. The derivative of logAbs
 * is that of log|det A|, tr(A⁻¹ dA), and not finite for a singular matrix.
 * @throws {ShapeError} not square.  {DTypeError} not a float dtype.
 */
export function slogdet(a: Tensor): SignedLogDeterminant {
  const { diagonal, permutationSign } = pivots(a);
  return { sign: mul(permutationSign, productOver(sign(diagonal))), logAbs: sum(log(abs(diagonal)), -1) };
}

/** log det A of A [.., n, n] with a positive determinant, NaN where it is negative. See `slogdet`. */
export function logdet(a: Tensor): Tensor {
  const { sign: s, logAbs } = slogdet(a);
  return where(less(s, 0), Number.NaN, logAbs);
}
