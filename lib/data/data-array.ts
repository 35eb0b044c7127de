/** What the readers return: plain numbers with a shape, independent of the native addon. */
import { type DType, dtypeOfArray, type TypedArray, viewOf } from '../core/dtype.js';
import { DTypeError, ShapeError } from '../core/errors.js';
import { checkShape, type Shape, showShape, sizeOf } from '../core/types.js';

/** Row-major numbers. A tensor of them is `tensor(x.data, { dtype: x.dtype, shape: x.shape })`. */
export interface DataArray {
  readonly data: TypedArray;
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Features with one target a row: `x` of shape [n, d], `y` of shape [n]. */
export interface Split {
  readonly x: DataArray;
  readonly y: DataArray;
}

/**
 * A `DataArray` over `data`, not copied.
 *
 * @param dtype  Default: what the typed array stands for; bytes (bools) must say `'bool'`.
 * @throws {ShapeError} `data` does not have the product of `shape` elements.  {DTypeError} dtype and array disagree.
 */
export function dataArray(data: TypedArray, shape: Shape, dtype?: DType): DataArray {
  const kind = dtype ?? dtypeOfArray(data);
  if (kind === undefined || viewOf(kind, new ArrayBuffer(0)).constructor !== data.constructor) {
    throw new DTypeError(
      'dataArray',
      `Expected the typed array of ${kind ?? 'a dtype'}, received ${data.constructor.name}`,
      {
        hint: "bytes need dtype: 'bool'",
      },
    );
  }
  checkShape('dataArray', shape);
  if (sizeOf(shape) !== data.length) {
    throw new ShapeError(
      'dataArray',
      `Expected ${sizeOf(shape)} elements for shape ${showShape(shape)}, received ${data.length}`,
    );
  }
  return { data, shape, dtype: kind };
}

/** Rows of `x` (along its first axis) in the order of `indices`, copied. @throws {ShapeError} rank 0, or an index outside. */
export function takeRows(x: DataArray, indices: ArrayLike<number>): DataArray {
  if (x.shape.length === 0) throw new ShapeError('takeRows', 'Expected an array of rank >= 1, received a scalar');
  const rows = x.shape[0];
  const width = sizeOf(x.shape.slice(1));
  const Kind = x.data.constructor as new (length: number) => TypedArray;
  const data = new Kind(indices.length * width);
  for (let k = 0; k < indices.length; k++) {
    const row = indices[k];
    if (!Number.isInteger(row) || row < 0 || row >= rows) {
      throw new ShapeError('takeRows', `Expected row indices from 0 to ${rows - 1}, received ${row}`);
    }
    data.set(x.data.subarray(row * width, (row + 1) * width), k * width);
  }
  return { data, shape: [indices.length, ...x.shape.slice(1)], dtype: x.dtype };
}
