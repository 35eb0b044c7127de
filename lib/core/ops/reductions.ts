/** Sums, extrema and their kin over axes. */
import { isFloat } from '../dtype.js';
import { DTypeError } from '../errors.js';
import { primitive, reduceSum, spread } from '../primitives/lax.js';
import type { Tensor } from '../tensor.js';
import { bind1 } from '../tracing.js';
import { checkAxes, checkAxis } from '../types.js';
import { reshape } from './arrays.js';
import { cast, div, exp, isFinite, log, mul, sub, where } from './elementwise.js';

export interface ReduceOptions {
  /** Keep reduced axes as dimensions of 1. Default: false. */
  readonly keepDims?: boolean;
}

type Axes = number | readonly number[];

function reduced(x: Tensor, axes: readonly number[], result: Tensor, { keepDims = false }: ReduceOptions): Tensor {
  return keepDims
    ? reshape(
        result,
        x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim)),
      )
    : result;
}

function reduction(name: string, op: string) {
  return (x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor => {
    const list = checkAxes(op, axes, x.rank);
    return list.length === 0 ? x : reduced(x, list, bind1(primitive(name), [x], { axes: list }), options);
  };
}

/** Sum over axes (default: all). */
export const sum = reduction('reduceSum', 'sum');
/** Largest over axes (default: all); NaN if any is. At ties the derivative is shared evenly. */
export const max = reduction('reduceMax', 'max');
/** Smallest over axes (default: all); NaN if any is. */
export const min = reduction('reduceMin', 'min');

/** Mean over axes (default: all), of a float tensor. */
export function mean(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  if (!isFloat(x.dtype))
    throw new DTypeError('mean', `Expected float32 or float64, received ${x.dtype}`, { hint: 'cast first' });
  const list = checkAxes('mean', axes, x.rank);
  const count = list.reduce((product, axis) => product * (x.shape[axis] as number), 1);
  return reduced(x, list, div(reduceSum(x, list), count), options);
}

/** Whether any element over axes is true. */
export function any(x: Tensor, axes?: Axes, options?: ReduceOptions): Tensor {
  if (x.dtype !== 'bool') throw new DTypeError('any', `Expected bool, received ${x.dtype}`);
  return max(x, axes, options);
}

/** Whether all elements over axes are true. */
export function all(x: Tensor, axes?: Axes, options?: ReduceOptions): Tensor {
  if (x.dtype !== 'bool') throw new DTypeError('all', `Expected bool, received ${x.dtype}`);
  return min(x, axes, options);
}

/** int32 index of the first largest element along an axis; a NaN wins. */
export function argMax(x: Tensor, axis: number): Tensor {
  return bind1(primitive('argMax'), [x], { axis: checkAxis('argMax', axis, x.rank) });
}

/** int32 index of the first smallest element along an axis; a NaN wins. */
export function argMin(x: Tensor, axis: number): Tensor {
  return bind1(primitive('argMin'), [x], { axis: checkAxis('argMin', axis, x.rank) });
}

/** log(sum(exp(x))) over axes (default: all), without overflow. */
export function logSumExp(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  const list = checkAxes('logSumExp', axes, x.rank);
  const peak = stopped(max(x, list));
  const shifted = exp(sub(x, spread(peak, x.shape, list)));
  return reduced(x, list, log(reduceSum(shifted, list)).add(peak), options);
}

/** The shift of logSumExp: finite, and without derivative (its contributions cancel). */
function stopped(peak: Tensor): Tensor {
  return stopGradient(where(isFinite(peak), peak, 0));
}

/** `x`, taken for a constant by every derivative. */
export function stopGradient(x: Tensor): Tensor {
  return bind1(primitive('stopGradient'), [x], {});
}

/** Number of true elements over axes (default: all), int32. */
export function countTrue(x: Tensor, axes?: Axes, options?: ReduceOptions): Tensor {
  return sum(cast(x, 'int32'), axes, options);
}

/** Euclidean norm over axes (default: all). */
export function norm(x: Tensor, axes?: Axes, options?: ReduceOptions): Tensor {
  return sum(mul(x, x), axes, options).sqrt();
}
