/** Comma-separated numbers, through csv-parse, with errors that name the place. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CsvError, parse } from 'csv-parse';
import { DomainError } from '../core/errors.js';
import type { DataArray } from './data-array.js';
import { GrowingFloats, parseDecimal } from './internal/growing.js';
import { malformed, pieces, type Source, sourceName } from './internal/source.js';

export interface CsvOptions {
  /** Does the first row name the columns? `'auto'`: yes when none of its cells is a number. Default: 'auto'. */
  readonly header?: boolean | 'auto';
  /** The column that holds the labels: its name, or its index (negative: from the end). Default: none. */
  readonly label?: string | number;
  /** Default: ','; a tab for files that end in `.tsv` or `.tsv.gz`. */
  readonly delimiter?: string;
  /** Of the features, and of numeric labels. Default: 'float32'. */
  readonly dtype?: 'float32' | 'float64';
}

/** The features, [rows, columns] without the label column. */
export interface CsvTable extends DataArray {
  /** Names of the features: from the header, otherwise `column1`, `column2`, ... by their place in the file. */
  readonly columns: readonly string[];
  /** The label column, [rows]: its numbers; or, when a label is not a number, int32 indices into `classes`. */
  readonly labels?: DataArray;
  /** The distinct labels in ascending order, when they are not numbers. */
  readonly classes?: readonly string[];
}

interface Row {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

const OP = 'readCsv';

/**
 * Reads a table of numbers; empty lines are skipped, spaces around cells are dropped, gzip is unpacked.
 *
 * @param source  a path, or the file's content.
 * @returns features [rows, columns] and, if asked for, labels [rows].
 * @throws {DomainError} no such file, no rows, a ragged row, an unknown label column, or a cell that is not a finite number;
 *   `details` then holds path, line (counted from 1, the header included) and column.
 */
export async function readCsv(source: Source, options: CsvOptions = {}): Promise<CsvTable> {
  const dtype = options.dtype ?? 'float32';
  const table = new TableBuilder(source, options, dtype);
  const delimiter = options.delimiter ?? (/\.tsv(\.gz)?$/i.test(sourceName(source)) ? '\t' : ',');
  const parser = parse({
    delimiter,
    bom: true,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    trim: true,
  });
  // What the consumer throws is kept: the pipeline may reject with the abort of an earlier stage instead.
  let failure: unknown;
  try {
    await pipeline(Readable.from(pieces(OP, source)), parser, async (rows: AsyncIterable<Row>) => {
      try {
        for await (const { record, info } of rows) table.add(record, info.lines);
      } catch (error) {
        failure = error;
        throw error;
      }
    });
  } catch (error) {
    const cause = failure ?? error;
    if (!(cause instanceof CsvError)) throw cause;
    const message = `Expected well-formed CSV in ${sourceName(source)}, received: ${cause.message}`;
    throw malformed(OP, source, message, { line: cause.lines, cause });
  }
  return table.finish();
}

const notFinite = /^[+-]?(nan|inf(inity)?)$/i;

function isNumeric(cell: string): boolean {
  return notFinite.test(cell) || parseDecimal(cell, 'float64') !== undefined;
}

class TableBuilder {
  private names: string[] = [];
  private labelAt = -1;
  private width = 0;
  private readonly features: GrowingFloats;
  private readonly labels: string[] = [];

  constructor(
    private readonly source: Source,
    private readonly options: CsvOptions,
    private readonly dtype: 'float32' | 'float64',
  ) {
    this.features = new GrowingFloats(dtype);
  }

  add(record: readonly string[], line: number): void {
    if (this.width === 0 && this.open(record)) return;
    if (record.length !== this.width) {
      throw malformed(
        OP,
        this.source,
        `Expected ${this.width} cells at line ${line} of ${sourceName(this.source)}, as in the first row, received ${record.length}`,
        { line },
      );
    }
    for (let k = 0; k < record.length; k++) {
      if (k === this.labelAt) {
        if (record[k] === '') throw this.badCell(record[k], k, line, 'a label');
        this.labels.push(record[k]);
      } else {
        const value = parseDecimal(record[k], this.dtype);
        if (value === undefined) throw this.badCell(record[k], k, line, `a finite ${this.dtype} number`);
        this.features.push(value);
      }
    }
  }

  finish(): CsvTable {
    const columns = this.names.filter((_, k) => k !== this.labelAt);
    const width = columns.length;
    const rows = this.labelAt >= 0 ? this.labels.length : this.features.length / Math.max(width, 1);
    if (rows === 0) {
      throw malformed(
        OP,
        this.source,
        `Expected at least one row of data in ${sourceName(this.source)}, received none`,
      );
    }
    const table = { data: this.features.finish(), shape: [rows, width], dtype: this.dtype, columns };
    return this.labelAt >= 0 ? { ...table, ...this.encodeLabels() } : table;
  }

  /** Learns the columns from the first row. Returns whether that row is the header. */
  private open(first: readonly string[]): boolean {
    const header = this.options.header ?? 'auto';
    const isHeader = header === 'auto' ? !first.some(isNumeric) : header;
    this.width = first.length;
    this.names = first.map((cell, k) => (isHeader && cell !== '' ? cell : `column${k + 1}`));
    const label = this.options.label;
    if (label !== undefined) {
      this.labelAt = typeof label === 'string' ? this.names.indexOf(label) : label < 0 ? label + this.width : label;
      if (!Number.isInteger(this.labelAt) || this.labelAt < 0 || this.labelAt >= this.width) {
        throw new DomainError(
          OP,
          `Expected the label to be one of the ${this.width} columns, received ${JSON.stringify(label)}`,
          {
            hint: `the columns are ${this.names.slice(0, 12).join(', ')}${this.width > 12 ? ', ...' : ''}`,
            details: { label, columns: this.names },
          },
        );
      }
    }
    return isHeader;
  }

  /** Numbers stay numbers; otherwise each distinct text becomes a class. */
  private encodeLabels(): { labels: DataArray; classes?: readonly string[] } {
    const shape = [this.labels.length];
    const numbers = this.labels.map((text) => parseDecimal(text, this.dtype));
    if (!numbers.includes(undefined)) {
      const data = this.dtype === 'float32' ? new Float32Array(shape[0]) : new Float64Array(shape[0]);
      data.set(numbers as number[]);
      return { labels: { data, shape, dtype: this.dtype } };
    }
    const missing = this.labels.findIndex((text) => notFinite.test(text));
    if (missing >= 0) {
      throw malformed(
        OP,
        this.source,
        `Expected labels that are finite numbers or class names, received ${this.labels[missing]}`,
        {
          row: missing + 1,
          column: this.names[this.labelAt],
        },
      );
    }
    const classes = [...new Set(this.labels)].sort();
    const index = new Map(classes.map((name, k) => [name, k]));
    const data = Int32Array.from(this.labels, (text) => index.get(text) as number);
    return { labels: { data, shape, dtype: 'int32' }, classes };
  }

  private badCell(cell: string, column: number, line: number, expected: string): DomainError {
    const name = this.names[column];
    return malformed(
      OP,
      this.source,
      `Expected ${expected} at line ${line}, column ${column + 1} (${name}) of ${sourceName(this.source)}, received ${JSON.stringify(cell)}`,
      { line, column: name, received: cell },
    );
  }
}
