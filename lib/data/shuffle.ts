/** Shuffled batches out of a stream of row blocks, through a buffer of bounded size. */
import { allocate, type DType } from '../core/dtype.js';
import { DomainError, ShapeError } from '../core/errors.js';
import { type Shape, sameShape, showShape, sizeOf } from '../core/types.js';
import type { DataArray } from './data-array.js';
import { HostRandom } from './random.js';

/** Arrays of one number of rows, by name. */
export type RowBlock = Readonly<Record<string, DataArray | undefined>>;

export interface StreamBatchesOptions {
  /** Rows a batch. Default: 32. */
  readonly batchSize?: number;
  /**
   * Rows held for shuffling: each row given out is drawn at random from that many. 0 keeps the order. The whole data set makes a full
   * shuffle. Default: 10,000.
   */
  readonly buffer?: number;
  /** Decides the order; give each epoch its own. Default: 0. */
  readonly seed?: number;
  /** Leave a shorter last batch out. Default: false. */
  readonly dropLast?: boolean;
}

const OP = 'streamBatches';

/** Rows of several arrays in memory of fixed size. */
class Rows {
  private readonly arrays: readonly {
    readonly name: string;
    readonly dtype: DType;
    /** Shape of a row. */
    readonly inner: Shape;
    readonly width: number;
    readonly data: DataArray['data'];
  }[];
  length = 0;

  constructor(
    block: RowBlock,
    private readonly capacity: number,
  ) {
    this.arrays = Object.entries(block).flatMap(([name, array]) => {
      if (!array) return [];
      const { dtype } = array;
      const inner = array.shape.slice(1);
      const width = sizeOf(inner);
      return [{ name, dtype, inner, width, data: allocate(dtype, capacity * width) }];
    });
  }

  /** @throws {ShapeError} arrays of another name, width or dtype than at first, or of different numbers of rows. */
  check(block: RowBlock): number {
    const given = Object.entries(block).filter(([, array]) => array);
    const rows = given[0]?.[1]?.shape[0];
    const fits =
      given.length === this.arrays.length &&
      this.arrays.every(({ name, dtype, inner }) => {
        const array = block[name];
        return array?.dtype === dtype && array.shape[0] === rows && sameShape(array.shape.slice(1), inner);
      });
    if (fits && rows !== undefined) return rows;
    const wanted = this.arrays.map(({ name, dtype, inner }) => `${name} ${dtype}[${['n', ...inner].join(', ')}]`);
    const received = given.map(([name, array]) => `${name} ${array?.dtype}${showShape(array?.shape ?? [])}`);
    throw new ShapeError(
      OP,
      `Expected blocks like the first, ${wanted.join(', ') || 'none'}, received ${received.join(', ') || 'none'}`,
    );
  }

  /** Copies row `from` of a block to row `to`. */
  put(to: number, block: RowBlock, from: number): void {
    for (const { name, width, data } of this.arrays) {
      data.set((block[name] as DataArray).data.subarray(from * width, (from + 1) * width), to * width);
    }
  }

  /** Appends row `from` of other rows with the same arrays. */
  append(other: Rows, from: number): void {
    for (const [k, { width, data }] of this.arrays.entries()) {
      const source = other.arrays[k]?.data as DataArray['data'];
      data.set(source.subarray(from * width, (from + 1) * width), this.length * width);
    }
    this.length++;
  }

  get isFull(): boolean {
    return this.length === this.capacity;
  }

  /** The rows as a block of their own; empty afterwards. */
  take(): Record<string, DataArray> {
    const rows = this.length;
    this.length = 0;
    return Object.fromEntries(
      this.arrays.map(({ name, dtype, inner, width, data }) => [
        name,
        { data: data.slice(0, rows * width), shape: [rows, ...inner], dtype },
      ]),
    );
  }
}

/**
 * Batches out of blocks of rows, shuffled through a buffer: each row once. Memory for the buffer, one block and one batch, however
 * long the stream is.
 *
 * @param blocks  `{ x, y, ... }` with the same number of rows, as `csvBlocks` and `parquetBlocks` yield.
 * @throws {ShapeError} blocks that differ in more than their rows.  {DomainError} batchSize < 1 or buffer < 0.
 * @example  streamBatches(csvBlocks('big.csv', { label: -1 }), { batchSize: 128, seed: epoch })
 */
export async function* streamBatches<B extends RowBlock>(
  blocks: AsyncIterable<B> | Iterable<B>,
  options: StreamBatchesOptions = {},
): AsyncGenerator<{ [K in keyof B]: DataArray }> {
  const { batchSize = 32, buffer = 10_000, seed = 0, dropLast = false } = options;
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new DomainError(OP, `Expected a whole number batchSize >= 1, received ${batchSize}`);
  }
  if (!Number.isInteger(buffer) || buffer < 0) {
    throw new DomainError(OP, `Expected a whole number buffer >= 0, received ${buffer}`);
  }
  const random = HostRandom.fromSeed(seed);
  // A buffer of one row keeps the order.
  const capacity = Math.max(1, buffer);
  let held: Rows | undefined;
  let batch: Rows | undefined;
  const taken = (rows: Rows): { [K in keyof B]: DataArray } => rows.take() as { [K in keyof B]: DataArray };
  for await (const block of blocks) {
    held ??= new Rows(block, capacity);
    batch ??= new Rows(block, batchSize);
    const rows = held.check(block);
    for (let row = 0; row < rows; row++) {
      if (!held.isFull) {
        held.put(held.length++, block, row);
        continue;
      }
      const out = random.below(capacity);
      batch.append(held, out);
      held.put(out, block, row);
      if (batch.isFull) yield taken(batch);
    }
  }
  if (!held || !batch) return;
  for (const row of random.permutation(held.length)) {
    batch.append(held, row);
    if (batch.isFull) yield taken(batch);
  }
  if (batch.length > 0 && !dropLast) yield taken(batch);
}
