/** The static type of a tensor (dtype and shape), interned so that equal types are the same object. */
import type { DType } from './dtype.js';
import { ShapeError, TracingError } from './errors.js';

export type Shape = readonly number[];

export class TensorType {
  /** Number of elements. */
  readonly size: number;
  readonly rank: number;

  private constructor(
    readonly dtype: DType,
    readonly shape: Shape,
    /** Distinct for distinct types: the key of caches. */
    readonly id: number,
  ) {
    this.rank = shape.length;
    this.size = sizeOf(shape);
  }

  private static readonly interned = new Map<string, TensorType>();

  static of(dtype: DType, shape: Shape): TensorType {
    const key = `${dtype}[${shape.join()}]`;
    let type = TensorType.interned.get(key);
    if (!type) {
      type = new TensorType(dtype, Object.freeze([...shape]), TensorType.interned.size);
      TensorType.interned.set(key, type);
    }
    return type;
  }

  withDType(dtype: DType): TensorType {
    return TensorType.of(dtype, this.shape);
  }

  withShape(shape: Shape): TensorType {
    return TensorType.of(this.dtype, shape);
  }

  toString(): string {
    return `${this.dtype}[${this.shape.join(', ')}]`;
  }
}

export const MAX_RANK = 8;

export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const dim of shape) size *= dim;
  return size;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, k) => dim === b[k]);
}

export function showShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

const showReceived = (value: unknown): string =>
  Array.isArray(value) ? `[${value.map((dim) => JSON.stringify(dim) ?? String(dim)).join(', ')}]` : String(value);

/** @throws {ShapeError} not an array of at most 8 whole numbers >= 0. */
export function checkShape(op: string, shape: unknown): Shape {
  const valid = Array.isArray(shape) && shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0);
  if (!valid) {
    const traced = Array.isArray(shape) ? shape.find((dim) => typeof dim === 'object' && dim !== null) : undefined;
    if (traced) {
      throw new TracingError(
        op,
        `Expected a shape of numbers, received ${traced.toString()} in it: shapes cannot depend on data`,
        {
          hint: 'take the largest size and mask with where(), cut with dynamicSlice() of a fixed size, or read the number first and call again',
        },
      );
    }
    throw new ShapeError(op, `Expected a shape of whole numbers >= 0, received ${showReceived(shape)}`);
  }
  if (shape.length > MAX_RANK) {
    throw new ShapeError(op, `Expected at most ${MAX_RANK} dimensions, received ${showShape(shape)}`);
  }
  return shape;
}

/** NumPy's broadcast of several shapes. @throws {ShapeError} they do not broadcast. */
export function broadcastShapes(op: string, shapes: readonly Shape[]): Shape {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  const result = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    const offset = rank - shape.length;
    shape.forEach((dim, k) => {
      const known = result[offset + k];
      if (known === 1) result[offset + k] = dim;
      else if (dim !== 1 && dim !== known) {
        throw new ShapeError(op, `Expected shapes that broadcast, received ${shapes.map(showShape).join(' and ')}`, {
          hint: 'dimensions must be equal or 1, counted from the last',
          details: { shapes },
        });
      }
    });
  }
  return result;
}

/** `axis` counted from the front. @throws {ShapeError} it is not an axis of a tensor of this rank. */
export function checkAxis(op: string, axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (Number.isInteger(axis) && positive >= 0 && positive < rank) return positive;
  throw new ShapeError(op, `Expected an axis from ${-rank} to ${rank - 1}, received ${axis}`);
}

/** Axes counted from the front, ascending, without repeats; all of them when undefined. */
export function checkAxes(op: string, axes: number | readonly number[] | undefined, rank: number): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, k) => k);
  const list = typeof axes === 'number' ? [axes] : axes;
  const positive = list.map((axis) => checkAxis(op, axis, rank)).sort((a, b) => a - b);
  if (new Set(positive).size !== positive.length) {
    throw new ShapeError(op, `Expected each axis once, received ${showShape(list)}`);
  }
  return positive;
}
