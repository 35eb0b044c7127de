/** Apache Arrow's IPC files and streams (Feather version 2), through the optional package `apache-arrow`. */
import { DomainError } from '../core/errors.js';
import type { CsvTable } from './csv.js';
import { type ColumnOptions, tableOf } from './internal/columns.js';
import { optionalPackage } from './internal/optional.js';
import { malformed, readAll, type Source, sourceName } from './internal/source.js';

export type ArrowOptions = ColumnOptions;

/**
 * Reads columns of numbers (booleans count as 0 and 1) from an Arrow IPC file or stream. Needs the package `apache-arrow`.
 *
 * @param source  a path, or the file's content; read whole.
 * @returns features [rows, columns] and, if asked for, labels [rows]; dictionaries of text serve as labels too.
 * @throws {DomainError} the package is missing (`details.package` names it), no such file, not Arrow, compressed buffers, an
 *   unknown column, no rows, or a cell that is missing or not a finite number; `details` then holds path, row (from 1) and column.
 */
export async function readArrow(source: Source, options: ArrowOptions = {}): Promise<CsvTable> {
  const op = 'readArrow';
  const { DataType, Precision, tableFromIPC } = await optionalPackage(op, 'apache-arrow', () => import('apache-arrow'));
  const bytes = await readAll(op, source);
  const fail = (message: string, cause?: unknown): DomainError =>
    malformed(
      op,
      source,
      `Expected an Arrow file or stream that can be read at ${sourceName(source)}, received: ${message}`,
      { cause },
    );
  try {
    const table = tableFromIPC(bytes);
    const names = table.schema.fields.map((field) => String(field.name));
    if (names.length === 0) throw fail('no columns');
    return await tableOf(
      op,
      source,
      {
        names,
        rows: table.numRows,
        column: async (name) => {
          const column = table.getChild(name);
          if (!column) throw fail(`no column ${name}`);
          // The plain array is the storage: whatever lies in the place of a missing number, float16 as bits, decimals as words.
          const { type, nullCount } = column;
          const isStored = DataType.isDecimal(type) || (DataType.isFloat(type) && type.precision === Precision.HALF);
          if (nullCount > 0 || isStored)
            return Array.from({ length: table.numRows }, (_, row) => column.get(row) as unknown);
          return column.toArray() as ArrayLike<unknown>;
        },
      },
      options,
    );
  } catch (cause) {
    throw cause instanceof DomainError ? cause : fail((cause as Error).message, cause);
  }
}
