/** scan: steps through sequences with a carry; differentiable in both modes. */
import { isFloat } from '../../core/dtype.js';
import { ShapeError } from '../../core/errors.js';
import { type BatchContext, type Batched, definePrimitive, type Params, type Tangent } from '../../core/primitive.js';
import { carryBatch } from '../../core/primitives/batching.js';
import { add, moveAxis, zeros } from '../../core/primitives/lax.js';
import { Program } from '../../core/program.js';
import type { Tensor } from '../../core/tensor.js';
import { bind, inlineProgram, trace } from '../../core/tracing.js';
import type { TensorType } from '../../core/types.js';
import { batchedOutputs, batchProgram } from '../batch-program.js';
import { jvpProgram, reachedOutputs } from '../jvp-program.js';
import { primalProgram, vjpProgram } from '../vjp-program.js';
import { checkCarry, cut, filled, reorder, spreadThroughCarry, typesOf } from './shared.js';

interface ScanParams extends Params {
  readonly body: Program;
  readonly constants: number;
  readonly carry: number;
  readonly length: number;
  readonly reverse: boolean;
}

export const scanPrimitive = definePrimitive<ScanParams>({
  name: 'scan',
  infer: (inputs, { body, constants, carry, length }) => {
    const carried = inputs.slice(constants, constants + carry);
    checkCarry('scan', carried, body.outputTypes);
    for (const type of inputs.slice(constants + carry)) {
      if (type.shape[0] !== length)
        throw new ShapeError('scan', `Expected xs with ${length} steps along axis 0, received ${type}`);
    }
    return [...carried, ...body.outputTypes.slice(carry).map((type) => type.withShape([length, ...type.shape]))];
  },
  jvpJoint: ({ inputs, tangents, params: { body, constants, carry, length, reverse } }) => {
    const [cs, carried, xs] = [
      inputs.slice(0, constants),
      inputs.slice(constants, constants + carry),
      inputs.slice(constants + carry),
    ];
    const has = (k: number): boolean => tangents[k] != null;
    const movingConstants = cs.map((_, k) => has(k));
    const movingXs = xs.map((_, k) => has(constants + carry + k));
    const moving = spreadThroughCarry(
      carried.map((_, k) => has(constants + k)),
      (now) => reachedOutputs(body, [...movingConstants, ...now, ...movingXs]).slice(0, carry),
    );
    const reached = reachedOutputs(body, [...movingConstants, ...moving, ...movingXs]);
    const wanted = [...moving, ...reached.slice(carry)];
    const derived = jvpProgram(body, [...movingConstants, ...moving, ...movingXs], wanted);
    const pick = (values: readonly Tensor[], offset: number, which: readonly boolean[]): Tensor[] =>
      values.flatMap((value, k) => (which[k] ? [filled(tangents[offset + k], value)] : []));
    const dcs = pick(cs, 0, movingConstants);
    const dcarried = pick(carried, constants, moving);
    const dxs = pick(xs, constants + carry, movingXs);
    const outCount = body.outputs.length;
    const stepTypes = [
      ...typesOf(cs),
      ...typesOf(dcs),
      ...typesOf(carried),
      ...typesOf(dcarried),
      ...[...xs, ...dxs].map((x) => x.type.withShape(x.shape.slice(1))),
    ];
    const groups = [cs.length, dcs.length, carried.length, dcarried.length, xs.length, dxs.length];
    const jointBody = reorder(
      derived,
      stepTypes,
      (args) => {
        const [c, dc, s, ds, x, dx] = cut<Tensor>(args, groups) as [
          Tensor[],
          Tensor[],
          Tensor[],
          Tensor[],
          Tensor[],
          Tensor[],
        ];
        return [...c, ...s, ...x, ...dc, ...ds, ...dx];
      },
      (outputs) => {
        const d = outputs.slice(outCount);
        return [
          ...outputs.slice(0, carry),
          ...d.slice(0, dcarried.length),
          ...outputs.slice(carry, outCount),
          ...d.slice(dcarried.length),
        ];
      },
    );
    const results = bind(scanPrimitive, [...cs, ...dcs, ...carried, ...dcarried, ...xs, ...dxs], {
      body: jointBody,
      constants: cs.length + dcs.length,
      carry: carry + dcarried.length,
      length,
      reverse,
    });
    const ys = outCount - carry;
    const [out, dout, y, dy] = cut(results, [
      carry,
      dcarried.length,
      ys,
      results.length - carry - dcarried.length - ys,
    ]) as [Tensor[], Tensor[], Tensor[], Tensor[]];
    const derivatives = [...dout, ...dy];
    let next = 0;
    return { outputs: [...out, ...y], tangents: wanted.map((is) => (is ? (derivatives[next++] as Tensor) : null)) };
  },
  // Keeps the carries on the way forward and runs each step again on the way back: memory for one carry a step, weights never stacked.
  vjp: ({ inputs, active, params: { body, constants, carry, length, reverse } }) => {
    const [cs, carried, xs] = [
      inputs.slice(0, constants),
      inputs.slice(constants, constants + carry),
      inputs.slice(constants + carry),
    ];
    const isMoving = (type: TensorType): boolean => isFloat(type.dtype);
    const movingConstants = cs.map((c, k) => (active[k] as boolean) && isMoving(c.type));
    const movingCarried = carried.map((c) => isMoving(c.type));
    const movingXs = xs.map((x, k) => (active[constants + carry + k] as boolean) && isMoving(x.type));
    const moving = [...movingConstants, ...movingCarried, ...movingXs];
    const primal = primalProgram(body, moving);
    const keeping = new Program(primal.inputs, primal.equations, [
      ...primal.outputs,
      ...primal.inputs.slice(constants, constants + carry),
    ]);
    const results = bind(scanPrimitive, inputs, { body: keeping, constants, carry, length, reverse });
    const outputs = results.slice(0, body.outputs.length);
    const history = results.slice(body.outputs.length);

    const pullback = (cotangents: readonly Tangent[]): Tangent[] => {
      const floatYs = body.outputTypes.slice(carry).map(isMoving);
      // (cs, carried, x, dcarried', dy) -> (carried', y, dcs, dcarried, dx)
      const step = vjpProgram(body, moving);
      const sums = cs.flatMap((c, k) => (movingConstants[k] ? [zeros(c.type)] : []));
      const dcarried = carried.flatMap((c, k) => (movingCarried[k] ? [filled(cotangents[k], c)] : []));
      const dys = outputs.slice(carry).flatMap((y, k) => (floatYs[k] ? [filled(cotangents[carry + k], y)] : []));
      const steps = (x: Tensor): TensorType => x.type.withShape(x.shape.slice(1));
      // Backward scan: constants cs; carry (sums, dcarried); xs (history, xs, dys).
      const groups = [cs.length, sums.length, dcarried.length, history.length, xs.length, dys.length];
      const backward = trace(
        [...typesOf(cs), ...typesOf(sums), ...typesOf(dcarried), ...[...history, ...xs, ...dys].map(steps)],
        (...args) => {
          const [c, total, dc, h, x, dy] = cut<Tensor>(args, groups) as [
            Tensor[],
            Tensor[],
            Tensor[],
            Tensor[],
            Tensor[],
            Tensor[],
          ];
          const pulled = inlineProgram(step, [...c, ...h, ...x, ...dc, ...dy]).slice(body.outputs.length);
          const [dcs, dprevious, dx] = cut(pulled, [
            sums.length,
            dcarried.length,
            pulled.length - sums.length - dcarried.length,
          ]) as [Tensor[], Tensor[], Tensor[]];
          return {
            outputs: [...total.map((sum, k) => add(sum, dcs[k] as Tensor)), ...dprevious, ...dx],
            result: undefined,
          };
        },
      ).program;
      const pulled = bind(scanPrimitive, [...cs, ...sums, ...dcarried, ...history, ...xs, ...dys], {
        body: backward,
        constants: cs.length,
        carry: sums.length + dcarried.length,
        length,
        reverse: !reverse,
      });
      let next = 0;
      return moving.map((is) => (is ? (pulled[next++] as Tensor) : null));
    };
    return { outputs, pullback };
  },
  batchJoint: batchScan,
  encode: ({ constants, carry, length, reverse }) => [constants, carry, length, Number(reverse)],
  subprograms: ({ body }) => [body],
});

function batchScan({ inputs, batched, size, mask, params }: BatchContext<ScanParams>): Batched {
  const { body, constants, carry, length, reverse } = params;
  const groups = [constants, carry, inputs.length - constants - carry];
  const [cs, carried, xs] = cut(inputs, groups) as [Tensor[], Tensor[], Tensor[]];
  const [constantFlags, start, stepFlags] = cut(batched, groups) as [boolean[], boolean[], boolean[]];
  const flags = spreadThroughCarry(start, (now) =>
    batchedOutputs(body, [...constantFlags, ...now, ...stepFlags], size).slice(0, carry),
  );
  const step = batchProgram(body, [...constantFlags, ...flags, ...stepFlags], size, flags, mask);
  const init = carried.map((x, k) => (flags[k] ? carryBatch(x, start[k] as boolean, size) : x));
  // Steps come before lanes: [length, size, ..].
  const sequences = xs.map((x, k) => (stepFlags[k] ? moveAxis(x, 0, 1) : x));
  const results = bind(scanPrimitive, [...step.captures, ...cs, ...init, ...sequences], {
    body: step.program,
    constants: step.captures.length + constants,
    carry,
    length,
    reverse,
  });
  return {
    outputs: results.map((x, k) => (k >= carry && step.result[k] ? moveAxis(x, 1, 0) : x)),
    batched: step.result,
  };
}
