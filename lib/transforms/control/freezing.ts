/** Loops that carry what still runs, the loop itself or each of its lanes, and leave everything else as it is. */
import type { Params } from '../../core/primitive.js';
import { primitive } from '../../core/primitives/lax.js';
import type { Program } from '../../core/program.js';
import type { Tensor } from '../../core/tensor.js';
import { bind, trace } from '../../core/tracing.js';
import { cut, typesOf } from './shared.js';

export interface WhileParams extends Params {
  readonly condition: Program;
  readonly body: Program;
  readonly conditionConstants: number;
  readonly bodyConstants: number;
  /**
   * How many iterations may run from one reading of the condition to the next: where it fails, the body leaves the carry as it is.
   * Default: 1.
   */
  readonly ahead?: number;
}

export interface FreezingLoop {
  readonly constants: readonly Tensor[];
  /** What runs in the first iteration: a bool, or one for each lane. */
  readonly running: Tensor;
  readonly carry: readonly Tensor[];
  /** The carry after an iteration in which `running` ran, the rest being kept, and what still runs then. */
  step(
    constants: readonly Tensor[],
    carry: readonly Tensor[],
    running: Tensor,
  ): { readonly carry: readonly Tensor[]; readonly running: Tensor };
  /** Whether there is another iteration. */
  test(running: Tensor): Tensor;
  readonly ahead?: number;
}

/** Binds the loop, whose carry begins with what still runs; returns the rest of it. */
export function bindFreezing({ constants, running, carry, step, test, ahead }: FreezingLoop): Tensor[] {
  const state = [running, ...carry];
  const body = trace(typesOf([...constants, ...state]), (...args) => {
    const [fixed, [on], values] = cut<Tensor>(args, [constants.length, 1, carry.length]) as [
      Tensor[],
      [Tensor],
      Tensor[],
    ];
    const next = step(fixed, values, on);
    return { outputs: [next.running, ...next.carry], result: undefined };
  });
  const condition = trace(typesOf(state), (on) => ({ outputs: [test(on as Tensor)], result: undefined }));
  const results = bind(primitive('while'), [...constants, ...state], {
    condition: condition.program,
    body: body.program,
    conditionConstants: 0,
    bodyConstants: constants.length,
    ...(ahead !== undefined && { ahead }),
  });
  return results.slice(1);
}
