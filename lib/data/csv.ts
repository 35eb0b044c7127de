/** Comma-separated numbers, through csv-parse, with errors that name the place. */
import { pipeline as pipelineOf, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CsvError, parse } from 'csv-parse';
import { allocate } from '../core/dtype.js';
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

/**
 * Reads a table of numbers; empty lines are skipped, spaces around cells are dropped, gzip is unpacked.
 *
 * @param source  a path, or the file's content.
 * @returns features [rows, columns] and, if asked for, labels [rows].
 * @throws {DomainError} no such file, no rows, a ragged row, an unknown label column, or a cell that is not a finite number;
 *   `details` then holds path, line (counted from 1, the header included) and column.
 */
export async function readCsv(source: Source, options: CsvOptions = {}): Promise<CsvTable> {
  const op = 'readCsv';
  const table = new TableBuilder(op, source, options);
  const parser = newParser(source, options);
  // What the consumer throws is kept: the pipeline may reject with the abort of an earlier stage instead.
  let failure: unknown;
  try {
    await pipeline(Readable.from(pieces(op, source)), parser, async (rows: AsyncIterable<Row>) => {
      try {
        for await (const { record, info } of rows) table.add(record, info.lines);
      } catch (error) {
        failure = error;
        throw error;
      }
    });
  } catch (error) {
    throw csvFailure(op, source, failure ?? error);
  }
  return table.finish();
}

function newParser(source: Source, options: CsvOptions) {
  return parse({
    delimiter: options.delimiter ?? (/\.tsv(\.gz)?$/i.test(sourceName(source)) ? '\t' : ','),
    bom: true,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    trim: true,
  });
}

function csvFailure(op: string, source: Source, cause: unknown): unknown {
  if (!(cause instanceof CsvError)) return cause;
  const message = `Expected well-formed CSV in ${sourceName(source)}, received: ${cause.message}`;
  return malformed(op, source, message, { line: cause.lines, cause });
}

export interface CsvBlockOptions extends CsvOptions {
  /** Rows a block. Default: 4096. */
  readonly rows?: number;
  /** The classes that labels name, which become their indices. Default: labels are numbers. */
  readonly classes?: readonly string[];
}

/**
 * A table of numbers in blocks of rows, in order: for files larger than memory. As `readCsv`, except that classes cannot be
 * learnt from the file.
 *
 * @returns blocks of `x` [rows, columns] and, with `label`, `y` [rows].
 * @throws {DomainError} as `readCsv`; a label that is neither a number nor, with `classes`, one of them.
 */
export async function* csvBlocks(
  source: Source,
  options: CsvBlockOptions = {},
): AsyncGenerator<{ x: DataArray; y?: DataArray }> {
  const { rows = 4096 } = options;
  const op = 'csvBlocks';
  if (!Number.isInteger(rows) || rows < 1)
    throw new DomainError(op, `Expected a whole number rows >= 1, received ${rows}`);
  const table = new TableBuilder(op, source, options);
  const index = options.classes && new Map(options.classes.map((name, k) => [name, k]));
  const block = (): { x: DataArray; y?: DataArray } => {
    const { labels, classes, columns: _, ...x } = table.finish(index);
    if (!labels) return { x };
    if (!classes) return { x, y: labels };
    throw malformed(op, source, `Expected labels that are numbers in ${sourceName(source)}, received ${classes[0]}`, {
      hint: 'name the classes: { classes: [...] }',
    });
  };
  try {
    // A failure upstream destroys the parser with its error, which ends the loop.
    const records = pipelineOf(Readable.from(pieces(op, source)), newParser(source, options), () => {});
    for await (const { record, info } of records as AsyncIterable<Row>) {
      table.add(record, info.lines);
      if (table.rows === rows) yield block();
    }
  } catch (error) {
    throw csvFailure(op, source, error);
  }
  if (table.rows > 0 || table.given === 0) yield block();
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
  private readonly dtype: 'float32' | 'float64';
  private labels: string[] = [];
  /** Rows since the last `finish`. */
  rows = 0;
  /** Rows that `finish` has given away. */
  given = 0;

  constructor(
    private readonly op: string,
    private readonly source: Source,
    private readonly options: CsvOptions,
  ) {
    this.dtype = options.dtype ?? 'float32';
    this.features = new GrowingFloats(this.dtype);
  }

  add(record: readonly string[], line: number): void {
    if (this.width === 0 && this.open(record)) return;
    if (record.length !== this.width) {
      throw malformed(
        this.op,
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
    this.rows++;
  }

  /** The rows since the last call. @param classes  what labels may name; found in the rows when absent. */
  finish(classes?: ReadonlyMap<string, number>): CsvTable {
    const columns = this.names.filter((_, k) => k !== this.labelAt);
    const { rows } = this;
    if (rows === 0) {
      throw malformed(
        this.op,
        this.source,
        `Expected at least one row of data in ${sourceName(this.source)}, received none`,
      );
    }
    const table = { data: this.features.take(), shape: [rows, columns.length], dtype: this.dtype, columns };
    const { labels, given } = this;
    this.labels = [];
    this.rows = 0;
    this.given += rows;
    return this.labelAt >= 0 ? { ...table, ...this.encodeLabels(labels, given, classes) } : table;
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
          this.op,
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

  /** Numbers stay numbers; otherwise each distinct text becomes a class. Errors count rows from `firstRow` on. */
  private encodeLabels(
    texts: readonly string[],
    firstRow: number,
    known?: ReadonlyMap<string, number>,
  ): { labels: DataArray; classes?: readonly string[] } {
    const shape = [texts.length];
    if (known) {
      const unknown = texts.findIndex((text) => !known.has(text));
      if (unknown >= 0) {
        throw malformed(
          this.op,
          this.source,
          `Expected labels out of ${[...known.keys()].join(', ')}, received ${texts[unknown]}`,
          {
            row: firstRow + unknown + 1,
            column: this.names[this.labelAt],
          },
        );
      }
      return { labels: { data: Int32Array.from(texts, (text) => known.get(text) as number), shape, dtype: 'int32' } };
    }
    const numbers = texts.map((text) => parseDecimal(text, this.dtype));
    if (!numbers.includes(undefined)) {
      const data = allocate(this.dtype, texts.length);
      data.set(numbers as number[]);
      return { labels: { data, shape, dtype: this.dtype } };
    }
    const missing = texts.findIndex((text) => notFinite.test(text));
    if (missing >= 0) {
      throw malformed(
        this.op,
        this.source,
        `Expected labels that are finite numbers or class names, received ${texts[missing]}`,
        {
          row: firstRow + missing + 1,
          column: this.names[this.labelAt],
        },
      );
    }
    const classes = [...new Set(texts)].sort();
    const index = new Map(classes.map((name, k) => [name, k]));
    const data = Int32Array.from(texts, (text) => index.get(text) as number);
    return { labels: { data, shape, dtype: 'int32' }, classes };
  }

  private badCell(cell: string, column: number, line: number, expected: string): DomainError {
    const name = this.names[column];
    return malformed(
      this.op,
      this.source,
      `Expected ${expected} at line ${line}, column ${column + 1} (${name}) of ${sourceName(this.source)}, received ${JSON.stringify(cell)}`,
      { line, column: name, received: cell },
    );
  }
}
