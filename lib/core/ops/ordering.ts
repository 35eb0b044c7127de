/** Sorting, selecting and searching. NaN is last in either direction, -0 equals 0, and equal elements keep their order. */

import * as lax from '../primitives/lax.js';
import type { Tensor } from '../tensor.js';
import { commonDType } from '../tracing.js';
import { checkAxis } from '../types.js';
import { reshape } from './arrays.js';

export interface SortOptions {
  /** Largest first. Default: false. */
  readonly descending?: boolean;
}

/**
 * The elements in order along an axis (default: the last), NaN last. Stable, so that derivatives at ties are well defined:
 * each result moves with the element that it is.
 * @throws {ShapeError} no such axis.
 */
export function sort(x: Tensor, axis = -1, { descending = false }: SortOptions = {}): Tensor {
  return lax.sort(x, checkAxis('sort', axis, x.rank), descending)[0];
}

/** int32 places from which `sort` takes its elements, along an axis (default: the last). */
export function argSort(x: Tensor, axis = -1, { descending = false }: SortOptions = {}): Tensor {
  return lax.sort(x, checkAxis('argSort', axis, x.rank), descending)[1];
}

export interface TopKOptions {
  /** Smallest first instead of largest first. Default: false. */
  readonly smallest?: boolean;
}

/**
 * The k largest (or smallest) elements along an axis (default: the last), in order, and where they are (int32). NaN comes
 * after everything else in either direction; of equal elements the first are taken.
 * @throws {ShapeError} k is not a whole number from 0 to the length of the axis.
 */
export function topK(
  x: Tensor,
  k: number,
  axis = -1,
  { smallest = false }: TopKOptions = {},
): { values: Tensor; indices: Tensor } {
  const [values, indices] = lax.topK(x, checkAxis('topK', axis, x.rank), k, !smallest);
  return { values, indices };
}

export interface SearchOptions {
  /** 'left': before what is equal; 'right': behind it. Default: 'left'. */
  readonly side?: 'left' | 'right';
}

/**
 * Where values belong in a sorted tensor, int32: with side 'left' the number of elements that are smaller, with 'right' of those
 * that are smaller or equal.
 *
 * @param sorted  [n], ascending, NaN last; or [B.., n], one line for each line of values. Not checked.
 * @param values  any shape for sorted [n], otherwise [B.., m]; of the same dtype.
 * @throws {ShapeError} leading dimensions disagree.  {DTypeError} dtypes disagree.
 */
export function searchSorted(sorted: Tensor, values: Tensor, { side = 'left' }: SearchOptions = {}): Tensor {
  commonDType('searchSorted', [sorted, values]);
  const right = side === 'right';
  if (sorted.rank !== 1) return lax.searchSorted(sorted, values, right);
  return reshape(lax.searchSorted(sorted, reshape(values, [values.size]), right), values.shape);
}

/**
 * Elements at `indices` (int32) along an axis: y[.., j, ..] = x[.., indices[.., j, ..], ..]. Indices have the shape of x but for
 * the axis. An index outside gives NaN (0 for integers), so that it is not silent.
 * @throws {ShapeError} shapes disagree.  {DTypeError} indices are not int32.
 */
export function takeAlongAxis(x: Tensor, indices: Tensor, axis = -1): Tensor {
  return lax.takeAlongAxis(x, indices, checkAxis('takeAlongAxis', axis, x.rank));
}

/** `base` with `updates` added at `indices` along an axis, the adjoint of `takeAlongAxis`. Indices outside are dropped. */
export function addAlongAxis(base: Tensor, indices: Tensor, updates: Tensor, axis = -1): Tensor {
  return lax.addAlongAxis(base, indices, updates, checkAxis('addAlongAxis', axis, base.rank));
}
