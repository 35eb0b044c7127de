/** Batches out of arrays in memory, as training takes them. */
import { DomainError, ShapeError } from '../core/errors.js';
import { showShape } from '../core/types.js';
import { type DataArray, takeRows } from './data-array.js';
import { batches } from './preparation.js';

export interface ArrayBatchesOptions {
  /** Rows a batch. Default: 32. */
  readonly batchSize?: number;
  /** Another order in each epoch. Default: true. */
  readonly shuffle?: boolean;
  /** Decides the orders. Default: 0. */
  readonly seed?: number;
  /** Leave a shorter last batch out: its shape would be traced for itself. Default: false. */
  readonly dropLast?: boolean;
}

/**
 * Epochs over arrays of one number of rows: for epoch 1, 2, ... the batches, each row once, the same ones whenever the same epoch
 * is asked for.
 *
 * @param arrays  by name, [n, ...] each.
 * @throws {ShapeError} different numbers of rows, a scalar, or no array.  {DomainError} batchSize < 1.
 */
export function arrayBatches<T extends Readonly<Record<string, DataArray>>>(
  arrays: T,
  options: ArrayBatchesOptions = {},
): (epoch?: number) => Generator<{ [K in keyof T]: DataArray }> {
  const op = 'arrayBatches';
  const { batchSize = 32, shuffle = true, seed = 0, dropLast = false } = options;
  const list = Object.entries(arrays);
  const rows = list[0]?.[1].shape[0];
  if (rows === undefined || list.some(([, array]) => array.shape[0] !== rows)) {
    const received = list.map(([name, { shape }]) => `${name} ${showShape(shape)}`).join(', ') || 'none';
    throw new ShapeError(op, `Expected arrays with the same number of rows, received ${received}`);
  }
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new DomainError(op, `Expected a whole number batchSize >= 1, received ${batchSize}`);
  }
  return function* (epoch = 1) {
    // Seeds of different epochs, and of neighbouring seeds, must not meet.
    const order = shuffle
      ? batches(rows, batchSize, { seed: (seed * 1_000_003 + epoch) % Number.MAX_SAFE_INTEGER, dropLast })
      : inOrder(rows, batchSize, dropLast);
    for (const indices of order) {
      const taken = list.map(([name, array]) => [name, takeRows(array, indices)] as const);
      yield Object.fromEntries(taken) as { [K in keyof T]: DataArray };
    }
  };
}

function* inOrder(rows: number, batchSize: number, dropLast: boolean): Generator<Int32Array> {
  const end = dropLast ? rows - (rows % batchSize) : rows;
  for (let at = 0; at < end; at += batchSize) {
    yield Int32Array.from({ length: Math.min(batchSize, end - at) }, (_, k) => at + k);
  }
}
