/**
 * The contract of the native addon: everything TypeScript asks of C++, and nothing else.
 *
 * Tensors live in slots: small integers that TypeScript hands out and the addon's per-environment table maps to values.
 * All calls are made on the environment's own thread; none of them computes for longer than the inline limit,
 * except `waitSync`, and `execute` when the queue is full.
 */
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DeviceError } from './errors.js';

/** dtype codes as the encoding uses them: 0 float32, 1 float64, 2 int32, 3 uint32, 4 bool. */
export type DTypeCode = 0 | 1 | 2 | 3 | 4;

/** What the addon throws (as an `Error` with these fields) or reports for a failed value. */
export interface NativeFailure {
  readonly code:
    | 'ERR_SHAPE'
    | 'ERR_DTYPE'
    | 'ERR_DOMAIN'
    | 'ERR_DEVICE'
    | 'ERR_NUMERICAL'
    | 'ERR_OUT_OF_MEMORY'
    | 'ERR_DISPOSED'
    | 'ERR_ABORTED'
    | 'ERR_INTERNAL';
  /** The primitive to blame. */
  readonly op: string;
  readonly message: string;
}

/** Figures of a device of this process; times in seconds, memory in bytes. */
export interface NativeStatistics {
  readonly programsRun: number;
  readonly programsInline: number;
  readonly equationsRun: number;
  /**
   * How often queued Programs read from their device and waited for it: conditions of loops, predicates of branches, checks, progress.
   */
  readonly reads: number;
  readonly blockedEnqueues: number;
  readonly pendingPrograms: number;
  readonly streams: number;
  readonly busySeconds: number;
}

export interface NativeMemory {
  /** Bytes of live tensors and arenas. */
  readonly used: number;
  /** Bytes kept warm for reuse. */
  readonly cached: number;
  readonly peak: number;
  readonly limit: number;
  /** Live slots of this environment on the device. */
  readonly handles: number;
}

export interface NativeInfo {
  readonly simdTarget: string;
  readonly simdTargets: readonly string[];
  readonly blas: string;
  readonly threads: number;
  readonly hardwareThreads: number;
  /** One message per numerical self-check of BLAS that failed; empty when it computes correctly. */
  readonly blasFaults: readonly string[];
}

export interface NativeAddon {
  /**
   * Registers the environment's callbacks, once, before anything else.
   * `settled(tickets)`: reads that can be collected. `progress(stream, tag, names, values)`: the newest scalars of an `emit`.
   */
  configure(
    settled: (tickets: Float64Array) => void,
    progress: (stream: number, tag: string, names: string[], values: Float64Array) => void,
  ): void;

  /** Every device there is a name for; `reason` says why it cannot be opened, and is empty when it can. Opens none. */
  devices(): { name: string; reason: string }[];
  /** Opens a device for the process, or finds it opened, and makes it known to this environment. Throws ERR_DEVICE. */
  openDevice(name: string): { id: number; name: string };
  describeDevice(device: number): { description: string; memoryBytes: number; asynchronous: boolean };

  /**
   * Decodes, checks and plans a Program for a device (see docs/architecture.md, Encoding). Returns its id. Throws `NativeFailure`.
   */
  compile(device: number, words: Float64Array, names: readonly string[]): number;
  releaseProgram(program: number): void;
  /** The Program after the passes, one equation a line, for reading. */
  describeProgram(program: number): string;

  /** Numbers are distinct across devices. */
  createStream(device: number): number;
  /** Queued work still runs; the stream's number is free afterwards. */
  releaseStream(stream: number): void;
  /** Cancels what is queued on the stream and aborts what runs: their outputs fail with ERR_ABORTED. The stream stays aborted. */
  abortStream(stream: number): void;

  /** Keeps a record of the kernels that run on the stream from now on; nothing of it runs inline then. */
  startProfiling(stream: number): void;
  /** The record since the last call: triples (index of the name, start, duration), in microseconds of one clock for all streams. */
  takeProfile(stream: number): { names: string[]; events: Float64Array; dropped: number };

  /**
   * Puts a marker behind what is launched on an asynchronous device; it is reached when the environment is idle there. Release it.
   * Throws ERR_DEVICE when the device is lost.
   */
  recordMarker(device: number): number;
  releaseMarker(marker: number): void;
  /** Nanoseconds that the device took from one marker to a later one, by its own clock. Waits until both are reached. Throws as `recordMarker`. */
  elapsed(from: number, to: number): number;

  /**
   * Enqueues a run. `slots` holds the Program's input slots, then its output slots, which must be free or failed; donated inputs' slots
   * are released. Returns at once, except when 256 Programs or a quarter of the memory limit are pending: then it blocks until
   * the executor has caught up. Throws ERR_DISPOSED when an input slot is empty, ERR_DEVICE when one lives on another device.
   */
  execute(program: number, stream: number, slots: Int32Array): void;

  /** Puts a copy of `data` (its length must be the product of dims) into a free slot. Throws ERR_OUT_OF_MEMORY. */
  write(device: number, slot: number, dtype: DTypeCode, dims: readonly number[], data: ArrayBufferView): void;
  /** Enqueues a copy of a value to the stream's device, into a free slot; on the value's own device both slots then hold it. */
  copy(stream: number, from: number, to: number): void;
  release(slots: Int32Array, count: number): void;
  /** 0 pending, 1 ready, 2 failed. */
  state(slot: number): 0 | 1 | 2;

  /** Asks for a value; the ticket appears in `settled` (never synchronously, and only when the value was pending). */
  request(slot: number): number;
  /** Copies the value out and ends the ticket. Throws its `NativeFailure`. */
  collect(ticket: number): ArrayBuffer;
  /** Blocks until the slot is no longer pending. */
  waitSync(slot: number): void;
  /** A ticket that settles when all that this environment has enqueued on the device is done; collect it for an empty buffer. */
  requestIdle(device: number): number;

  setThreads(threads: number): void;
  setMemoryLimit(device: number, bytes: number): void;
  statistics(device: number): NativeStatistics;
  memory(device: number): NativeMemory;
  info(): NativeInfo;
}

/** COTANGENT_ADDON names another build, such as one with a sanitizer. */
const addonPath = process.env.COTANGENT_ADDON
  ? resolve(process.env.COTANGENT_ADDON)
  : fileURLToPath(new URL('../../build/Release/cotangent.node', import.meta.url));

let loaded: NativeAddon | undefined;

/** Loads the addon on first use. @throws {DeviceError} it has not been built or cannot be loaded. */
export function native(): NativeAddon {
  if (loaded) return loaded;
  try {
    loaded = createRequire(import.meta.url)(addonPath) as NativeAddon;
  } catch (cause) {
    throw new DeviceError('addon', `Expected the native addon at ${addonPath}, received: ${(cause as Error).message}`, {
      hint: 'build it with `npm run build`',
      cause,
    });
  }
  return loaded;
}
