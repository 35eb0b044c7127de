/** What the linear algebra primitives share: checks, and matrices made of index arithmetic. */
import { beside } from '../concrete.js';
import { isFloat } from '../dtype.js';
import { DTypeError, ShapeError } from '../errors.js';
import type { Tensor } from '../tensor.js';
import { type Shape, sameShape, TensorType } from '../types.js';
import { broadcast, cast, equal, greater, greaterEqual, iota, mul, reduceSum, transpose } from './lax.js';

export function checkFloat(op: string, types: readonly TensorType[]): void {
  const [first] = types as [TensorType];
  if (types.some((type) => !isFloat(type.dtype) || type.dtype !== first.dtype)) {
    throw new DTypeError(op, `Expected operands of one float dtype, received ${types.join(' and ')}`);
  }
}

export function checkMatrices(op: string, type: TensorType): void {
  checkFloat(op, [type]);
  if (type.rank < 2) throw new ShapeError(op, `Expected matrices, received ${type}`);
}

export function checkSquare(op: string, type: TensorType): void {
  checkFloat(op, [type]);
  if (type.rank < 2 || type.shape[type.rank - 1] !== type.shape[type.rank - 2]) {
    throw new ShapeError(op, `Expected square matrices, received ${type}`);
  }
}

export const batchOf = (type: { readonly shape: Shape }): Shape => type.shape.slice(0, -2);

/** [rows, columns] of the last two axes. */
export const matrixOf = (type: { readonly shape: Shape }, transposed = false): [number, number] => {
  const [rows, columns] = type.shape.slice(-2) as [number, number];
  return transposed ? [columns, rows] : [rows, columns];
};

/** Swaps the last two axes. */
export function transposeLast(x: Tensor): Tensor {
  const axes = [...x.shape.keys()];
  return transpose(x, [...axes.slice(0, -2), x.rank - 1, x.rank - 2]);
}

/** 1 on and below the diagonal (strictly below for `strict`), 0 above; `upper` mirrors it. */
export function triangle(like: TensorType, { strict = false, upper = false } = {}): Tensor {
  const index = TensorType.of('int32', like.shape);
  const [rows, columns] = [iota(index, like.rank - 2), iota(index, like.rank - 1)];
  const [high, low] = upper ? [columns, rows] : [rows, columns];
  return cast(strict ? greater(high, low) : greaterEqual(high, low), like.dtype);
}

/** 1 on the diagonal, 0 elsewhere. */
export function identity(like: TensorType): Tensor {
  const index = TensorType.of('int32', like.shape);
  return cast(equal(iota(index, like.rank - 2), iota(index, like.rank - 1)), like.dtype);
}

/** The main diagonal of matrices [.., m, n]: [.., min(m, n)], by a masked sum (exact: every other term is zero). */
export function diagonalOf(x: Tensor): Tensor {
  const [m, n] = matrixOf(x);
  return reduceSum(
    mul(
      x,
      beside(x, () => identity(x.type)),
    ),
    [m < n ? x.rank - 1 : x.rank - 2],
  );
}

/** x [.., n] as the rows (axis -2 repeated) or the columns (axis -1 repeated) of matrices of shape `like`. */
export function asRows(x: Tensor, like: Shape): Tensor {
  return broadcast(x, like, [...x.shape.keys()].slice(0, -1).concat(like.length - 1));
}
export function asColumns(x: Tensor, like: Shape): Tensor {
  return broadcast(x, like, [...x.shape.keys()].slice(0, -1).concat(like.length - 2));
}

/** Whether two types agree in all but their last two dimensions. */
export function sameBatch(a: TensorType, b: TensorType): boolean {
  return a.rank === b.rank && sameShape(batchOf(a), batchOf(b));
}
