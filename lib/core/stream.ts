/** Streams: ordered queues of work. */
import type { Device } from './device.js';
import { type EmitListener, env, fromNative } from './environment.js';
import { DisposedError } from './errors.js';
import type { NativeAddon } from './native.js';

let currentStream: Stream | undefined;

/** Number of the native stream that takes what is enqueued now on a device. */
export function streamOn(device: Device): number {
  return currentStream ? currentStream.on(device) : device.defaultStream;
}

/**
 * An ordered queue of work on each device. Streams take turns on a device, so a long fit on one does not hold up another.
 * The environment's default stream serves whatever is not run on a stream of its own.
 */
export class Stream {
  /** Native streams, by device: made when the first work for it arrives. */
  private readonly native = new Map<Device, number>();
  private aborted = false;
  private profiling = false;
  private listener: EmitListener | undefined;
  private open = true;

  constructor() {
    streams.register(this, this.native, this);
  }

  private check(op: string): void {
    if (!this.open) throw new DisposedError(op, 'Expected an open stream, received a disposed one');
  }

  /** The native stream on a device. */
  on(device: Device): number {
    this.check('stream');
    let id = this.native.get(device);
    if (id === undefined) {
      const { addon, listeners } = env();
      try {
        id = addon.createStream(device.id);
      } catch (thrown) {
        throw fromNative(thrown);
      }
      this.native.set(device, id);
      if (this.listener) listeners.set(id, this.listener);
      if (this.profiling) addon.startProfiling(id);
      if (this.aborted) addon.abortStream(id);
    }
    return id;
  }

  /** Calls `f`; what it enqueues before it returns goes to this stream. */
  run<T>(f: () => T): T {
    this.check('stream');
    const outer = currentStream;
    currentStream = this;
    try {
      return f();
    } finally {
      currentStream = outer;
    }
  }

  /** Cancels queued work and stops what runs: their results reject with AbortError. The stream takes no more work. */
  abort(): void {
    this.check('stream');
    this.aborted = true;
    for (const id of this.native.values()) env().addon.abortStream(id);
  }

  /** Hears the scalars that Programs on this stream `emit`: the newest ones, at most every 40 ms. */
  onEmit(listener: EmitListener): void {
    this.check('stream');
    this.listener = listener;
    for (const id of this.native.values()) env().listeners.set(id, listener);
  }

  /** Records the kernels that run here from now on. */
  startProfiling(): void {
    this.check('stream');
    this.profiling = true;
    for (const id of this.native.values()) env().addon.startProfiling(id);
  }

  /** What was recorded since the last call, by device. */
  takeProfiles(): Map<Device, ReturnType<NativeAddon['takeProfile']>> {
    this.check('stream');
    return new Map([...this.native].map(([device, id]) => [device, env().addon.takeProfile(id)]));
  }

  /** Resolves when everything that this environment has enqueued so far is done on the devices that the stream has used. */
  async idle(): Promise<void> {
    this.check('stream');
    await Promise.all([...this.native.keys()].map((device) => device.idle()));
  }

  /** Lets the stream go once its queued work is done. */
  dispose(): void {
    if (!this.open) return;
    this.open = false;
    streams.unregister(this);
    release(this.native);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function release(native: Map<Device, number>): void {
  for (const id of native.values()) {
    env().listeners.delete(id);
    env().addon.releaseStream(id);
  }
  native.clear();
}

const streams = new FinalizationRegistry<Map<Device, number>>(release);
