/** customVjp: a reverse-mode derivative given by hand. */
import { isFloat } from '../../core/dtype.js';
import { type BatchContext, definePrimitive, type Params, type Tangent } from '../../core/primitive.js';
import { carryBatch } from '../../core/primitives/batching.js';
import { mul, reduceSum, zeros } from '../../core/primitives/lax.js';
import type { Program } from '../../core/program.js';
import type { Tensor } from '../../core/tensor.js';
import { bind, inlineProgram, isTracing, trace } from '../../core/tracing.js';
import { flatten, type Tensors } from '../../core/tree.js';
import type { TensorType } from '../../core/types.js';
import { asTensors, traceFunction } from '../apply.js';
import { batchProgram } from '../batch-program.js';
import { filled } from '../control/shared.js';
import { closed } from '../jvp-program.js';
import {
  type AnyFunction,
  checkCaptures,
  checkType,
  flatShape,
  floatsOf,
  leavesLike,
  once,
  tracePair,
  withZeros,
} from './shared.js';

interface CustomVjpParams extends Params {
  /** (captures, args) -> outputs. */
  readonly primal: Program;
  readonly captures: number;
  /** args -> (outputs, residuals). */
  readonly forward: () => Program;
  /** (residuals, cotangents of the float outputs) -> cotangents of the float args. */
  readonly backward: () => Program;
}

export const customVjpPrimitive = definePrimitive<CustomVjpParams>({
  name: 'customVjp',
  reverseOnly:
    'customVjp says nothing about forward mode; give the derivative with customJvp, which serves both (hvp needs nothing: it differentiates the reverse rule)',
  infer: (_, { primal }) => primal.outputTypes,
  vjp: ({ inputs, active, params: { primal, captures, forward, backward } }) => {
    const moving = inputs.map((input, k) => (active[k] as boolean) && isFloat(input.dtype));
    checkCaptures('customVjp', moving, captures);
    const results = inlineProgram(forward(), inputs.slice(captures));
    const outputs = results.slice(0, primal.outputs.length);
    const residuals = results.slice(primal.outputs.length);
    const pullback = (cotangents: readonly Tangent[]): Tangent[] => {
      const cts = outputs.flatMap((output, k) => (isFloat(output.dtype) ? [filled(cotangents[k], output)] : []));
      const pulled = inlineProgram(backward(), [...residuals, ...cts]);
      let next = 0;
      return inputs.map((input, k) => {
        if (k < captures || !isFloat(input.dtype)) return null;
        const ct = pulled[next++] as Tensor;
        return moving[k] ? ct : null;
      });
    };
    return { outputs, pullback };
  },
  batch: batchCustomVjp,
  expand: ({ primal }) => primal,
  subprograms: ({ primal }) => [primal],
});

function batchCustomVjp({ inputs, batched, size, mask, params }: BatchContext<CustomVjpParams>): Tensor[] {
  const { primal, captures, forward, backward } = params;
  const every = primal.outputs.map(() => true);
  const all = batchProgram(primal, batched, size, every, mask);
  const flags = batched.slice(captures);
  const lanes = once(() => batchProgram(forward(), flags, size, every));
  const back = once(() => {
    const residuals = lanes().result.slice(primal.outputs.length);
    const cotangents = floatsOf(primal.outputTypes).map(() => true);
    const { program, result } = batchProgram(backward(), [...residuals, ...cotangents], size);
    const carry = flags.filter((_, k) => isFloat((primal.inputTypes[captures + k] as TensorType).dtype));
    // An argument that is the same for all lanes gathers the cotangents of all.
    return trace(program.inputTypes, (...args) => ({
      outputs: inlineProgram(program, args).map((ct, k) => {
        if (carry[k]) return carryBatch(ct, result[k] as boolean, size);
        return result[k] ? reduceSum(ct, [0]) : mul(ct, size);
      }),
      result: undefined,
    })).program;
  });
  return bind(customVjpPrimitive, [...all.captures, ...inputs], {
    primal: all.program,
    captures: all.captures.length + captures,
    forward: () => lanes().program,
    backward: back,
  });
}

export interface CustomVjpRules<A extends readonly unknown[], R, S> {
  /** (...args) to [f(...args), residuals]: the value, and a tree of what the way back needs. */
  forward(...args: A): readonly [R, S];
  /**
   * (residuals, cotangent of the result) to the cotangents: a list with a tree like it for each argument, null for zero.
   */
  backward(residuals: Tensors<S>, cotangent: Tensors<R>): readonly unknown[];
}

/**
 * `f` with a reverse-mode derivative given by hand, where the one that is derived wastes work, memory or accuracy.
 *
 * The rules are traced when a derivative is first needed. They may use only what they are given, and `f` can be differentiated in its
 * arguments only. `jvp` through the result is an error, since a reverse rule says nothing about it; `hvp`, and `jvp` of `grad`
 * generally, differentiate the rules, which should then be written with ordinary operations.
 *
 * @param rules  see CustomVjpRules.
 * @throws when it is differentiated: {TracingError} in forward mode; in a value from outside; rules that use tensors from outside.
 *   {ShapeError | DTypeError} results or cotangents that do not fit.
 * @example  // log(1 + exp(x)) whose gradient does not overflow
 *   const softplus = customVjp((x) => log(exp(x).add(1)), {
 *     forward: (x) => [log(exp(x).add(1)), x],
 *     backward: (x, ct) => [ct.mul(sigmoid(x))],
 *   });
 */
export function customVjp<A extends readonly unknown[], R, S>(
  f: (...args: A) => R,
  { forward, backward }: CustomVjpRules<A, R, S>,
): (...args: A) => Tensors<R> {
  const op = 'customVjp';
  return (...args) => {
    if (!isTracing()) return f(...args) as unknown as Tensors<R>;
    const { leaves, shape } = flatten(op, args);
    const operands = asTensors(leaves);
    const types = operands.map((value) => value.type);
    const primal = traceFunction(op, f as unknown as AnyFunction, shape, types);
    const first = once(() => {
      const rule = (values: readonly unknown[]): unknown => forward(...(values as unknown as A));
      return tracePair(op, 'forward to return [result, residuals]', rule, shape, types, primal);
    });
    const outputs = primal.program.outputTypes;
    const second = once(() => {
      const { program, shapes } = first();
      const residuals = program.outputTypes.slice(outputs.length);
      const cotangents = floatsOf(outputs);
      const pull = (...values: Tensor[]): Tensor[] => {
        const cts = withZeros(outputs, values.slice(residuals.length));
        const saved = shapes[1].build(values.slice(0, residuals.length)) as Tensors<S>;
        const pulled = leavesLike(op, 'cotangents', args, backward(saved, shapes[0].build(cts) as Tensors<R>));
        return types.flatMap((type, k) => {
          if (!isFloat(type.dtype)) return [];
          const ct = pulled[k] == null ? zeros(type) : (asTensors([pulled[k]])[0] as Tensor);
          checkType(op, 'backward to return a cotangent', ct.type, type);
          return [ct];
        });
      };
      const input = flatShape(residuals.length + cotangents.length);
      return closed(traceFunction(op, pull as unknown as AnyFunction, input, [...residuals, ...cotangents]));
    });
    const results = bind(customVjpPrimitive, [...primal.captures, ...operands], {
      primal: primal.program,
      captures: primal.captures.length,
      forward: () => first().program,
      backward: second,
    });
    return primal.output.build(results) as Tensors<R>;
  };
}
