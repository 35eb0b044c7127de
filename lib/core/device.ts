/** Devices: where tensors live and operations run. */
import { addon, awaitIdle, flushReleases, fromNative } from './environment.js';
import { DeviceError, DomainError } from './errors.js';
import type {
  NativeInfo as HardwareInfo,
  NativeMemory as MemoryInfo,
  NativeStatistics as Statistics,
} from './native.js';

export type { HardwareInfo, MemoryInfo, Statistics };

/** What `call` of the addon returns. @throws its failure, typed. */
function throwing<T>(call: () => T): T {
  try {
    return call();
  } catch (thrown) {
    throw fromNative(thrown);
  }
}

/** The kind of a device: `emulated` is CUDA's kernels on the host, for tests. */
export type DeviceKind = 'cpu' | 'cuda' | 'emulated';

/** A device that is open. There is one object for each; get it from `device()`. */
export class Device {
  readonly kind: DeviceKind;
  private stream: number | undefined;
  private launches: boolean | undefined;

  /** @internal */
  constructor(
    /** Number by which the addon knows it. @internal */
    readonly id: number,
    /** 'cpu', 'cuda:0', 'cuda:1', ..., 'cuda:emulated'. */
    readonly name: string,
  ) {
    this.kind = name === 'cpu' ? 'cpu' : name === 'cuda:emulated' ? 'emulated' : 'cuda';
  }

  /** The native stream of work that runs on no stream of its own. @internal */
  get defaultStream(): number {
    this.stream ??= addon().createStream(this.id);
    return this.stream;
  }

  /** Whether work is launched there and done later, behind the executor's back. @internal */
  get asynchronous(): boolean {
    this.launches ??= addon().describeDevice(this.id).asynchronous;
    return this.launches;
  }

  /** One line: model, what it computes with, versions. */
  describe(): string {
    return addon().describeDevice(this.id).description;
  }

  /** Memory in use, kept warm, at its peak, and the limit. */
  memory(): MemoryInfo {
    flushReleases();
    return addon().memory(this.id);
  }

  /**
   * Bytes of tensors and working memory that the process may hold on the device. Default: 80 % of its memory; on the CPU, of the
   * machine's, or of the cgroup's.
   * @throws {DomainError} not a whole number > 0.
   */
  setMemoryLimit(bytes: number): void {
    if (!Number.isSafeInteger(bytes) || bytes < 1) {
      throw new DomainError('setMemoryLimit', `Expected a whole number of bytes > 0, received ${bytes}`);
    }
    addon().setMemoryLimit(this.id, bytes);
  }

  /** What its executor has done since the process opened it. */
  statistics(): Statistics {
    return addon().statistics(this.id);
  }

  /** Resolves when everything that this environment has enqueued on it so far is done. */
  idle(): Promise<void> {
    return awaitIdle(this.id);
  }

  /**
   * Seconds that the device spends on what `f` enqueues on it, by the device's own clock: from a marker in its order of work that is
   * recorded before `f` is called, when this environment is idle there, to one recorded when all of `f`'s work is done. Gaps in which
   * the device waits for JavaScript count, and so does work of other threads that comes between. On the CPU: wall-clock time.
   *
   * @param f  may be asynchronous; it is awaited, and so is what it leaves enqueued. What it returns is not read.
   * @throws what `f` throws.  {DeviceError} the device was lost.
   */
  async time(f: () => unknown): Promise<number> {
    await this.idle();
    if (!this.asynchronous) {
      const started = performance.now();
      await f();
      await this.idle();
      return (performance.now() - started) / 1e3;
    }
    const markers: number[] = [];
    const record = (): number => {
      const marker = throwing(() => addon().recordMarker(this.id));
      markers.push(marker);
      return marker;
    };
    try {
      const from = record();
      await f();
      await this.idle();
      const to = record();
      await this.idle();
      return throwing(() => addon().elapsed(from, to)) / 1e9;
    } finally {
      for (const marker of markers) addon().releaseMarker(marker);
    }
  }

  toString(): string {
    return this.name;
  }
}

const opened = new Map<string, Device>();

/**
 * A device, opened at its first use in the process and shared by all worker threads.
 *
 * @param name  'cpu'; 'cuda' or 'cuda:0', 'cuda:1', ... (the GPUs, as CUDA_VISIBLE_DEVICES leaves them); 'cuda:emulated'.
 * @throws {DeviceError} no such name, or why it cannot be used: the CUDA library was not built or cannot be loaded, no driver, a driver
 *   that is too old, no GPU with that index. Nothing else is affected.
 */
export function device(name: string): Device {
  const known = opened.get(name);
  if (known) return known;
  if (typeof name !== 'string')
    throw new DeviceError('device', `Expected the name of a device, received ${typeof name}`);
  const found = throwing(() => addon().openDevice(name));
  const made = opened.get(found.name) ?? new Device(found.id, found.name);
  opened.set(found.name, made);
  opened.set(name, made);
  return made;
}

/** A device that there is a name for. */
export interface DeviceState {
  readonly name: string;
  readonly available: boolean;
  /** Why it cannot be used. */
  readonly reason?: string;
}

/** All devices, without opening any: which can be used, and why the others cannot. */
export function devices(): DeviceState[] {
  return addon()
    .devices()
    .map(({ name, reason }) => (reason === '' ? { name, available: true } : { name, available: false, reason }));
}

/** A device or its name, as options take it. */
export type DeviceLike = string | Device;

/** @throws {DeviceError} as `device()`. */
export function toDevice(like: DeviceLike): Device {
  return like instanceof Device ? like : device(like);
}

let chosen: Device | undefined;
/** Of what runs now: set by `onDevice`. */
let scoped: Device | undefined;

/**
 * The device of operations without tensor operands, and of data that name none: what `setDefaultDevice` chose, else the environment
 * variable COTANGENT_DEVICE, else the CPU.
 * @throws {DeviceError} COTANGENT_DEVICE names a device that cannot be used.
 */
export function defaultDevice(): Device {
  chosen ??= device(process.env.COTANGENT_DEVICE || 'cpu');
  return chosen;
}

/** Makes a device the default one of this environment. @throws {DeviceError} it cannot be used. */
export function setDefaultDevice(to: DeviceLike): void {
  chosen = toDevice(to);
}

/** Where what has no tensor operands goes now. */
export function currentDevice(): Device {
  return scoped ?? defaultDevice();
}

/** Calls `f`; what it makes without tensor operands is made on the device. Undefined: as outside. */
export function onDevice<T>(on: Device | undefined, f: () => T): T {
  if (!on) return f();
  const outer = scoped;
  scoped = on;
  try {
    return f();
  } finally {
    scoped = outer;
  }
}

/** Memory of the default device: in use, kept warm, at its peak, and the limit. */
export function memory(): MemoryInfo {
  return defaultDevice().memory();
}

/** What the default device's executor has done since the process opened it. */
export function statistics(): Statistics {
  return defaultDevice().statistics();
}

/** Resolves when everything that this environment has enqueued on the default device so far is done. */
export function idle(): Promise<void> {
  return defaultDevice().idle();
}

/** `Device.setMemoryLimit` of the default device. */
export function setMemoryLimit(bytes: number): void {
  defaultDevice().setMemoryLimit(bytes);
}

/** SIMD target, BLAS and its numerical self-check, and threads. */
export function hardwareInfo(): HardwareInfo {
  return addon().info();
}

/**
 * Threads that work is cut for, process-wide. Default: the hardware's, or COTANGENT_THREADS.
 * Results are the same bit for bit only for the same number.
 */
export function setThreads(threads: number): void {
  if (!Number.isInteger(threads) || threads < 1 || threads > 1024) {
    throw new DomainError('setThreads', `Expected a whole number of threads from 1 to 1024, received ${threads}`);
  }
  addon().setThreads(threads);
}
