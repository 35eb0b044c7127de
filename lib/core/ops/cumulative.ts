/** Running sums, products and extrema along an axis, and linear recurrences. */

import * as lax from '../primitives/lax.js';
import type { Tensor } from '../tensor.js';
import { bind1, commonDType } from '../tracing.js';
import { broadcastShapes, checkAxis } from '../types.js';
import { broadcastTo } from './arrays.js';

export interface CumulativeOptions {
  /** From the last element to the first. Default: false. */
  readonly reverse?: boolean;
}

function cumulative(name: string) {
  return (x: Tensor, axis = -1, { reverse = false }: CumulativeOptions = {}): Tensor =>
    bind1(lax.primitive(name), [x], { axis: checkAxis(name, axis, x.rank), reverse });
}

/** Sums of all elements so far along an axis (default: the last), of x's shape. float32 is summed in double; integers wrap. */
export const cumSum = cumulative('cumSum');
/** Products of all elements so far along an axis (default: the last). Its derivative is right where elements are zero. */
export const cumProd = cumulative('cumProd');
/** Largest element so far along an axis (default: the last); NaN from the first NaN on. At ties the first takes the derivative. */
export const cumMax = cumulative('cumMax');
/** Smallest element so far along an axis (default: the last); NaN from the first NaN on. At ties the first takes the derivative. */
export const cumMin = cumulative('cumMin');

/**
 * y with y_k = a_k y_(k-1) + b_k along an axis, nothing coming before the first element (y_0 = b_0).
 *
 * Cost: one multiplication and addition an element; lines run in parallel, a line does not.
 * @param a  factors, float32 or float64.
 * @param b  what is added, of the same dtype; shapes broadcast.
 * @param axis  Default: the last.
 * @param options.reverse  from the last element to the first. Default: false.
 * @throws {DTypeError} not one float dtype.  {ShapeError} shapes that do not broadcast, no such axis.
 */
export function linearRecurrence(a: Tensor, b: Tensor, axis = -1, options: CumulativeOptions = {}): Tensor {
  const { reverse = false } = options;
  commonDType('linearRecurrence', [a, b]);
  const shape = broadcastShapes('linearRecurrence', [a.shape, b.shape]);
  const params = { axis: checkAxis('linearRecurrence', axis, shape.length), reverse };
  return lax.linearRecurrence(broadcastTo(a, shape), broadcastTo(b, shape), params);
}
