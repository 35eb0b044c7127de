/** Products, traces and diagonals of tensors. */
import { beside } from '../concrete.js';
import { ShapeError } from '../errors.js';
import * as lax from '../primitives/lax.js';
import type { Tensor } from '../tensor.js';
import { commonDType } from '../tracing.js';
import { checkAxes, checkAxis, sizeOf, TensorType } from '../types.js';
import { reshape } from './arrays.js';
import { mul, where } from './elementwise.js';
import { sum } from './reductions.js';

/**
 * Products summed over axes of both tensors: the result has the other axes of a, then those of b.
 * @param axes  how many: the last ones of a with the first ones of b; or the axes of each, pair by pair. Default: 2.
 * @throws {ShapeError} lengths of paired axes disagree, or an axis is repeated.  {DTypeError} not one float dtype.
 * @example  tensordot(a, b, 1);  tensordot(a, b, [[0], [1]]);  // Σ_i a[i, ..] b[.., i, ..]
 */
export function tensordot(
  a: Tensor,
  b: Tensor,
  axes: number | readonly [readonly number[], readonly number[]] = 2,
): Tensor {
  commonDType('tensordot', [a, b]);
  if (typeof axes === 'number' && !(Number.isInteger(axes) && axes >= 0 && axes <= Math.min(a.rank, b.rank)))
    throw new ShapeError('tensordot', `Expected from 0 to ${Math.min(a.rank, b.rank)} axes, received ${axes}`);
  const pairs =
    typeof axes === 'number'
      ? [Array.from({ length: axes }, (_, k) => a.rank - axes + k), Array.from({ length: axes }, (_, k) => k)]
      : axes;
  const left = (pairs[0] as readonly number[]).map((axis) => checkAxis('tensordot', axis, a.rank));
  const right = (pairs[1] as readonly number[]).map((axis) => checkAxis('tensordot', axis, b.rank));
  checkAxes('tensordot', left, a.rank);
  checkAxes('tensordot', right, b.rank);
  if (left.length !== right.length || left.some((axis, k) => a.shape[axis] !== b.shape[right[k] as number])) {
    throw new ShapeError(
      'tensordot',
      `Expected axes of equal lengths, received [${left}] of ${a.type} and [${right}] of ${b.type}`,
    );
  }
  const others = (x: Tensor, taken: readonly number[]): number[] =>
    [...x.shape.keys()].filter((k) => !taken.includes(k));
  const [rows, columns] = [others(a, left), others(b, right)];
  const dims = (x: Tensor, list: readonly number[]): number[] => list.map((axis) => x.shape[axis] as number);
  const [m, k, n] = [sizeOf(dims(a, rows)), sizeOf(dims(a, left)), sizeOf(dims(b, columns))];
  const product = lax.matmul(
    lax.reshape(lax.transpose(a, [...rows, ...left]), [m, k]),
    lax.reshape(lax.transpose(b, [...right, ...columns]), [k, n]),
  );
  return reshape(product, [...dims(a, rows), ...dims(b, columns)]);
}

/** Kronecker product of matrices a [m, n] and b [p, q]: [m p, n q] with blocks a_ij b. @throws {ShapeError} not matrices. */
export function kron(a: Tensor, b: Tensor): Tensor {
  commonDType('kron', [a, b]);
  if (a.rank !== 2 || b.rank !== 2)
    throw new ShapeError('kron', `Expected two matrices, received ${a.type} and ${b.type}`);
  const [[m, n], [p, q]] = [a.shape as [number, number], b.shape as [number, number]];
  return reshape(mul(reshape(a, [m, 1, n, 1]), reshape(b, [1, p, 1, q])), [m * p, n * q]);
}

function checkMatrix(op: string, x: Tensor): void {
  if (x.rank < 2) throw new ShapeError(op, `Expected matrices, received ${x.type}`);
}

/** The main diagonals of matrices [.., m, n], float: [.., min(m, n)]. @throws {ShapeError} not matrices. */
export function diagonal(x: Tensor): Tensor {
  checkMatrix('diagonal', x);
  const [m, n] = x.shape.slice(-2) as [number, number];
  const k = Math.min(m, n);
  const start = x.shape.map(() => 0);
  const limit = x.shape.map((dim, axis) => (axis >= x.rank - 2 ? k : dim));
  const square = lax.slice(
    x,
    start,
    limit,
    x.shape.map(() => 1),
  );
  // Every (k + 1)-th of k² elements.
  const lined = reshape(square, [...x.shape.slice(0, -2), k * k]);
  const batch = x.shape.slice(0, -2);
  return lax.slice(
    lined,
    lined.shape.map(() => 0),
    lined.shape,
    [...batch.map(() => 1), k + 1],
  );
}

/** Matrices [.., n, n] with x [.., n] on the diagonal and zeros elsewhere. @throws {ShapeError} a scalar. */
export function diag(x: Tensor): Tensor {
  if (x.rank === 0) throw new ShapeError('diag', `Expected vectors, received ${x.type}`);
  const n = x.shape[x.rank - 1] as number;
  const index = TensorType.of('int32', [n, n]);
  // Chosen, not multiplied: 0 times an infinity is no zero.
  const mask = beside(x, () => lax.equal(lax.iota(index, 0), lax.iota(index, 1)));
  return where(mask, reshape(x, [...x.shape, 1]), x.dtype === 'bool' ? false : 0);
}

/** Sum of the main diagonal of matrices [.., m, n]: [..]. @throws {ShapeError} not matrices. */
export function trace(x: Tensor): Tensor {
  checkMatrix('trace', x);
  return sum(diagonal(x), -1);
}
