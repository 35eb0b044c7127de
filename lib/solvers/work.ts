/** Where a long call works: a device, a stream of its own, tied to the caller's signal, and ownership of what it makes there. */
import { ConcreteTensor, isKept, scopeInto, type TensorOwner } from '../core/concrete.js';
import { type Device, onDevice } from '../core/device.js';
import type { EmitListener } from '../core/environment.js';
import { AbortError } from '../core/errors.js';
import { Stream } from '../core/stream.js';
import type { Tensor } from '../core/tensor.js';
import { mapTree } from '../core/tree.js';
import type { SolverOptions } from './options.js';

export class Work {
  private readonly stream = new Stream();
  private readonly owned: TensorOwner = new Set();

  constructor(readonly device: Device) {}

  /**
   * Calls `f`; what it enqueues goes to this call's stream, what it makes without operands to its device, what it makes and does not
   * return is disposed, the rest is owned.
   */
  run<T>(f: () => T): T {
    return this.stream.run(() => onDevice(this.device, () => scopeInto(this.owned, f)));
  }

  /** The tree with its tensors on the call's device: those that live elsewhere are copied. For use within `run`. */
  place<T>(tree: T): T {
    return mapTree(tree, (leaf) =>
      leaf instanceof ConcreteTensor && leaf.device !== this.device ? leaf.to(this.device) : leaf,
    );
  }

  /** Owns a tensor that was made elsewhere. */
  own<T extends Tensor>(tensor: T): T {
    if (tensor instanceof ConcreteTensor) tensor.moveTo(this.owned);
    return tensor;
  }

  onEmit(listener: EmitListener): void {
    this.stream.onEmit(listener);
  }

  abort(): void {
    this.stream.abort();
  }

  /** Disposes everything owned that is not part of `result`, and lets the stream go. */
  close(result?: unknown): void {
    const kept = isKept(result);
    for (const tensor of [...this.owned]) {
      if (!kept(tensor)) tensor.dispose();
      else if (tensor instanceof ConcreteTensor) tensor.moveTo(undefined);
    }
    this.stream.dispose();
  }
}

/**
 * Runs `body` on a device. An abort stops its Programs, and the error says so; however it ends, of all that it made on its stream only what it
 * returned is left.
 * @throws {AbortError} the signal fired.
 */
export async function work<T>(
  op: string,
  { signal }: Pick<SolverOptions, 'signal'>,
  device: Device,
  body: (work: Work) => Promise<T>,
): Promise<T> {
  const aborted = (): AbortError =>
    new AbortError(op, 'Expected to run to the end, received an abort signal', { cause: signal?.reason });
  if (signal?.aborted) throw aborted();
  const here = new Work(device);
  const abort = (): void => here.abort();
  signal?.addEventListener('abort', abort, { once: true });
  let result: T | undefined;
  try {
    result = await body(here);
    return result;
  } catch (error) {
    throw signal?.aborted ? aborted() : error;
  } finally {
    signal?.removeEventListener('abort', abort);
    here.close(result);
  }
}
