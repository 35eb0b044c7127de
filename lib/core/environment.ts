/** The environment's side of the addon: its callbacks, slots and tickets. */
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
  /** By the number of the native stream. */
  readonly listeners: Map<number, EmitListener>;
}

let environment: Environment | undefined;

/** What this JavaScript environment shares with the addon. */
export function env(): Environment {
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
    environment = { addon, waiting, listeners };
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

/** Resolves when everything that this environment has enqueued on the device so far is done. */
export async function awaitIdle(device: number): Promise<void> {
  const { addon } = env();
  const ticket = addon.requestIdle(device);
  await settled(ticket);
  addon.collect(ticket);
}
