/** From a table to what a fit takes: train and test parts, standardised columns, batches. */
import { allocate } from '../core/dtype.js';
import { DomainError, ShapeError } from '../core/errors.js';
import { showShape } from '../core/types.js';
import { type DataArray, type Split, takeRows } from './data-array.js';
import { HostRandom } from './random.js';

/**
 * Splits rows at random into two parts that have no row in common.
 *
 * @param x  features, shape [n, ...].
 * @param y  targets, shape [n, ...].
 * @param options.testFraction  in (0, 1); both parts get at least one row. Default: 0.2.
 * @param options.seed  Default: 0.
 * @throws {ShapeError} different numbers of rows, or fewer than two.  {DomainError} fraction outside (0, 1).
 */
export function trainTestSplit(
  x: DataArray,
  y: DataArray,
  options: { readonly testFraction?: number; readonly seed?: number } = {},
): { readonly train: Split; readonly test: Split } {
  const { testFraction = 0.2, seed = 0 } = options;
  if (x.shape.length === 0 || x.shape[0] !== y.shape[0] || x.shape[0] < 2) {
    throw new ShapeError(
      'trainTestSplit',
      `Expected x and y with the same number (>= 2) of rows, received ${showShape(x.shape)} and ${showShape(y.shape)}`,
    );
  }
  if (!(testFraction > 0 && testFraction < 1)) {
    throw new DomainError('trainTestSplit', `Expected testFraction in (0, 1), received ${testFraction}`);
  }
  const rows = x.shape[0];
  const held = Math.min(Math.max(Math.round(rows * testFraction), 1), rows - 1);
  const order = HostRandom.fromSeed(seed).permutation(rows);
  const part = (indices: Int32Array): Split => ({ x: takeRows(x, indices), y: takeRows(y, indices) });
  return { train: part(order.subarray(held)), test: part(order.subarray(0, held)) };
}

/** Column means and deviations of the data it was fitted on. */
export class Standardizer {
  private constructor(
    readonly mean: Float64Array,
    /** Population standard deviations; 1 for constant columns, which become 0. */
    readonly deviation: Float64Array,
  ) {}

  /**
   * Learns means and deviations, in float64, by two passes.
   * @param x  shape [n, d], n >= 1, float32 or float64, finite.
   */
  static fit(x: DataArray): Standardizer {
    const [rows, columns] = checkMatrix('standardize', x);
    if (rows === 0) throw new ShapeError('standardize', `Expected at least one row, received ${showShape(x.shape)}`);
    const mean = new Float64Array(columns);
    const deviation = new Float64Array(columns);
    for (let k = 0; k < x.data.length; k++) mean[k % columns] += x.data[k];
    for (let column = 0; column < columns; column++) mean[column] /= rows;
    for (let k = 0; k < x.data.length; k++) deviation[k % columns] += (x.data[k] - mean[k % columns]) ** 2;
    for (let column = 0; column < columns; column++) {
      const spread = Math.sqrt(deviation[column] / rows);
      if (!Number.isFinite(spread)) {
        throw new DomainError('standardize', `Expected finite numbers in column ${column}, received NaN or infinity`, {
          details: { column },
        });
      }
      // A constant column can show a spread of rounding size.
      deviation[column] = spread > 1e-12 * Math.abs(mean[column]) ? spread : 1;
    }
    return new Standardizer(mean, deviation);
  }

  /** `(x - mean) / deviation`, in a new array of x's dtype. @throws {ShapeError} not as many columns as fitted on. */
  apply(x: DataArray): DataArray {
    const [, columns] = checkMatrix('standardize', x);
    if (columns !== this.mean.length) {
      throw new ShapeError('standardize', `Expected ${this.mean.length} columns, received ${showShape(x.shape)}`);
    }
    const data = allocate(x.dtype, x.data.length);
    for (let k = 0; k < data.length; k++) data[k] = (x.data[k] - this.mean[k % columns]) / this.deviation[k % columns];
    return { ...x, data };
  }
}

/**
 * Brings every column to mean 0 and variance 1, by the figures of `train`.
 * @returns `train` and the other arrays, standardised alike.
 */
export function standardize<T extends readonly DataArray[]>(
  train: DataArray,
  ...others: T
): [DataArray, ...{ [K in keyof T]: DataArray }] {
  const standardizer = Standardizer.fit(train);
  const [first, ...rest] = [train, ...others].map((x) => standardizer.apply(x));
  return [first, ...(rest as { [K in keyof T]: DataArray })];
}

function checkMatrix(op: string, x: DataArray): readonly [rows: number, columns: number] {
  if (x.shape.length !== 2 || (x.dtype !== 'float32' && x.dtype !== 'float64')) {
    throw new ShapeError(op, `Expected a float matrix [n, d], received ${x.dtype}${showShape(x.shape)}`);
  }
  return [x.shape[0], x.shape[1]];
}

/**
 * Row indices of one epoch's batches: each row once, in an order that the seed decides.
 *
 * @param n  number of rows.
 * @param batchSize  the last batch is shorter when it does not divide n.
 * @param options.seed  Give each epoch its own. Default: 0.
 * @param options.dropLast  leave a shorter last batch out. Default: false.
 * @throws {DomainError} n < 0 or batchSize < 1, or not whole numbers.
 */
export function batches(
  n: number,
  batchSize: number,
  options: { readonly seed?: number; readonly dropLast?: boolean } = {},
): Int32Array[] {
  if (!Number.isInteger(n) || n < 0) throw new DomainError('batches', `Expected a whole number n >= 0, received ${n}`);
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new DomainError('batches', `Expected a whole number batchSize >= 1, received ${batchSize}`);
  }
  const order = HostRandom.fromSeed(options.seed ?? 0).permutation(n);
  const end = options.dropLast ? n - (n % batchSize) : n;
  const count = Math.ceil(end / batchSize);
  return Array.from({ length: count }, (_, k) => order.slice(k * batchSize, Math.min((k + 1) * batchSize, end)));
}
