/** The sparse text format of LIBSVM and SVMlight: `label index:value index:value ...`, one example a line. */
import { allocate } from '../core/dtype.js';
import type { DataArray } from './data-array.js';
import { GrowingFloats, parseDecimal } from './internal/growing.js';
import { lines, malformed, type Source, sourceName } from './internal/source.js';

export interface LibsvmOptions {
  /** Number of features d. Default: the largest index in the file. */
  readonly features?: number;
  /** Is the first feature number 0 instead of 1? Default: false. */
  readonly zeroBased?: boolean;
  /** Of values and labels. Default: 'float32'. */
  readonly dtype?: 'float32' | 'float64';
}

/** A dense [n, d] array with labels [n]. */
export interface LabelledArray extends DataArray {
  readonly labels: DataArray;
}

/** Compressed sparse rows: row i holds `values[k]` in column `indices[k]` for `offsets[i] <= k < offsets[i + 1]`, columns ascending. */
export interface CsrMatrix {
  readonly values: Float32Array | Float64Array;
  readonly indices: Int32Array;
  readonly offsets: Int32Array;
  readonly shape: readonly [rows: number, columns: number];
  readonly dtype: 'float32' | 'float64';
  readonly labels: DataArray;
}

const OP = 'readLibsvm';

/**
 * Reads LIBSVM text; comments after `#` and empty lines are skipped, gzip is unpacked.
 *
 * @param source  a path, or the file's content.
 * @param options.format  'dense' (default) or 'csr'.
 * @throws {DomainError} no such file, no examples, a label or value that is not a finite number, indices that do not ascend,
 *   or an index outside 1..features; `details` then holds path, line and column (the pair's place in the line, from 1).
 */
export async function readLibsvm(source: Source, options: LibsvmOptions & { format: 'csr' }): Promise<CsrMatrix>;
export async function readLibsvm(
  source: Source,
  options?: LibsvmOptions & { format?: 'dense' },
): Promise<LabelledArray>;
export async function readLibsvm(
  source: Source,
  options: LibsvmOptions & { format?: 'dense' | 'csr' } = {},
): Promise<LabelledArray | CsrMatrix> {
  const sparse = await readRows(source, options);
  if (options.format === 'csr') return sparse;
  const { values, indices, offsets, shape, dtype, labels } = sparse;
  const [rows, columns] = shape;
  const data = allocate(dtype, rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let k = offsets[row]; k < offsets[row + 1]; k++) data[row * columns + indices[k]] = values[k];
  }
  return { data, shape, dtype, labels };
}

async function readRows(source: Source, options: LibsvmOptions): Promise<CsrMatrix> {
  const { dtype = 'float32', zeroBased = false } = options;
  const first = zeroBased ? 0 : 1;
  const last = options.features === undefined ? 2 ** 31 - 2 + first : options.features - 1 + first;
  const values = new GrowingFloats(dtype);
  const labels = new GrowingFloats(dtype);
  const indices: number[] = [];
  const offsets = [0];
  let columns = options.features ?? 0;

  for await (const [line, number] of lines(OP, source)) {
    const comment = line.indexOf('#');
    const [label, ...pairs] = (comment < 0 ? line : line.slice(0, comment)).trim().split(/\s+/);
    if (label === '') continue;
    const fail = (expected: string, received: string, column: number) =>
      malformed(
        OP,
        source,
        `Expected ${expected} at line ${number} of ${sourceName(source)}, received ${JSON.stringify(received)}`,
        {
          line: number,
          column,
        },
      );
    const target = parseDecimal(label, dtype);
    if (target === undefined) throw fail(`a finite ${dtype} label`, label, 0);
    labels.push(target);
    let previous = first - 1;
    for (let k = 0; k < pairs.length; k++) {
      const colon = pairs[k].indexOf(':');
      const name = pairs[k].slice(0, Math.max(colon, 0));
      const index = /^\d+$/.test(name) ? Number(name) : -1;
      const value = parseDecimal(pairs[k].slice(colon + 1), dtype);
      if (index < 0 || value === undefined) throw fail(`index:value with a finite ${dtype} value`, pairs[k], k + 1);
      if (index < first || index > last) throw fail(`an index from ${first} to ${last}`, pairs[k], k + 1);
      if (index <= previous) throw fail(`an index above ${previous}`, pairs[k], k + 1);
      previous = index;
      columns = Math.max(columns, index - first + 1);
      indices.push(index - first);
      values.push(value);
    }
    offsets.push(indices.length);
  }

  const rows = labels.length;
  if (rows === 0) throw malformed(OP, source, `Expected at least one example in ${sourceName(source)}, received none`);
  return {
    values: values.take(),
    indices: Int32Array.from(indices),
    offsets: Int32Array.from(offsets),
    shape: [rows, columns],
    dtype,
    labels: { data: labels.take(), shape: [rows], dtype },
  };
}
