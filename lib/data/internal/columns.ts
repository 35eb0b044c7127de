/** Named columns of a columnar file as a table of features and labels. */
import { allocate } from '../../core/dtype.js';
import { DomainError } from '../../core/errors.js';
import type { CsvTable } from '../csv.js';
import type { DataArray } from '../data-array.js';
import { breathe, malformed, type Source, sourceName } from './source.js';

export interface ColumnOptions {
  /** Columns to read as features, in this order. Default: all but the label. */
  readonly columns?: readonly string[];
  /** The column that holds the labels: numbers, or names that become classes. Default: none. */
  readonly label?: string;
  /** Of the features, and of numeric labels. Default: 'float32'. */
  readonly dtype?: 'float32' | 'float64';
}

/** What a file calls its columns, and how to get one. */
export interface ColumnSource {
  readonly names: readonly string[];
  readonly rows: number;
  /** Rows of the file before these, which errors count from. Default: 0. */
  readonly firstRow?: number;
  column(name: string): Promise<ArrayLike<unknown>>;
}

/** @throws {DomainError} a column that does not exist. */
function checkNames(op: string, source: Source, wanted: readonly string[], names: readonly string[]): void {
  const missing = wanted.find((name) => !names.includes(name));
  if (missing === undefined) return;
  throw malformed(op, source, `Expected a column '${missing}' in ${sourceName(source)}, received none`, {
    hint: `the columns are ${names.slice(0, 12).join(', ')}${names.length > 12 ? ', ...' : ''}`,
    column: missing,
  });
}

const STEP = 1 << 16;

/** @throws {DomainError} a cell that is missing, not a number, or not finite in the dtype. */
async function numbers(
  op: string,
  source: Source,
  name: string,
  values: ArrayLike<unknown>,
  firstRow: number,
  dtype: 'float32' | 'float64',
  put: (row: number, value: number) => void,
): Promise<void> {
  for (let row = 0; row < values.length; row++) {
    const cell = values[row];
    const value =
      typeof cell === 'number' || typeof cell === 'bigint' || typeof cell === 'boolean' ? Number(cell) : Number.NaN;
    if (!Number.isFinite(dtype === 'float32' ? Math.fround(value) : value)) {
      const received = typeof cell === 'string' ? JSON.stringify(cell) : String(cell);
      throw malformed(
        op,
        source,
        `Expected a finite ${dtype} number at row ${firstRow + row + 1}, column ${name} of ${sourceName(source)}, received ${received}`,
        { row: firstRow + row + 1, column: name, received: cell },
      );
    }
    put(row, value);
    if ((row + 1) % STEP === 0) await breathe();
  }
}

/** Features [rows, columns] and labels out of columns. */
export async function tableOf(
  op: string,
  source: Source,
  from: ColumnSource,
  options: ColumnOptions,
): Promise<CsvTable> {
  const { label, dtype = 'float32' } = options;
  const { firstRow = 0 } = from;
  if (dtype !== 'float32' && dtype !== 'float64') {
    throw new DomainError(op, `Expected dtype 'float32' or 'float64', received '${String(dtype)}'`);
  }
  const columns = options.columns ?? from.names.filter((name) => name !== label);
  checkNames(op, source, [...columns, ...(label === undefined ? [] : [label])], from.names);
  if (from.rows === 0) {
    throw malformed(op, source, `Expected at least one row of data in ${sourceName(source)}, received none`);
  }
  const width = columns.length;
  const data = allocate(dtype, from.rows * width);
  for (const [k, name] of columns.entries()) {
    const values = await from.column(name);
    await numbers(op, source, name, values, firstRow, dtype, (row, value) => {
      data[row * width + k] = value;
    });
  }
  const table = { data, shape: [from.rows, width], dtype, columns };
  if (label === undefined) return table;
  return { ...table, ...(await labelsOf(op, source, label, await from.column(label), firstRow, dtype)) };
}

async function labelsOf(
  op: string,
  source: Source,
  name: string,
  values: ArrayLike<unknown>,
  firstRow: number,
  dtype: 'float32' | 'float64',
): Promise<{ labels: DataArray; classes?: readonly string[] }> {
  const shape = [values.length];
  if (typeof values[0] !== 'string') {
    const data = allocate(dtype, values.length);
    await numbers(op, source, name, values, firstRow, dtype, (row, value) => {
      data[row] = value;
    });
    return { labels: { data, shape, dtype } };
  }
  const texts = Array.from(values, (cell, row) => {
    if (typeof cell === 'string') return cell;
    throw malformed(
      op,
      source,
      `Expected a label at row ${firstRow + row + 1}, column ${name} of ${sourceName(source)}, received ${String(cell)}`,
      {
        row: firstRow + row + 1,
        column: name,
      },
    );
  });
  const classes = [...new Set(texts)].sort();
  const index = new Map(classes.map((text, k) => [text, k]));
  const data = Int32Array.from(texts, (text) => index.get(text) as number);
  return { labels: { data, shape, dtype: 'int32' }, classes };
}
