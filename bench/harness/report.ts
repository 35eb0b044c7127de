/** The table that a person reads. */
import type { DetailedRow } from './types.js';

/** A time in its natural unit. */
export function showMilliseconds(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toPrecision(3)} s`;
  if (ms >= 1) return `${ms.toPrecision(3)} ms`;
  return `${(ms * 1000).toPrecision(3)} us`;
}

function showRatio(ratio: number | null): string {
  if (ratio === null) return '';
  return ratio >= 0.1 ? ratio.toFixed(2) : ratio.toPrecision(2);
}

const columns = ['case', 'ours', 'peer', 'time', 'ratio', 'min..max', 'limit', 'met', 'difference'] as const;

function cells(row: DetailedRow): string[] {
  const against = row.peer === 'limit';
  const met = { true: 'yes', false: 'NO', null: '' }[String(row.met) as 'true' | 'false' | 'null'];
  return [
    against ? `${row.name}: ${row.size}` : row.name,
    showMilliseconds(row.ours_ms),
    row.peer,
    row.peer_ms === null ? '' : showMilliseconds(row.peer_ms),
    showRatio(row.ratio),
    against || row.ratio === null ? '' : `${showRatio(row.ratio_min)}..${showRatio(row.ratio_max)}`,
    row.limit === null ? '' : String(row.limit),
    met,
    row.agreement === null ? '' : row.agreement.toExponential(1),
  ];
}

/** Aligned columns, one line a row, without a trailing newline. */
export function table(rows: readonly DetailedRow[]): string {
  const lines = [[...columns], ...rows.map(cells)];
  const widths = columns.map((_, column) => Math.max(...lines.map((line) => (line[column] as string).length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] as number))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** What makes a timing doubtful, one sentence each. */
export function warnings(rows: readonly DetailedRow[], load: number, cores: number): string[] {
  const found: string[] = [];
  if (load > 0.5 * cores)
    found.push(`The load average was ${load} on ${cores} cores at the start: other work disturbed the timings.`);
  for (const row of rows) {
    for (const [index, load] of row.idle_load.entries()) {
      if (load <= 0.05 || row.peer === 'none') continue;
      const [waiting, timed] = index === 0 ? ['cotangent', row.peer] : [row.peer, 'cotangent'];
      found.push(`${row.name}: ${waiting} used ${(100 * load).toFixed(0)} % of a core while ${timed} was timed.`);
    }
  }
  return found;
}
