/** Making, reshaping, cutting, joining and indexing tensors. */
import { beside } from '../concrete.js';
import type { DeviceLike } from '../device.js';
import { checkDType, type DType } from '../dtype.js';
import { DTypeError, ShapeError } from '../errors.js';
import * as lax from '../primitives/lax.js';
import type { Tensor } from '../tensor.js';
import { bind1, placed, type TensorLike } from '../tracing.js';
import {
  broadcastShapes,
  checkAxis,
  checkShape,
  type Shape,
  sameShape,
  showShape,
  sizeOf,
  TensorType,
} from '../types.js';
import { cast, equal } from './elementwise.js';

/** The dtype of a tensor that is made. */
export interface DTypeOptions {
  /** Default: 'float32'. */
  readonly dtype?: DType;
}

/** What a tensor that is made from nothing is like. */
export interface CreationOptions extends DTypeOptions {
  /** Where it is made. Default: the default device; inside a traced function, where that runs. */
  readonly device?: DeviceLike;
}

/** A tensor of one value. */
export function full(shape: Shape, value: number, { dtype = 'float32', device }: CreationOptions = {}): Tensor {
  const type = TensorType.of(checkDType('full', dtype), checkShape('full', shape));
  return placed('full', device, () => lax.full(type, value));
}

export function zeros(shape: Shape, options?: CreationOptions): Tensor {
  return full(shape, 0, options);
}

export function ones(shape: Shape, options?: CreationOptions): Tensor {
  return full(shape, 1, options);
}

/** `n` numbers: start, start + step, ... Default: 0, 1, ..., n - 1. */
export function arange(
  n: number,
  {
    dtype = 'float32',
    device,
    start = 0,
    step = 1,
  }: CreationOptions & { readonly start?: number; readonly step?: number } = {},
): Tensor {
  const type = TensorType.of(checkDType('arange', dtype), checkShape('arange', [n]));
  const count = placed('arange', device, () => lax.iota(type, 0));
  const scaled = step === 1 ? count : lax.mul(count, step);
  return start === 0 ? scaled : lax.add(scaled, start);
}

/** The identity matrix. */
export function eye(n: number, { dtype = 'float32', device }: CreationOptions = {}): Tensor {
  const index = TensorType.of('int32', checkShape('eye', [n, n]));
  const equals = placed('eye', device, () => equal(lax.iota(index, 0), lax.iota(index, 1)));
  return cast(equals, checkDType('eye', dtype));
}

/** The same elements in another shape; one dimension may be -1 and is then worked out. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const open = shape.indexOf(-1);
  if (open < 0) return lax.reshape(x, checkShape('reshape', shape));
  const rest = sizeOf(shape.filter((_, k) => k !== open));
  if (rest === 0 || x.size % rest !== 0) {
    throw new ShapeError('reshape', `Expected a shape that ${x.size} elements fit, received ${showShape(shape)}`);
  }
  return lax.reshape(
    x,
    checkShape(
      'reshape',
      shape.map((dim, k) => (k === open ? x.size / rest : dim)),
    ),
  );
}

/** Axes in another order; reversed by default. */
export function transpose(x: Tensor, perm?: readonly number[]): Tensor {
  return lax.transpose(
    x,
    perm ? perm.map((axis) => checkAxis('transpose', axis, x.rank)) : [...x.shape.keys()].reverse(),
  );
}

/** `x` stretched to `shape` by NumPy's rules. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  checkShape('broadcastTo', shape);
  if (!sameShape(broadcastShapes('broadcastTo', [x.shape, shape]), shape)) {
    throw new ShapeError(
      'broadcastTo',
      `Expected a shape that ${showShape(x.shape)} broadcasts to, received ${showShape(shape)}`,
    );
  }
  return lax.broadcast(
    x,
    shape,
    [...x.shape.keys()].map((k) => k + shape.length - x.rank),
  );
}

/** Inserts a dimension of 1. */
export function expandDims(x: Tensor, axis: number): Tensor {
  const at = checkAxis('expandDims', axis, x.rank + 1);
  return lax.reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
}

/** Removes dimensions of 1: the given ones, or all. */
export function squeeze(x: Tensor, axes?: number | readonly number[]): Tensor {
  const list =
    axes === undefined ? undefined : [axes].flat().map((axis) => checkAxis('squeeze', axis as number, x.rank));
  const wrong = list?.find((axis) => x.shape[axis] !== 1);
  if (wrong !== undefined)
    throw new ShapeError('squeeze', `Expected a dimension of 1 at axis ${wrong}, received ${showShape(x.shape)}`);
  return lax.reshape(
    x,
    x.shape.filter((dim, axis) => (list ? !list.includes(axis) : dim !== 1)),
  );
}

/**
 * The elements from `start` up to (not including) `limit`, every `strides`-th of them, along each axis.
 * @throws {ShapeError} outside the tensor.
 */
export function slice(x: Tensor, start: Shape, limit: Shape, strides: Shape = x.shape.map(() => 1)): Tensor {
  if ([start, limit, strides].some((list) => list.length !== x.rank)) {
    throw new ShapeError(
      'slice',
      `Expected one start, limit and stride for each of ${x.rank} axes, received ${showShape(start)}, ${showShape(limit)}, ${showShape(strides)}`,
    );
  }
  return lax.slice(x, start, limit, strides);
}

/** Adds `low[k]` elements before and `high[k]` behind axis k, filled with `value`. */
export function pad(x: Tensor, low: Shape, high: Shape, value: TensorLike = 0): Tensor {
  return lax.pad(
    x,
    value,
    low,
    high,
    x.shape.map(() => 0),
  );
}

/** Joins tensors along an axis. */
export function concatenate(xs: readonly Tensor[], axis = 0): Tensor {
  const [first] = xs;
  if (!first) throw new ShapeError('concatenate', 'Expected at least one tensor, received none');
  return lax.concatenate(xs, checkAxis('concatenate', axis, first.rank));
}

/** Joins tensors of one shape along a new axis. */
export function stack(xs: readonly Tensor[], axis = 0): Tensor {
  return concatenate(
    xs.map((x) => expandDims(x, axis)),
    axis,
  );
}

/**
 * Slices of `x` along `axis` at `indices` (int32): result shape x.shape[:axis] + indices.shape + x.shape[axis+1:].
 * An index outside gives NaN (0 for integers), so that it is not silent.
 */
export function take(x: Tensor, indices: Tensor, axis = 0): Tensor {
  return lax.gather(x, indices, checkAxis('take', axis, x.rank));
}

/** `base` with `updates` added at `indices` along `axis`; equal indices add up, in order. Indices outside are dropped. */
export function scatterAdd(base: Tensor, indices: Tensor, updates: Tensor, axis = 0): Tensor {
  return lax.scatterAdd(base, indices, updates, checkAxis('scatterAdd', axis, base.rank));
}

/** A block of `sizes` whose corner is the int32 tensor `start` [rank], moved so that it fits. */
export function dynamicSlice(x: Tensor, start: Tensor, sizes: Shape): Tensor {
  return lax.dynamicSlice(x, start, checkShape('dynamicSlice', sizes));
}

/** `x` with `update` written at the int32 corner `start` [rank], moved so that it fits. */
export function dynamicUpdate(x: Tensor, update: Tensor, start: Tensor): Tensor {
  return lax.dynamicUpdate(x, update, start);
}

/** 1 at the labels (int32 [n]), 0 elsewhere: [n, classes]. */
export function oneHot(labels: Tensor, classes: number, { dtype = 'float32' }: DTypeOptions = {}): Tensor {
  if (labels.dtype !== 'int32') throw new DTypeError('oneHot', `Expected int32 labels, received ${labels.dtype}`);
  const shape = [...labels.shape, classes];
  const index = beside(labels, () => lax.iota(TensorType.of('int32', shape), labels.rank));
  return cast(bind1(lax.primitive('eq'), [lax.broadcast(labels, shape, [...labels.shape.keys()]), index], {}), dtype);
}
