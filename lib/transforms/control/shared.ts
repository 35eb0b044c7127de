/** What the rules of while, scan and cond share. */
import { DTypeError, ShapeError } from '../../core/errors.js';
import type { Tangent } from '../../core/primitive.js';
import { zeros } from '../../core/primitives/lax.js';
import { Program, Variable } from '../../core/program.js';
import type { Tensor } from '../../core/tensor.js';
import { inlineProgram, type Traced, trace } from '../../core/tracing.js';
import type { TensorType } from '../../core/types.js';

export const typesOf = (tensors: readonly Tensor[]): TensorType[] => tensors.map((tensor) => tensor.type);
export const filled = (t: Tangent | undefined, like: Tensor): Tensor => t ?? zeros(like.type);

export function checkCarry(op: string, carry: readonly TensorType[], next: readonly TensorType[]): void {
  carry.forEach((type, k) => {
    if (next[k] === type) return;
    const kind = next[k]?.dtype === type.dtype ? ShapeError : DTypeError;
    throw new kind(op, `Expected the body to return carry ${k} as ${type}, received ${next[k] ?? 'nothing'}`, {
      hint: 'a loop keeps the dtype and shape of what it carries',
    });
  });
}

/** Grows the set of carries that have a property (a tangent, a batch) until a step of the body adds none. */
export function spreadThroughCarry(start: boolean[], reached: (has: boolean[]) => boolean[]): boolean[] {
  let has = start;
  for (;;) {
    const next = reached(has).map((is, k) => is || (has[k] as boolean));
    if (next.every((is, k) => is === has[k])) return has;
    has = next;
  }
}

/** The Program with its inputs and outputs in another order. */
export function reorder(
  program: Program,
  types: readonly TensorType[],
  arrange: (args: readonly Tensor[]) => Tensor[],
  pick: (outputs: Tensor[]) => Tensor[],
): Program {
  return trace(types, (...args) => ({ outputs: pick(inlineProgram(program, arrange(args))), result: undefined }))
    .program;
}

export function cut<T>(list: readonly T[], lengths: readonly number[]): T[][] {
  let at = 0;
  return lengths.map((length) => list.slice(at, (at += length)));
}

/** Programs that take what any of them captured first, so that they have one signature. */
export function shareCaptures(...traced: readonly Pick<Traced<unknown>, 'program' | 'captures'>[]): {
  captures: Tensor[];
  programs: Program[];
} {
  const captures = [...new Set(traced.flatMap((one) => one.captures))];
  const programs = traced.map(({ program, captures: own }) => {
    const shared = captures.map((tensor) => {
      const at = own.indexOf(tensor);
      return at < 0 ? new Variable(tensor.type) : (program.inputs[at] as Variable);
    });
    return new Program([...shared, ...program.inputs.slice(own.length)], program.equations, program.outputs);
  });
  return { captures, programs };
}
