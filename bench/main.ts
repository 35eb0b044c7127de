/** The bench: runs the cases of cases/ beside their peers and reports ratios against the limits. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { cases } from './cases/index.js';
import { environment } from './harness/environment.js';
import { runLimit } from './harness/limits.js';
import { addVersions, requireDevice, runPaired, type Versions } from './harness/pairing.js';
import { benchFolder } from './harness/paths.js';
import { picture } from './harness/picture.js';
import { findPython, whyNoTorch } from './harness/python.js';
import { table, warnings } from './harness/report.js';
import { type BenchCase, caseId, type DetailedRow, publicRow, runsOn } from './harness/types.js';
import { figure } from './library.js';

const usage = `Usage: node bench/run.mjs [options]
  --device NAME          where both sides compute: cpu (default), cuda, cuda:N, or cuda:emulated, which has no peer
  --only NAME            one case (repeatable), or one of its sizes (matmul:256): ${[...new Set(cases.map(({ name }) => name))].join(', ')}
  --json                 print the rows as one JSON array and nothing else
  --check                exit with 1 when a limit is missed (limits are the CPU's)
  --output DIR           write <date>.json and <date>.svg there; a run of all cases writes to bench/results by default
  --threads N            threads on both sides of the paired cases (default 2)
  --blocks N             blocks, at least 7 (default 9)
  --block-seconds S      aimed length of each side's part of a block (default 0.25)
  --seed N               seed of the data (default 1)`;

/** Wrong usage: one line, exit code 2. */
class UsageError extends Error {}

interface Options {
  readonly chosen: readonly BenchCase[];
  /** Chosen, and of no meaning on the device. */
  readonly leftOut: readonly BenchCase[];
  readonly device: string;
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
        device: text,
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
    if (!names.includes(name) && !cases.some((one) => caseId(one) === name))
      throw new UsageError(`[bench] Expected one of ${names.join(', ')} after --only, received '${name}'.`);
  }
  const { device = 'cpu' } = parsed;
  if (parsed.check && device !== 'cpu') {
    throw new UsageError(
      `[bench] Expected --check on the CPU, received --device ${device}, where there are no limits.`,
    );
  }
  const wanted = cases.filter(
    (one) => !parsed.only || parsed.only.includes(one.name) || parsed.only.includes(caseId(one)),
  );
  const chosen = wanted.filter((one) => runsOn(one, device));
  if (chosen.length === 0) {
    throw new UsageError(`[bench] Expected a case that runs on ${device}, received ${parsed.only?.join(', ')}.`);
  }
  const whole = (low: number) => (value: number) => Number.isInteger(value) && value >= low;
  return {
    chosen,
    leftOut: wanted.filter((one) => !chosen.includes(one)),
    device,
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

/** The Python of the peers; undefined when no chosen case has any on the device. @throws {Error} there should be one and is none. */
function peerPython({ chosen, device }: Options, log: (line: string) => void): string | undefined {
  if (!chosen.some((one) => one.kind === 'paired' && !one.startPeer)) return undefined;
  if (device === 'cpu') return findPython();
  const alone = (reason: string) => log(`No peers on ${device}, ours is timed alone: ${reason}`);
  if (device === 'cuda:emulated') {
    alone('torch does not compute there.');
    return undefined;
  }
  const python = findPython();
  const reason = whyNoTorch(python, device);
  if (reason === undefined) return python;
  alone(`torch of ${python} cannot use the device: ${reason}`);
  return undefined;
}

async function runAll(options: Options): Promise<number> {
  const log = (line: string) => process.stderr.write(`${line}\n`);
  if (options.device !== 'cpu') await requireDevice(options.device);
  if (options.leftOut.length > 0) {
    log(`Left out on ${options.device}, as they are about the CPU: ${options.leftOut.map(caseId).join(', ')}`);
  }
  const before = environment();
  const rows: DetailedRow[] = [];
  const failures: { name: string; message: string }[] = [];
  let versions: Versions | undefined;
  const python = peerPython(options, log);
  for (const chosen of options.chosen) {
    try {
      if (chosen.kind === 'limit') {
        log(chosen.name);
        rows.push(...(await runLimit(chosen)));
      } else {
        const { device, threads, blocks, blockSeconds, seed } = options;
        const result = await runPaired(chosen, { device, python, threads, blocks, blockSeconds, seed, log });
        rows.push(...result.rows);
        versions = addVersions(versions, result.versions);
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
    const { device, threads, seed } = options;
    const document = {
      date: date.toISOString(),
      environment: before,
      versions,
      device,
      threads,
      seed,
      warnings: doubts,
      failures,
      rows,
    };
    await mkdir(options.output, { recursive: true });
    await writeFile(`${stem}.json`, `${JSON.stringify(document, null, 2)}\n`);
    log(`Results: ${relative(process.cwd(), `${stem}.json`)}`);
    const drawn = picture(rows);
    if (drawn) {
      await writeFile(`${stem}.svg`, await (await figure()).renderSvg(drawn));
      log(`Picture: ${relative(process.cwd(), `${stem}.svg`)}`);
    }
  }
  if (failures.length > 0) return 1;
  return options.check && rows.some(({ met }) => met === false) ? 1 : 0;
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
