/** while: repeats a body until a condition fails; forward mode only. */
import { type BatchContext, type Batched, definePrimitive } from '../../core/primitive.js';
import { carryBatch, selectLanes } from '../../core/primitives/batching.js';
import { and, any } from '../../core/primitives/lax.js';
import type { Tensor } from '../../core/tensor.js';
import { bind } from '../../core/tracing.js';
import { batchedOutputs, batchProgram, batchThrough } from '../batch-program.js';
import { jvpProgram, reachedOutputs } from '../jvp-program.js';
import { bindFreezing, type WhileParams } from './freezing.js';
import { checkCarry, cut, filled, reorder, spreadThroughCarry, typesOf } from './shared.js';
import { aheadOfCondition } from './while-ahead.js';

export const whilePrimitive = definePrimitive<WhileParams>({
  name: 'while',
  forwardOnly:
    'a while loop does not remember the steps that reverse mode needs; use scan for a known number of steps, or implicitDiff where the loop solves an equation',
  infer: (inputs, { body, conditionConstants, bodyConstants }) => {
    const carry = inputs.slice(conditionConstants + bodyConstants);
    checkCarry('whileLoop', carry, body.outputTypes);
    return carry;
  },
  jvpJoint: ({ inputs, tangents, params: { condition, body, conditionConstants, bodyConstants } }) => {
    const split = conditionConstants + bodyConstants;
    const conditionInputs = inputs.slice(0, conditionConstants);
    const constants = inputs.slice(conditionConstants, split);
    const carry = inputs.slice(split);
    const movingConstants = constants.map((_, k) => tangents[conditionConstants + k] != null);
    const moving = spreadThroughCarry(
      carry.map((_, k) => tangents[split + k] != null),
      (now) => reachedOutputs(body, [...movingConstants, ...now]),
    );
    // (constants, carry, dconstants, dcarry) -> (carry, dcarry), with the loop's order of operands.
    const derived = jvpProgram(body, [...movingConstants, ...moving], moving);
    const dConstants = constants.flatMap((_, k) =>
      movingConstants[k] ? [tangents[conditionConstants + k] as Tensor] : [],
    );
    const dCarry = carry.flatMap((value, k) => (moving[k] ? [filled(tangents[split + k], value)] : []));
    const order = [...constants, ...dConstants, ...carry, ...dCarry];
    const [c, dc, x] = [constants.length, dConstants.length, carry.length];
    const jointBody = reorder(
      derived,
      typesOf(order),
      (args) => [
        ...args.slice(0, c),
        ...args.slice(c + dc, c + dc + x),
        ...args.slice(c, c + dc),
        ...args.slice(c + dc + x),
      ],
      (outputs) => outputs,
    );
    const jointCondition = reorder(
      condition,
      typesOf([...conditionInputs, ...carry, ...dCarry]),
      (args) => args.slice(0, conditionInputs.length + x) as Tensor[],
      (outputs) => outputs,
    );
    const results = bind(whilePrimitive, [...conditionInputs, ...order], {
      condition: jointCondition,
      body: jointBody,
      conditionConstants,
      bodyConstants: c + dc,
    });
    let next = x;
    return { outputs: results.slice(0, x), tangents: moving.map((is) => (is ? (results[next++] as Tensor) : null)) };
  },
  batchJoint: batchWhile,
  expandAsynchronous: aheadOfCondition,
  encode: ({ conditionConstants, bodyConstants, ahead = 1 }) => [conditionConstants, bodyConstants, ahead],
  subprograms: ({ condition, body }) => [condition, body],
});

function batchWhile({ inputs, batched, size, mask, params }: BatchContext<WhileParams>): Batched {
  const { condition, body, conditionConstants, bodyConstants } = params;
  const groups = [conditionConstants, bodyConstants, inputs.length - conditionConstants - bodyConstants];
  const [ours, constants, carry] = cut(inputs, groups) as [Tensor[], Tensor[], Tensor[]];
  const [ourFlags, constantFlags, start] = cut(batched, groups) as [boolean[], boolean[], boolean[]];
  const flags = spreadThroughCarry(start, (now) => batchedOutputs(body, [...constantFlags, ...now], size));
  if (batchedOutputs(condition, [...ourFlags, ...flags], size)[0]) return batchLanesApart();

  // All lanes make the same number of steps.
  const test = batchProgram(condition, [...ourFlags, ...flags], size, [], mask);
  const step = batchProgram(body, [...constantFlags, ...flags], size, flags, mask);
  const init = carry.map((x, k) => (flags[k] ? carryBatch(x, start[k] as boolean, size) : x));
  const outputs = bind(whilePrimitive, [...test.captures, ...ours, ...step.captures, ...constants, ...init], {
    condition: test.program,
    body: step.program,
    conditionConstants: test.captures.length + conditionConstants,
    bodyConstants: step.captures.length + bodyConstants,
  });
  return { outputs, batched: flags };

  /** Runs while any lane does. The carry begins with the lanes that still run; the others keep what they have. */
  function batchLanesApart(): Batched {
    // What the body passes on as it came need not be kept for each lane.
    const held = carry.map((_, k) => body.outputs[k] === body.inputs[bodyConstants + k]);
    const lanes = carry.map((_, k) => !held[k] || (flags[k] as boolean));
    const init = carry.map((x, k) => (lanes[k] ? carryBatch(x, start[k] as boolean, size) : x));
    const runs = (values: readonly Tensor[], constantsOf: readonly Tensor[], among: Tensor | null): Tensor => {
      const { outputs, batched: own } = batchThrough(
        condition,
        [...constantsOf, ...values],
        [...ourFlags, ...lanes],
        size,
        among,
      );
      const on = carryBatch(outputs[0] as Tensor, own[0] as boolean, size);
      return among ? and(among, on) : on;
    };
    const outputs = bindFreezing({
      constants: [...constants, ...ours],
      running: runs(init, ours, mask),
      carry: init,
      step: (fixed, values, on) => {
        const [c, o] = cut(fixed, [constants.length, ours.length]) as [Tensor[], Tensor[]];
        const next = batchThrough(body, [...c, ...values], [...constantFlags, ...lanes], size, on);
        const kept = values.map((value, k) =>
          held[k]
            ? value
            : selectLanes(
                on,
                { value: next.outputs[k] as Tensor, batched: next.batched[k] as boolean },
                { value, batched: true },
              ),
        );
        return { carry: kept, running: runs(kept, o, on) };
      },
      test: any,
    });
    return { outputs, batched: lanes };
  }
}
