/** The environment's side of the addon: slots, tickets, compiled Programs and streams. */
import {
  AbortError,
  type CotangentError,
  DeviceError,
  DisposedError,
  DomainError,
  DTypeError,
  InternalError,
  NumericalError,
  OutOfMemoryError,
  ShapeError,
} from './errors.js';
import { type NativeAddon, type NativeFailure, native } from './native.js';
import { encode, type Program } from './program.js';
import type { TensorType } from './types.js';

const errorClasses = {
  ERR_SHAPE: ShapeError,
  ERR_DTYPE: DTypeError,
  ERR_DOMAIN: DomainError,
  ERR_DEVICE: DeviceError,
  ERR_NUMERICAL: NumericalError,
  ERR_OUT_OF_MEMORY: OutOfMemoryError,
  ERR_DISPOSED: DisposedError,
  ERR_ABORTED: AbortError,
  ERR_INTERNAL: InternalError,
} as const;

/** The typed error for what the addon threw. */
export function fromNative(thrown: unknown): CotangentError {
  const failure = thrown as Partial<NativeFailure>;
  const message = failure.message ?? String(thrown);
  const op = failure.op || 'addon';
  const kind = errorClasses[failure.code ?? 'ERR_INTERNAL'] ?? InternalError;
  const prefix = `[${op}] `;
  return new kind(op, message.startsWith(prefix) ? message.slice(prefix.length) : message, { cause: thrown });
}

/** Receives the newest scalars that a stream's Programs emit. */
export type EmitListener = (tag: string, values: Readonly<Record<string, number>>) => void;

interface Environment {
  readonly addon: NativeAddon;
  readonly waiting: Map<number, () => void>;
  readonly listeners: Map<number, EmitListener>;
  readonly defaultStream: number;
}

let environment: Environment | undefined;

function env(): Environment {
  if (environment) return environment;
  const addon = native();
  const waiting = new Map<number, () => void>();
  const listeners = new Map<number, EmitListener>();
  try {
    addon.configure(
      (tickets) => {
        for (const ticket of tickets) {
          waiting.get(ticket)?.();
          waiting.delete(ticket);
        }
      },
      (stream, tag, names, values) => {
        listeners.get(stream)?.(tag, Object.fromEntries(names.map((name, k) => [name, values[k] as number])));
      },
    );
    environment = { addon, waiting, listeners, defaultStream: addon.createStream() };
  } catch (thrown) {
    throw fromNative(thrown);
  }
  return environment;
}

/** The addon, configured for this environment. */
export function addon(): NativeAddon {
  return env().addon;
}

// Slots. Freed ones go back to the addon in batches, and only then may be handed out again.

const freeSlots: number[] = [];
let slotCount = 0;
const released = new Int32Array(64);
let releasedCount = 0;
let flushScheduled = false;

export function takeSlot(): number {
  return freeSlots.pop() ?? slotCount++;
}

/** For slots that the addon itself has emptied (donated inputs), or that never held a value. */
export function returnSlot(slot: number): void {
  freeSlots.push(slot);
}

export function flushReleases(): void {
  flushScheduled = false;
  if (releasedCount === 0) return;
  env().addon.release(released, releasedCount);
  for (let k = 0; k < releasedCount; k++) freeSlots.push(released[k] as number);
  releasedCount = 0;
}

export function releaseSlot(slot: number): void {
  released[releasedCount++] = slot;
  if (releasedCount === released.length) flushReleases();
  else if (!flushScheduled) {
    flushScheduled = true;
    queueMicrotask(flushReleases);
  }
}

// Reading.

function settled(ticket: number): Promise<void> {
  return new Promise((resolve) => env().waiting.set(ticket, resolve));
}

/** A copy of the slot's bytes once it is computed. The slot may be released meanwhile. */
export async function readSlot(slot: number): Promise<ArrayBuffer> {
  const { addon } = env();
  try {
    const pending = addon.state(slot) === 0;
    const ticket = addon.request(slot);
    if (pending) await settled(ticket);
    return addon.collect(ticket);
  } catch (thrown) {
    throw fromNative(thrown);
  }
}

export function readSlotSync(slot: number): ArrayBuffer {
  const { addon } = env();
  try {
    addon.waitSync(slot);
    return addon.collect(addon.request(slot));
  } catch (thrown) {
    throw fromNative(thrown);
  }
}

/** Resolves when everything that this environment has enqueued so far is done. */
export async function idle(): Promise<void> {
  const { addon } = env();
  const ticket = addon.requestIdle();
  await settled(ticket);
  addon.collect(ticket);
}

// Programs.

/** A Program that the addon has decoded and planned. */
export class CompiledProgram {
  readonly outputTypes: readonly TensorType[];
  readonly inputCount: number;
  private constructor(
    readonly id: number,
    program: Program,
  ) {
    this.outputTypes = program.outputTypes;
    this.inputCount = program.inputs.length;
    compiledPrograms.register(this, id);
  }

  /** @param donated  inputs whose buffers each run consumes. */
  static compile(program: Program, donated?: ReadonlySet<number>): CompiledProgram {
    const { words, names } = encode(program, donated);
    try {
      return new CompiledProgram(env().addon.compile(words, names), program);
    } catch (thrown) {
      throw fromNative(thrown);
    }
  }

  /** The Program after the native passes, one equation a line. */
  describe(): string {
    return env().addon.describeProgram(this.id);
  }
}

const compiledPrograms = new FinalizationRegistry<number>((id) => env().addon.releaseProgram(id));

/** Programs compiled for transforms and control flow outside `jit`, by their encoding; the oldest unused go first. */
const structural = new Map<string, CompiledProgram>();
const STRUCTURAL_LIMIT = 512;

export function compileCached(program: Program): CompiledProgram {
  const { words, names } = encode(program);
  const key = `${Buffer.from(words.buffer, words.byteOffset, words.byteLength).toString('latin1')}|${names.join()}`;
  let compiled = structural.get(key);
  if (compiled) structural.delete(key);
  else compiled = CompiledProgram.compile(program);
  structural.set(key, compiled);
  if (structural.size > STRUCTURAL_LIMIT) structural.delete(structural.keys().next().value as string);
  return compiled;
}

const slotBuffers: Int32Array[] = [];

/**
 * Runs a Program on the current stream: reads the first `compiled.inputCount` numbers that `inputSlot` gives, returns the output slots.
 * Blocks while the queue is full.
 */
export function runProgram(compiled: CompiledProgram, inputSlot: (k: number) => number): Int32Array {
  const count = compiled.inputCount + compiled.outputTypes.length;
  let slots = slotBuffers[count];
  if (!slots) {
    slots = new Int32Array(count);
    slotBuffers[count] = slots;
  }
  for (let k = 0; k < compiled.inputCount; k++) slots[k] = inputSlot(k);
  for (let k = compiled.inputCount; k < count; k++) slots[k] = takeSlot();
  try {
    const { addon, defaultStream } = env();
    addon.execute(compiled.id, currentStream ?? defaultStream, slots);
  } catch (thrown) {
    for (let k = compiled.inputCount; k < count; k++) returnSlot(slots[k] as number);
    throw fromNative(thrown);
  }
  return slots;
}

// Streams.

let currentStream: number | undefined;

/**
 * An ordered queue of work. Streams take turns on the device, so a long fit on one does not hold up another.
 * The environment's default stream serves whatever is not run on a stream of its own.
 */
export class Stream {
  private id: number | undefined;

  constructor() {
    this.id = env().addon.createStream();
    streams.register(this, this.id, this);
  }

  private open(op: string): number {
    if (this.id === undefined) throw new DisposedError(op, 'Expected an open stream, received a disposed one');
    return this.id;
  }

  /** Calls `f`; what it enqueues before it returns goes to this stream. */
  run<T>(f: () => T): T {
    const outer = currentStream;
    currentStream = this.open('stream');
    try {
      return f();
    } finally {
      currentStream = outer;
    }
  }

  /** Cancels queued work and stops what runs: their results reject with AbortError. The stream takes no more work. */
  abort(): void {
    env().addon.abortStream(this.open('stream'));
  }

  /** Hears the scalars that Programs on this stream `emit`: the newest ones, at most every 40 ms. */
  onEmit(listener: EmitListener): void {
    env().listeners.set(this.open('stream'), listener);
  }

  /** Records the kernels that run here from now on. */
  startProfiling(): void {
    env().addon.startProfiling(this.open('stream'));
  }

  /** What was recorded since the last call. */
  takeProfile(): ReturnType<NativeAddon['takeProfile']> {
    return env().addon.takeProfile(this.open('stream'));
  }

  /** Lets the stream go once its queued work is done. */
  dispose(): void {
    if (this.id === undefined) return;
    env().listeners.delete(this.id);
    streams.unregister(this);
    env().addon.releaseStream(this.id);
    this.id = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

const streams = new FinalizationRegistry<number>((id) => {
  env().listeners.delete(id);
  env().addon.releaseStream(id);
});
