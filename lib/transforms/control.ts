/** Control flow that runs natively: loops and branches inside a Program, with no return to JavaScript per step. */
import { isFloat } from '../core/dtype.js';
import { DTypeError, ShapeError } from '../core/errors.js';
import { definePrimitive, type Params, type Tangent } from '../core/primitive.js';
import { add, zeros } from '../core/primitives/lax.js';
import type { Program } from '../core/program.js';
import type { Tensor } from '../core/tensor.js';
import { bind, inlineProgram, trace } from '../core/tracing.js';
import type { TensorType } from '../core/types.js';
import { jvpProgram, reachedOutputs } from './jvp-program.js';
import { vjpProgram } from './vjp-program.js';

const typesOf = (tensors: readonly Tensor[]): TensorType[] => tensors.map((tensor) => tensor.type);
const filled = (t: Tangent | undefined, like: Tensor): Tensor => t ?? zeros(like.type);

function checkCarry(op: string, carry: readonly TensorType[], next: readonly TensorType[]): void {
  carry.forEach((type, k) => {
    if (next[k] === type) return;
    const kind = next[k]?.dtype === type.dtype ? ShapeError : DTypeError;
    throw new kind(op, `Expected the body to return carry ${k} as ${type}, received ${next[k] ?? 'nothing'}`, {
      hint: 'a loop keeps the dtype and shape of what it carries',
    });
  });
}

/** Grows the set of moving carries until a step of the body adds none. */
function movingCarry(start: boolean[], reached: (moving: boolean[]) => boolean[]): boolean[] {
  let moving = start;
  for (;;) {
    const next = reached(moving).map((is, k) => is || (moving[k] as boolean));
    if (next.every((is, k) => is === moving[k])) return moving;
    moving = next;
  }
}

/** The Program with its inputs and outputs in another order. */
function reorder(
  program: Program,
  types: readonly TensorType[],
  arrange: (args: readonly Tensor[]) => Tensor[],
  pick: (outputs: Tensor[]) => Tensor[],
): Program {
  return trace(types, (...args) => ({ outputs: pick(inlineProgram(program, arrange(args))), result: undefined }))
    .program;
}

// while

interface WhileParams extends Params {
  readonly condition: Program;
  readonly body: Program;
  readonly conditionConstants: number;
  readonly bodyConstants: number;
}

export const whilePrimitive = definePrimitive<WhileParams>({
  name: 'while',
  forwardOnly: 'use scan for a known number of steps; a while loop does not remember the steps that reverse mode needs',
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
    const moving = movingCarry(
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
  encode: ({ conditionConstants, bodyConstants }) => [conditionConstants, bodyConstants],
  subprograms: ({ condition, body }) => [condition, body],
});

// scan

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
    const moving = movingCarry(
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
        const [c, dc, s, ds, x, dx] = cut(args, groups) as [Tensor[], Tensor[], Tensor[], Tensor[], Tensor[], Tensor[]];
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
    const keeping = trace(body.inputTypes, (...args) => {
      const outputs = inlineProgram(body, args);
      return { outputs: [...outputs, ...args.slice(constants, constants + carry)], result: undefined };
    }).program;
    const results = bind(scanPrimitive, inputs, { body: keeping, constants, carry, length, reverse });
    const outputs = results.slice(0, body.outputs.length);
    const history = results.slice(body.outputs.length);

    const pullback = (cotangents: readonly Tangent[]): Tangent[] => {
      const isMoving = (type: TensorType): boolean => isFloat(type.dtype);
      const movingConstants = cs.map((c, k) => (active[k] as boolean) && isMoving(c.type));
      const movingCarried = carried.map((c) => isMoving(c.type));
      const movingXs = xs.map((x, k) => (active[constants + carry + k] as boolean) && isMoving(x.type));
      const floatYs = body.outputTypes.slice(carry).map(isMoving);
      // (cs, carried, x, dcarried', dy) -> (carried', y, dcs, dcarried, dx)
      const step = vjpProgram(body, [...movingConstants, ...movingCarried, ...movingXs]);
      const sums = cs.flatMap((c, k) => (movingConstants[k] ? [zeros(c.type)] : []));
      const dcarried = carried.flatMap((c, k) => (movingCarried[k] ? [filled(cotangents[k], c)] : []));
      const dys = outputs.slice(carry).flatMap((y, k) => (floatYs[k] ? [filled(cotangents[carry + k], y)] : []));
      const steps = (x: Tensor): TensorType => x.type.withShape(x.shape.slice(1));
      // Backward scan: constants cs; carry (sums, dcarried); xs (history, xs, dys).
      const groups = [cs.length, sums.length, dcarried.length, history.length, xs.length, dys.length];
      const backward = trace(
        [...typesOf(cs), ...typesOf(sums), ...typesOf(dcarried), ...[...history, ...xs, ...dys].map(steps)],
        (...args) => {
          const [c, total, dc, h, x, dy] = cut(args, groups) as [
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
      return [...movingConstants, ...movingCarried, ...movingXs].map((is) => (is ? (pulled[next++] as Tensor) : null));
    };
    return { outputs, pullback };
  },
  encode: ({ constants, carry, length, reverse }) => [constants, carry, length, Number(reverse)],
  subprograms: ({ body }) => [body],
});

function cut(list: readonly Tensor[], lengths: readonly number[]): Tensor[][] {
  let at = 0;
  return lengths.map((length) => list.slice(at, (at += length)));
}

// cond

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
    const outputs = bind(condPrimitive, inputs, params);
    return {
      outputs,
      pullback: (cotangents) => {
        const moving = inputs.slice(1).map((input, k) => (active[k + 1] as boolean) && isFloat(input.dtype));
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
  encode: () => [],
  subprograms: ({ onTrue, onFalse }) => [onTrue, onFalse],
});
