/** Where the time of a computation goes: a record of the kernels that ran, to be read as a table or in a trace viewer. */
import { writeFile } from 'node:fs/promises';
import { DomainError } from './errors.js';
import { Stream } from './stream.js';

/** One run of a kernel (or of a piece of one, when it is long); times in microseconds, starts since the profile began. */
export interface ProfileEvent {
  /** Kernel, the primitives that were fused into it, and its results: `chain[add tanh] -> float32[128, 512]`. */
  readonly name: string;
  /** Name of the device. */
  readonly device: string;
  readonly start: number;
  readonly duration: number;
}

/** What all runs of one kernel took together. */
export interface ProfileRow {
  readonly name: string;
  readonly count: number;
  /** Milliseconds. */
  readonly total: number;
  /** Of the time of all kernels. */
  readonly share: number;
}

export interface Profile<T> {
  /** What `f` returned. */
  readonly result: T;
  readonly events: readonly ProfileEvent[];
  /** Events that were counted and not kept: beyond 2^20. */
  readonly dropped: number;
  /** By kernel, the dearest first. */
  readonly rows: readonly ProfileRow[];
  /** Writes Chrome's trace format (JSON): open it in chrome://tracing, Perfetto or speedscope. */
  save(path: string): Promise<void>;
  /** The rows as a table. */
  toString(): string;
}

/**
 * Runs `f` on a stream of its own and records every kernel. What `f` enqueues before it returns is recorded, loops included; nothing of
 * it runs inline, so small Programs take longer than usual; on a GPU every kernel is awaited, so that its time is its own.
 *
 * @param f  synchronous; what it returns is not read.
 * @returns when everything that was enqueued is done.
 * @throws {DomainError} `f` is asynchronous.
 * @example  const { rows } = await profile(() => step(weights, x, y));
 */
export async function profile<T>(f: () => T): Promise<Profile<T>> {
  const stream = new Stream();
  try {
    stream.startProfiling();
    const result = stream.run(f);
    if (result instanceof Promise) {
      result.catch(() => {});
      throw new DomainError('profile', 'Expected a synchronous function, received one that returns a promise', {
        hint: 'enqueue inside, await the results outside',
      });
    }
    await stream.idle();
    const absolute: ProfileEvent[] = [];
    let dropped = 0;
    for (const [device, taken] of stream.takeProfiles()) {
      dropped += taken.dropped;
      for (let k = 0; k < taken.events.length; k += 3) {
        const [name, start, duration] = taken.events.subarray(k, k + 3) as unknown as [number, number, number];
        absolute.push({ name: taken.names[name] as string, device: device.name, start, duration });
      }
    }
    absolute.sort((a, b) => a.start - b.start);
    const begin = absolute[0]?.start ?? 0;
    const events = absolute.map((event) => ({ ...event, start: event.start - begin }));
    const rows = tabulate(events);
    return {
      result,
      events,
      dropped,
      rows,
      save: (path) => writeFile(path, JSON.stringify(chromeTrace(events))),
      toString: () => showRows(rows),
    };
  } finally {
    stream.dispose();
  }
}

function tabulate(events: readonly ProfileEvent[]): ProfileRow[] {
  const sums = new Map<string, { count: number; total: number }>();
  let whole = 0;
  for (const { name, duration } of events) {
    const sum = sums.get(name) ?? { count: 0, total: 0 };
    sum.count++;
    sum.total += duration / 1000;
    whole += duration / 1000;
    sums.set(name, sum);
  }
  return [...sums]
    .map(([name, { count, total }]) => ({ name, count, total, share: whole > 0 ? total / whole : 0 }))
    .sort((a, b) => b.total - a.total);
}

/** https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU: complete events, microseconds. */
function chromeTrace(events: readonly ProfileEvent[]): object {
  const tracks = [...new Set(events.map(({ device }) => device))];
  return {
    displayTimeUnit: 'ms',
    traceEvents: events.map(({ name, device, start, duration }) => ({
      name,
      cat: name.split(/[ [-]/, 1)[0],
      ph: 'X',
      ts: start,
      dur: duration,
      pid: 1,
      tid: 1 + tracks.indexOf(device),
      args: { device },
    })),
  };
}

function showRows(rows: readonly ProfileRow[]): string {
  const cells = rows.map(({ name, count, total, share }) => [
    `${(100 * share).toFixed(1)} %`,
    `${total.toFixed(3)} ms`,
    `${count}`,
    name,
  ]);
  const widths = [0, 1, 2].map((k) => Math.max(0, ...cells.map((row) => (row[k] as string).length)));
  return cells.map((row) => row.map((cell, k) => cell.padStart(widths[k] ?? 0)).join('  ')).join('\n');
}
