/** cond: one of two branches, decided when the Program runs; differentiable in both modes. */
import { isFloat } from '../../core/dtype.js';
import { DTypeError, ShapeError } from '../../core/errors.js';
import { type BatchContext, type Batched, definePrimitive, type Params } from '../../core/primitive.js';
import { selectLanes } from '../../core/primitives/batching.js';
import { and, any, gather, not, primitive, zeros } from '../../core/primitives/lax.js';
import type { Program } from '../../core/program.js';
import type { Tensor } from '../../core/tensor.js';
import { bind, bind1, inlineProgram, trace } from '../../core/tracing.js';
import type { TensorType } from '../../core/types.js';
import { batchedOutputs, batchProgram, batchThrough, lanesOf } from '../batch-program.js';
import { jvpProgram, reachedOutputs } from '../jvp-program.js';
import { primalProgram, vjpProgram } from '../vjp-program.js';
import { filled, shareCaptures, typesOf } from './shared.js';

interface CondParams extends Params {
  readonly onTrue: Program;
  readonly onFalse: Program;
}

export const condPrimitive = definePrimitive<CondParams>({
  name: 'cond',
  infer: (inputs, { onTrue, onFalse }) => {
    const [predicate] = inputs as [TensorType];
    if (predicate.dtype !== 'bool' || predicate.rank !== 0)
      throw new DTypeError('cond', `Expected a bool scalar to decide on, received ${predicate}`);
    onTrue.outputTypes.forEach((type, k) => {
      if (onFalse.outputTypes[k] !== type) {
        throw new ShapeError(
          'cond',
          `Expected both branches to return the same types, received ${type} and ${onFalse.outputTypes[k] ?? 'nothing'} as result ${k}`,
        );
      }
    });
    return onTrue.outputTypes;
  },
  jvpJoint: ({ inputs, tangents, params: { onTrue, onFalse } }) => {
    const active = inputs.slice(1).map((_, k) => tangents[k + 1] != null);
    const other = reachedOutputs(onFalse, active);
    const wanted = reachedOutputs(onTrue, active).map((is, k) => is || (other[k] as boolean));
    const moving = tangents.slice(1).filter((t) => t !== null);
    const results = bind(condPrimitive, [...inputs, ...moving], {
      onTrue: jvpProgram(onTrue, active, wanted),
      onFalse: jvpProgram(onFalse, active, wanted),
    });
    let next = onTrue.outputs.length;
    return { outputs: results.slice(0, next), tangents: wanted.map((is) => (is ? (results[next++] as Tensor) : null)) };
  },
  vjp: ({ inputs, active, params }) => {
    const moving = inputs.slice(1).map((input, k) => (active[k + 1] as boolean) && isFloat(input.dtype));
    const outputs = bind(condPrimitive, inputs, {
      onTrue: primalProgram(params.onTrue, moving),
      onFalse: primalProgram(params.onFalse, moving),
    });
    return {
      outputs,
      pullback: (cotangents) => {
        const cts = outputs.flatMap((output, k) => (isFloat(output.dtype) ? [filled(cotangents[k], output)] : []));
        const backward = (branch: Program): Program => {
          const whole = vjpProgram(branch, moving);
          return trace(whole.inputTypes, (...args) => ({
            outputs: inlineProgram(whole, args).slice(branch.outputs.length),
            result: undefined,
          })).program;
        };
        const pulled = bind(condPrimitive, [...inputs, ...cts], {
          onTrue: backward(params.onTrue),
          onFalse: backward(params.onFalse),
        });
        let next = 0;
        return [null, ...moving.map((is) => (is ? (pulled[next++] as Tensor) : null))];
      },
    };
  },
  batchJoint: batchCond,
  encode: () => [],
  subprograms: ({ onTrue, onFalse }) => [onTrue, onFalse],
});

function batchCond(context: BatchContext<CondParams>): Batched {
  const { inputs, batched, size, mask, params } = context;
  const [predicate, ...args] = inputs as [Tensor, ...Tensor[]];
  const [decides, ...flags] = batched as [boolean, ...boolean[]];
  if (decides) {
    const chosen = mask ? and(mask, predicate) : predicate;
    const rejected = mask ? and(mask, not(predicate)) : not(predicate);
    const yes = branchOfLanes(params.onTrue, args, flags, size, chosen);
    const no = branchOfLanes(params.onFalse, args, flags, size, rejected);
    const outputs = yes.outputs.map((value, k) =>
      selectLanes(
        predicate,
        { value, batched: yes.batched[k] as boolean },
        { value: no.outputs[k] as Tensor, batched: no.batched[k] as boolean },
      ),
    );
    return { outputs, batched: outputs.map(() => true) };
  }
  const other = batchedOutputs(params.onFalse, flags, size);
  const carry = batchedOutputs(params.onTrue, flags, size).map((is, k) => is || (other[k] as boolean));
  const { captures, programs } = shareCaptures(
    batchProgram(params.onTrue, flags, size, carry, mask),
    batchProgram(params.onFalse, flags, size, carry, mask),
  );
  const [onTrue, onFalse] = programs as [Program, Program];
  return { outputs: bind(condPrimitive, [predicate, ...captures, ...args], { onTrue, onFalse }), batched: carry };
}

/**
 * One branch for the lanes that take it. The others pass the operands of the first lane that does, held constant: the branch sees
 * values only that were meant for it, so that selecting among its results leaves neither NaN nor infinity in any derivative.
 * Where no lane takes it, it does not run.
 */
function branchOfLanes(
  branch: Program,
  args: readonly Tensor[],
  flags: readonly boolean[],
  size: number,
  taken: Tensor,
): Batched {
  // Nothing is computed: nothing can go wrong.
  if (branch.equations.length === 0 || size === 0) return batchThrough(branch, args, flags, size, taken);
  const run = trace(typesOf([taken, ...args]), (mask, ...values) => {
    const first = bind1(primitive('argMax'), [mask as Tensor], { axis: 0 });
    const safe = values.map((value, k) => {
      if (!flags[k]) return value;
      const stand = bind1(primitive('stopGradient'), [gather(value, first, 0)], {});
      return selectLanes(mask as Tensor, { value, batched: true }, { value: stand, batched: false });
    });
    const { outputs, batched } = batchThrough(branch, safe, flags, size, mask as Tensor);
    return { outputs, result: batched };
  });
  const skip = trace(typesOf([taken, ...args]), () => ({
    outputs: branch.outputTypes.map((type, k) => zeros(run.result[k] ? lanesOf(type, size) : type)),
    result: undefined,
  }));
  const outputs = bind(condPrimitive, [any(taken), taken, ...args], { onTrue: run.program, onFalse: skip.program });
  return { outputs, batched: run.result };
}
