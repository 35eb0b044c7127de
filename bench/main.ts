/** The bench: runs the cases of cases/ beside their peers and reports ratios against the limits. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { cases } from './cases/index.js';
import { environment } from './harness/environment.js';
import { runLimit } from './harness/limits.js';
import { type PairingResult, runPaired } from './harness/pairing.js';
import { benchFolder } from './harness/paths.js';
import { picture } from './harness/picture.js';
import { findPython } from './harness/python.js';
import { table, warnings } from './harness/report.js';
import { type BenchCase, type DetailedRow, publicRow } from './harness/types.js';
import { figure } from './library.js';

const usage = `Usage: node bench/run.mjs [options]
  --only NAME            one case (repeatable): ${[...new Set(cases.map(({ name }) => name))].join(', ')}
  --json                 print the rows as one JSON array and nothing else
  --check                exit with 1 when a limit is missed
  --output DIR           write <date>.json and <date>.svg there; a run of all cases writes to bench/results by default
  --threads N            threads on both sides of the paired cases (default 2)
  --blocks N             blocks, at least 7 (default 9)
  --block-seconds S      aimed length of each side's part of a block (default 0.25)
  --seed N               seed of the data (default 1)`;

/** Wrong usage: one line, exit code 2. */
class UsageError extends Error {}

interface Options {
  readonly chosen: readonly BenchCase[];
  readonly json: boolean;
  readonly check: boolean;
  readonly output: string | undefined;
  readonly threads: number;
  readonly blocks: number;
  readonly blockSeconds: number;
  readonly seed: number;
}

function number(
  name: string,
  text: string | undefined,
  fallback: number,
  accept: (value: number) => boolean,
  expected: string,
) {
  if (text === undefined) return fallback;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!accept(value)) throw new UsageError(`[bench] Expected ${expected} after --${name}, received '${text}'.`);
  return value;
}

/** The options, or undefined when only the usage is wanted. @throws {UsageError} */
function readOptions(args: readonly string[]): Options | undefined {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  const parse = () =>
    parseArgs({
      args: [...args],
      options: {
        only: { type: 'string', multiple: true },
        json: flag,
        check: flag,
        help: flag,
        output: text,
        threads: text,
        blocks: text,
        'block-seconds': text,
        seed: text,
      },
    });
  let parsed: ReturnType<typeof parse>['values'];
  try {
    parsed = parse().values;
  } catch (error) {
    throw new UsageError(`[bench] ${(error as Error).message}`);
  }
  if (parsed.help) return undefined;
  const names = [...new Set(cases.map(({ name }) => name))];
  for (const name of parsed.only ?? []) {
    if (!names.includes(name))
      throw new UsageError(`[bench] Expected one of ${names.join(', ')} after --only, received '${name}'.`);
  }
  const whole = (low: number) => (value: number) => Number.isInteger(value) && value >= low;
  return {
    chosen: cases.filter(({ name }) => !parsed.only || parsed.only.includes(name)),
    json: parsed.json,
    check: parsed.check,
    output: parsed.output ?? (parsed.only ? undefined : join(benchFolder, 'results')),
    threads: number('threads', parsed.threads, 2, whole(1), 'a whole number of threads >= 1'),
    blocks: number('blocks', parsed.blocks, 9, whole(7), 'a whole number of blocks >= 7'),
    blockSeconds: number(
      'block-seconds',
      parsed['block-seconds'],
      0.25,
      (value) => value > 0,
      'a number of seconds > 0',
    ),
    seed: number('seed', parsed.seed, 1, whole(0), 'a whole number >= 0'),
  };
}

async function runAll(options: Options): Promise<number> {
  const log = (line: string) => process.stderr.write(`${line}\n`);
  const before = environment();
  const rows: DetailedRow[] = [];
  const failures: { name: string; message: string }[] = [];
  let versions: PairingResult['versions'] | undefined;
  const python = options.chosen.some((one) => one.kind === 'paired' && !one.startPeer) ? findPython() : '';
  for (const chosen of options.chosen) {
    try {
      if (chosen.kind === 'limit') {
        log(chosen.name);
        rows.push(...(await runLimit(chosen)));
      } else {
        const { threads, blocks, blockSeconds, seed } = options;
        const result = await runPaired(chosen, { python, threads, blocks, blockSeconds, seed, log });
        rows.push(...result.rows);
        versions = result.versions;
      }
    } catch (error) {
      // The other cases still run; this one has no row and the exit code tells.
      const message = (error as Error).message;
      failures.push({ name: chosen.name, message });
      log(`${chosen.name} failed: ${message}`);
    }
  }
  if (options.json) process.stdout.write(`${JSON.stringify(rows.map(publicRow), null, 2)}\n`);
  else if (rows.length > 0) process.stdout.write(`${table(rows)}\n`);
  const doubts = warnings(rows, before.load, before.cores);
  for (const doubt of doubts) log(`Warning: ${doubt}`);
  if (options.output !== undefined) {
    const date = new Date();
    const stem = join(options.output, date.toISOString().slice(0, 19).replaceAll(':', ''));
    const { threads, seed } = options;
    const document = {
      date: date.toISOString(),
      environment: before,
      versions,
      threads,
      seed,
      warnings: doubts,
      failures,
      rows,
    };
    await mkdir(options.output, { recursive: true });
    await writeFile(`${stem}.json`, `${JSON.stringify(document, null, 2)}\n`);
    await writeFile(`${stem}.svg`, await (await figure()).renderSvg(picture(rows)));
    log(`Results: ${relative(process.cwd(), `${stem}.json`)}, picture: ${relative(process.cwd(), `${stem}.svg`)}`);
  }
  if (failures.length > 0) return 1;
  return options.check && rows.some(({ met }) => !met) ? 1 : 0;
}

/** Runs the bench and returns the exit code: 0, 1 for a failed case (or, with --check, a missed limit), 2 for wrong usage. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const options = readOptions(args);
    if (!options) {
      process.stdout.write(`${usage}\n`);
      return 0;
    }
    return await runAll(options);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}
