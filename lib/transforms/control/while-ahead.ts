/**
 * On an asynchronous device, reading a loop's condition waits until the device has done all that is queued, and leaves it idle until
 * the host has queued something again: a round trip of some ten microseconds, beside which the iteration of many a loop is short. Such a
 * loop runs ahead of its condition: the carry begins with `running`, the body leaves everything as it is once that is false, and the flag
 * is read every few iterations. What comes out is the same, bit for bit.
 */
import { dtypeSize } from '../../core/dtype.js';
import type { Params, Primitive } from '../../core/primitive.js';
import { formulas } from '../../core/primitives/elementwise.js';
import { and, select } from '../../core/primitives/lax.js';
import { type Equation, expandCalls, type Program } from '../../core/program.js';
import type { Tensor } from '../../core/tensor.js';
import { bind, inlineProgram, type TensorLike, trace } from '../../core/tracing.js';
import type { TensorType } from '../../core/types.js';
import { bindFreezing, type WhileParams } from './freezing.js';
import { cut } from './shared.js';

/**
 * Iterations from one reading of the flag to the next, at most (the interpreter begins with 1 and doubles). Eight make a round trip an
 * eighth of what it was for each iteration, small beside the launches of even the shortest body; more would only add idle ones at the end,
 * up to this number less 1.
 */
export const AHEAD = 8;

/**
 * Bytes that the operands and results of an iteration's equations have, each equation taken by itself: 10 µs at the 3 TB/s of a large GPU's
 * memory. Beyond, the iteration is not short beside a round trip, and an idle one costs more than a reading saves.
 */
const MOST_BYTES = 30e6;

/** Kernels of an iteration, chains of formulas not counted: each takes some microseconds to launch, needed or not. */
const MOST_KERNELS = 16;

/** Multiplications of a product of matrices (256 cubed): some ten microseconds where so small a result leaves most of a GPU idle. */
const MOST_MULTIPLICATIONS = 2 ** 24;

const words = (text: string): ReadonlySet<string> => new Set(text.split(' '));

/** Beside formulas: what is part of the kernels around it, or is no kernel. */
const UNCOUNTED = words('broadcast reshape stopGradient emit');

/** Kernels whose time is that of the bytes they move. Anything else, control flow, `check` and `clock` among them, is not cheap. */
const STREAMING = words(
  'transpose slice pad concatenate gather takeAlongAxis reverse dynamicSlice dynamicUpdate iota reduceSum reduceProd reduceMax ' +
    'reduceMin argMax argMin randomBits randomUniform randomNormal',
);

/**
 * What a condition may be made of: on a GPU the bits of a sum depend on the kernel that computes it, and inside the body a condition shares
 * its kernels with what is around it.
 */
const EXACT = words(
  'broadcast reshape stopGradient transpose slice pad concatenate gather takeAlongAxis reverse dynamicSlice dynamicUpdate iota ' +
    'reduceMax reduceMin argMax argMin',
);

const bytesOf = (types: readonly TensorType[]): number =>
  types.reduce((sum, type) => sum + type.size * dtypeSize(type.dtype), 0);

/** Multiplications of a product. */
function multiplications({ inputs: [a], outputs: [product], params }: Equation): number {
  const { shape, rank } = (a as Equation['inputs'][number]).type;
  const inner = shape[rank - (params.transposeA ? 2 : 1)] as number;
  return (product as Equation['outputs'][number]).type.size * inner;
}

/** Whether an iteration is certainly short beside a round trip. */
function isShort(equations: readonly Equation[], carry: readonly TensorType[]): boolean {
  // Each carry is also chosen between its old and its new value.
  let bytes = 3 * bytesOf(carry);
  let kernels = 0;
  for (const equation of equations) {
    const { primitive, inputs, outputs } = equation;
    bytes += bytesOf([...inputs, ...outputs].map((atom) => atom.type));
    if (formulas.has(primitive.name) || UNCOUNTED.has(primitive.name)) continue;
    const product = primitive.name === 'matmul';
    if (product ? multiplications(equation) > MOST_MULTIPLICATIONS : !STREAMING.has(primitive.name)) return false;
    kernels++;
  }
  return bytes <= MOST_BYTES && kernels <= MOST_KERNELS;
}

/** Records an equation such that it reports only where `on`. */
const reportingWhere =
  (on: Tensor) =>
  (primitive: Primitive, inputs: readonly TensorLike[], params: Params): Tensor[] =>
    primitive.name === 'emit'
      ? bind(primitive, [...inputs, on], { ...params, conditional: true })
      : bind(primitive, inputs, params);

/** The loop that runs ahead of its condition; undefined where that does not pay or its results might differ. */
export function aheadOfCondition(params: WhileParams): Program | undefined {
  if (params.ahead !== undefined) return undefined;
  const { conditionConstants, bodyConstants } = params;
  const condition = expandCalls(params.condition);
  const body = expandCalls(params.body);
  const exact = condition.equations.every(({ primitive: { name } }) => formulas.has(name) || EXACT.has(name));
  const carryTypes = body.outputTypes;
  if (!exact || !isShort([...condition.equations, ...body.equations], carryTypes)) return undefined;
  const types = [...condition.inputTypes.slice(0, conditionConstants), ...body.inputTypes];
  const groups = [conditionConstants, bodyConstants];
  return trace(types, (...args) => {
    const [ours, , carry] = cut<Tensor>(args, [...groups, carryTypes.length]) as [Tensor[], Tensor[], Tensor[]];
    const outputs = bindFreezing({
      constants: args.slice(0, conditionConstants + bodyConstants),
      running: inlineProgram(condition, [...ours, ...carry])[0] as Tensor,
      carry,
      step: (fixed, values, on) => {
        const [own, constants] = cut(fixed, groups) as [Tensor[], Tensor[]];
        const next = inlineProgram(body, [...constants, ...values], reportingWhere(on));
        const kept = values.map((value, k) => {
          const passedOn = body.outputs[k] === body.inputs[bodyConstants + k];
          return passedOn ? value : select(on, next[k] as Tensor, value, value.dtype);
        });
        return { carry: kept, running: and(on, inlineProgram(condition, [...own, ...kept])[0] as Tensor) };
      },
      test: (on) => on,
      ahead: AHEAD,
    });
    return { outputs, result: undefined };
  }).program;
}
