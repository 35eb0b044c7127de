/** Sums, extrema and their kin over axes. */
import { isFloat } from '../dtype.js';
import { DTypeError } from '../errors.js';
import { primitive, reduceSum, spread } from '../primitives/lax.js';
import type { Tensor } from '../tensor.js';
import { bind1 } from '../tracing.js';
import { checkAxes, checkAxis } from '../types.js';
import { reshape } from './arrays.js';
import { cast, div, equal, exp, isFinite, log, mul, sqrt, sub, where } from './elementwise.js';

export interface ReduceOptions {
  /** Keep reduced axes as dimensions of 1. Default: false. */
  readonly keepDims?: boolean;
}

/** One axis or several, negative ones counted from the last. */
export type ReductionAxes = number | readonly number[];

function reduced(x: Tensor, axes: readonly number[], result: Tensor, { keepDims = false }: ReduceOptions): Tensor {
  return keepDims
    ? reshape(
        result,
        x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim)),
      )
    : result;
}

function reduction(name: string, op: string) {
  return (x: Tensor, axes?: ReductionAxes, options: ReduceOptions = {}): Tensor => {
    const list = checkAxes(op, axes, x.rank);
    return list.length === 0 ? x : reduced(x, list, bind1(primitive(name), [x], { axes: list }), options);
  };
}

/** Sum over axes (default: all). */
export const sum = reduction('reduceSum', 'sum');
/** Product over axes (default: all). Its derivative is right where factors are zero. Integers wrap. */
export const prod = reduction('reduceProd', 'prod');
/** Largest over axes (default: all); NaN if any is. At ties the derivative is shared evenly. */
export const max = reduction('reduceMax', 'max');
/** Smallest over axes (default: all); NaN if any is. */
export const min = reduction('reduceMin', 'min');

/** Mean over axes (default: all), of a float tensor. */
export function mean(x: Tensor, axes?: ReductionAxes, options: ReduceOptions = {}): Tensor {
  if (!isFloat(x.dtype))
    throw new DTypeError('mean', `Expected float32 or float64, received ${x.dtype}`, { hint: 'cast first' });
  const list = checkAxes('mean', axes, x.rank);
  const count = list.reduce((product, axis) => product * (x.shape[axis] as number), 1);
  return reduced(x, list, div(reduceSum(x, list), count), options);
}

/** Whether any element over axes is true. */
export function any(x: Tensor, axes?: ReductionAxes, options?: ReduceOptions): Tensor {
  if (x.dtype !== 'bool') throw new DTypeError('any', `Expected bool, received ${x.dtype}`);
  return max(x, axes, options);
}

/** Whether all elements over axes are true. */
export function all(x: Tensor, axes?: ReductionAxes, options?: ReduceOptions): Tensor {
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

/**
 * log(sum(exp(x))) over axes (default: all), without overflow. Where everything is -∞ the result is -∞ and its derivative 0.
 * @throws {ShapeError} there are no elements along the axes.
 */
export function logSumExp(x: Tensor, axes?: ReductionAxes, options: ReduceOptions = {}): Tensor {
  const list = checkAxes('logSumExp', axes, x.rank);
  const peak = stopped(max(x, list));
  const total = reduceSum(exp(sub(x, spread(peak, x.shape, list))), list);
  // The logarithm is kept away from 0, where its derivative is infinite.
  const nothing = equal(total, 0);
  const value = where(nothing, Number.NEGATIVE_INFINITY, log(where(nothing, 1, total)).add(peak));
  return reduced(x, list, value, options);
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
export function countTrue(x: Tensor, axes?: ReductionAxes, options?: ReduceOptions): Tensor {
  return sum(cast(x, 'int32'), axes, options);
}

export interface VarianceOptions extends ReduceOptions {
  /** What is subtracted from the count in the divisor: 0 for that of the data, 1 for the unbiased estimate. Default: 0. */
  readonly correction?: number;
}

/** Mean square distance from the mean over axes (default: all), of a float tensor; NaN where there are too few elements. */
export function variance(
  x: Tensor,
  axes?: ReductionAxes,
  { keepDims = false, correction = 0 }: VarianceOptions = {},
): Tensor {
  const list = checkAxes('variance', axes, x.rank);
  const count = list.reduce((product, axis) => product * (x.shape[axis] as number), 1);
  const centered = sub(x, mean(x, list, { keepDims: true }));
  const divisor = count - correction;
  return reduced(x, list, div(reduceSum(mul(centered, centered), list), divisor > 0 ? divisor : Number.NaN), {
    keepDims,
  });
}

/** Square root of the variance over axes (default: all); where it is 0, so is its derivative. */
export function std(x: Tensor, axes?: ReductionAxes, options?: VarianceOptions): Tensor {
  return root(variance(x, axes, options));
}

/** Euclidean norm over axes (default: all); where it is 0, so is its derivative. */
export function norm(x: Tensor, axes?: ReductionAxes, options?: ReduceOptions): Tensor {
  return root(sum(mul(x, x), axes, options));
}

/** The square root, with the derivative 0 at 0, where that of what is under it is 0, too. */
function root(x: Tensor): Tensor {
  const zero = equal(x, 0);
  return where(zero, 0, sqrt(where(zero, 1, x)));
}
