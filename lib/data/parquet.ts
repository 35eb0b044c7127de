/** Apache Parquet, through the optional package `hyparquet` (no native code). */
import { DomainError } from '../core/errors.js';
import type { CsvTable } from './csv.js';
import type { DataArray } from './data-array.js';
import { type ColumnOptions, type ColumnSource, tableOf } from './internal/columns.js';
import { optionalPackage } from './internal/optional.js';
import { malformed, RandomAccess, type Source, sourceName } from './internal/source.js';

export interface ParquetOptions extends ColumnOptions {
  /**
   * Decompressors by codec name, such as those of the package `hyparquet-compressors`. Default: none beyond uncompressed and Snappy,
   * which are built in.
   */
  readonly compressors?: Readonly<Record<string, (input: Uint8Array, outputLength: number) => Uint8Array>>;
}

type Hyparquet = typeof import('hyparquet');

interface Opened extends ColumnSource {
  /** [start, end) of each row group. */
  readonly groups: readonly (readonly [start: number, end: number])[];
  range(start: number, end: number): ColumnSource;
}

/** Opens a file for `use`, and closes it. */
async function withParquet<T>(
  op: string,
  source: Source,
  options: ParquetOptions,
  use: (file: Opened) => Promise<T>,
): Promise<T> {
  const library: Hyparquet = await optionalPackage(op, 'hyparquet', () => import('hyparquet'));
  const access = await RandomAccess.open(op, source);
  try {
    return await use(await describe(op, source, access, library, options));
  } catch (cause) {
    if (cause instanceof DomainError) throw cause;
    const { message } = cause as Error;
    const unsupported = /compress/i.test(message);
    throw malformed(
      op,
      source,
      `Expected a Parquet file that can be read at ${sourceName(source)}, received: ${message}`,
      {
        hint: unsupported
          ? 'pass the decompressors of the package hyparquet-compressors as options.compressors'
          : undefined,
        cause,
      },
    );
  } finally {
    await access.close();
  }
}

async function describe(
  op: string,
  source: Source,
  access: RandomAccess,
  { parquetMetadataAsync, parquetRead }: Hyparquet,
  { compressors }: ParquetOptions,
): Promise<Opened> {
  const file = {
    byteLength: access.size,
    slice: async (start: number, end: number = access.size): Promise<ArrayBuffer> => {
      const bytes = new Uint8Array(Math.max(0, end - start));
      await access.read(bytes, start);
      return bytes.buffer;
    },
  };
  if (access.size < 12) {
    throw malformed(op, source, `Expected a Parquet file at ${sourceName(source)}, received ${access.size} bytes`);
  }
  const metadata = await parquetMetadataAsync(file);
  const [root, ...elements] = metadata.schema;
  const nested = elements.find((element) => (element.num_children ?? 0) > 0 || element.repetition_type === 'REPEATED');
  if (!root || nested) {
    throw malformed(
      op,
      source,
      `Expected flat columns in ${sourceName(source)}, received the nested column ${nested?.name ?? 'nothing'}`,
      {
        column: nested?.name,
      },
    );
  }
  const names = elements.map((element) => element.name);
  const range = (rowStart: number, rowEnd: number): ColumnSource => ({
    names,
    rows: rowEnd - rowStart,
    firstRow: rowStart,
    column: async (name) => {
      let cells: unknown[] = [];
      const onComplete = (rows: unknown[][]): void => {
        cells = rows.map(([cell]) => cell);
      };
      await parquetRead({ file, metadata, columns: [name], rowStart, rowEnd, compressors, onComplete });
      return cells;
    },
  });
  let at = 0;
  const groups = metadata.row_groups.map((group) => [at, (at += Number(group.num_rows))] as const);
  return { ...range(0, Number(metadata.num_rows)), groups, range };
}

/**
 * Reads flat columns of numbers (booleans count as 0 and 1) from a Parquet file; uncompressed and Snappy, others by
 * `options.compressors`. Needs the package `hyparquet`.
 *
 * @param source  a path, or the file's content.
 * @returns features [rows, columns] and, if asked for, labels [rows].
 * @throws {DomainError} the package is missing (`details.package` names it), no such file, not Parquet, nested columns, an unknown
 *   column or codec, no rows, or a cell that is missing or not a finite number; `details` then holds path, row (from 1) and column.
 */
export async function readParquet(source: Source, options: ParquetOptions = {}): Promise<CsvTable> {
  const op = 'readParquet';
  return withParquet(op, source, options, (file) => tableOf(op, source, file, options));
}

/**
 * The row groups of a Parquet file one after the other, as `readParquet` would read them: for files larger than memory. Names
 * as labels are refused, since their classes are known only at the end.
 * @throws as `readParquet`.
 */
export async function* parquetBlocks(
  source: Source,
  options: ParquetOptions = {},
): AsyncGenerator<{ x: DataArray; y?: DataArray }> {
  const op = 'parquetBlocks';
  const groups = await withParquet(op, source, options, async (file) => file.groups);
  for (const [start, end] of groups) {
    if (start === end) continue;
    const table = await withParquet(op, source, options, (file) =>
      tableOf(op, source, file.range(start, end), options),
    );
    const { labels, classes, columns: _, ...x } = table;
    if (classes) {
      throw malformed(op, source, `Expected numeric labels in ${sourceName(source)}, received names`, {
        hint: 'encode the labels as numbers, or read the whole file with readParquet()',
        column: options.label,
      });
    }
    yield labels ? { x, y: labels } : { x };
  }
}
