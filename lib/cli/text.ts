/** Tables and numbers as text for a terminal. */
import type { Cell, Claim, Table } from './experiment.js';

/** Four significant digits; whole numbers in full, very large and very small ones in scientific notation. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e9) return String(value);
  if (size >= 1e6 || size < 1e-3) return value.toExponential(3).replace(/\.?0+e/, 'e');
  return String(Number(value.toPrecision(4)));
}

/** Bytes with a binary unit. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1);
  return `${formatNumber(bytes / 1024 ** power)} ${units[power]}`;
}

function formatCell(cell: Cell): string {
  if (cell === null) return '';
  if (typeof cell === 'number') return formatNumber(cell);
  if (typeof cell === 'boolean') return cell ? 'yes' : 'no';
  return cell;
}

/** The title, the columns and the rows, aligned: numbers to the right, text to the left. */
export function renderTable(table: Table): string {
  const cells = table.rows.map((row) => table.columns.map((_, k) => formatCell(row[k] ?? null)));
  const widths = table.columns.map((name, k) => Math.max(name.length, ...cells.map((row) => row[k].length)));
  const numeric = table.columns.map(
    (_, k) =>
      table.rows.some((row) => typeof row[k] === 'number') &&
      table.rows.every((row) => typeof row[k] === 'number' || row[k] === null),
  );
  const line = (row: readonly string[]) =>
    `  ${row.map((text, k) => (numeric[k] ? text.padStart(widths[k]) : text.padEnd(widths[k]))).join('  ')}`.trimEnd();
  const rule = `  ${widths.map((width) => '─'.repeat(width)).join('  ')}`;
  return [table.title, '', line(table.columns), rule, ...cells.map(line)].join('\n');
}

/** The claims of a paper, each with the paper's figure and ours: sentences, which a table would make too wide to read. */
export function renderClaims(claims: readonly Claim[]): string {
  const blocks = claims.map(({ claim, paper, measured, holds }) =>
    [`  ${holds ? '✓' : '✗'} ${claim}`, `      paper     ${paper}`, `      measured  ${measured}`].join('\n'),
  );
  return ['Claims of the paper', ...blocks].join('\n\n');
}
