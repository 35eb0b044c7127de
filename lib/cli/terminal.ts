/** What a command needs of its surroundings, so that tests can give it others. */
import { CotangentError } from '../core/errors.js';
import type { Experiment } from './experiment.js';
import type { ProgressStream } from './progress.js';

export interface Surroundings {
  readonly experiments: readonly Experiment[];
  /** Results. */
  readonly stdout: NodeJS.WritableStream;
  /** Progress, remarks and errors. */
  readonly stderr: ProgressStream;
  /** Fires on Ctrl-C. */
  readonly signal: AbortSignal;
  /** Adds stacks to error lines. */
  readonly debug: boolean;
}

export const exitCodes = { success: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/** The command line itself is wrong: one line, exit code 2. */
export class UsageError extends Error {}

/** Text without line ends. */
export const oneLine = (text: string) => text.trim().replace(/\s*\n\s*/g, ' ');

/** One clear line; the stack only for those who ask for it. */
export function reportError(error: unknown, { stderr, debug }: Surroundings): void {
  const known = error instanceof CotangentError || error instanceof UsageError;
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  const hint = known || debug ? '' : ' (COTANGENT_DEBUG=1 shows where)';
  stderr.write(`cotangent: ${known ? '' : `unexpected ${name}: `}${oneLine(message)}${hint}\n`);
  if (debug) stderr.write(`${stack}\n`);
}

/** What `--json` prints for a run that failed. */
export function errorDocument(error: unknown): Readonly<Record<string, unknown>> {
  if (error instanceof CotangentError) {
    const { name, code, op, message, details } = error;
    return { error: { name, code, op, message, details } };
  }
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return { error: { name, message } };
}

export function writeJson(stdout: NodeJS.WritableStream, document: unknown): void {
  stdout.write(`${JSON.stringify(document, null, 2)}\n`);
}

/** The known name that `typed` is probably meant to be: at most two letters away. */
export function closestName(typed: string, names: readonly string[]): string | undefined {
  const ranked = names.map((name) => [editDistance(typed, name), name] as const).sort((a, b) => a[0] - b[0]);
  return ranked.length > 0 && ranked[0][0] <= 2 ? ranked[0][1] : undefined;
}

/** Levenshtein's distance, row by row. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, k) => k);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}
