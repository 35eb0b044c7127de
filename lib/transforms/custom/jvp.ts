/** customJvp: a forward-mode derivative given by hand, from which the reverse one follows by transposition. */
import { isFloat } from '../../core/dtype.js';
import {
  type BatchContext,
  definePrimitive,
  type JointContext,
  type Params,
  type Primitive,
  type Tangent,
} from '../../core/primitive.js';
import { zeros } from '../../core/primitives/lax.js';
import type { Program } from '../../core/program.js';
import type { Tensor } from '../../core/tensor.js';
import { bind, inlineProgram, isTracing } from '../../core/tracing.js';
import { flatten, type Tensors } from '../../core/tree.js';
import { asTensors, listShape, traceFunction } from '../apply.js';
import { batchAll, batchProgram } from '../batch-program.js';
import { filled } from '../control/shared.js';
import { pullThroughRule } from '../vjp-program.js';
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

interface CustomJvpParams extends Params {
  /** (captures, args) -> outputs. */
  readonly primal: Program;
  readonly captures: number;
  /** (args, tangents of the float args) -> (outputs, tangents of the float outputs). */
  readonly rule: () => Program;
}

export const customJvpPrimitive: Primitive = definePrimitive<CustomJvpParams>({
  name: 'customJvp',
  infer: (_, { primal }) => primal.outputTypes,
  jvpJoint: ({ inputs, tangents, params }: JointContext<CustomJvpParams>) => {
    const { primal, captures, rule } = params;
    checkCaptures(
      'customJvp',
      tangents.map((t) => t !== null),
      captures,
    );
    const args = inputs.slice(captures);
    const moving = args.flatMap((arg, k) => (isFloat(arg.dtype) ? [filled(tangents[captures + k], arg)] : []));
    const results = inlineProgram(rule(), [...args, ...moving]);
    let next = primal.outputs.length;
    return {
      outputs: results.slice(0, next),
      tangents: primal.outputTypes.map((type) => (isFloat(type.dtype) ? (results[next++] as Tensor) : null)),
    };
  },
  vjp: ({ inputs, active, params: { primal, captures, rule } }) => {
    const moving = inputs.map((input, k) => (active[k] as boolean) && isFloat(input.dtype));
    checkCaptures('customJvp', moving, captures);
    const args = inputs.slice(captures);
    const float = floatsOf(primal.outputTypes).length;
    const types = args.filter((_, k) => moving[captures + k]).map((arg) => arg.type);
    const { outputs, pullback } = pullThroughRule(types, float, (unknown) => {
      let next = 0;
      const tangents = args.flatMap((arg, k) => {
        if (!isFloat(arg.dtype)) return [];
        return [moving[captures + k] ? (unknown[next++] as Tensor) : zeros(arg.type)];
      });
      return inlineProgram(rule(), [...args, ...tangents]);
    });
    return {
      outputs,
      pullback: (cotangents) => {
        const pulled = pullback(cotangents.filter((_, k) => isFloat(primal.outputTypes[k]?.dtype ?? 'bool')));
        let next = 0;
        return moving.map((is): Tangent => (is ? (pulled[next++] ?? null) : null));
      },
    };
  },
  batch: ({ inputs, batched, size, mask, params }: BatchContext<CustomJvpParams>) => {
    const { primal, captures, rule } = params;
    const every = primal.outputs.map(() => true);
    const all = batchProgram(primal, batched, size, every, mask);
    const flags = batched.slice(captures);
    const moving = flags.filter((_, k) => isFloat(primal.inputTypes[captures + k]?.dtype ?? 'bool'));
    return bind(customJvpPrimitive, [...all.captures, ...inputs], {
      primal: all.program,
      captures: all.captures.length + captures,
      rule: once(() => batchAll(rule(), [...flags, ...moving], size)),
    });
  },
  expand: ({ primal }) => primal,
  subprograms: ({ primal }) => [primal],
});

/**
 * `f` with a derivative given by hand, as the tangent of its result for tangents of its arguments. Reverse mode transposes the rule,
 * so it must be linear in the tangents; higher derivatives differentiate it, and it may use `f` itself.
 *
 * The rule is traced when a derivative is first needed. It may use only what it is given, and `f` can be differentiated in its
 * arguments only. Integer arguments come with tangents that are zero (float32).
 *
 * @param rule  (args, tangents), two lists, to [f(...args), tangent of the result]; null for a zero tangent.
 * @throws when it is differentiated: {TracingError} in a value from outside; a rule that uses tensors from outside, or is not linear
 *   in the tangents (reverse mode). {ShapeError | DTypeError} results or tangents that do not fit.
 * @example  const root = customJvp((x) => newton(x), ([x], [t]) => { const y = root(x); return [y, t.div(y.mul(2))]; });
 */
export function customJvp<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  rule: (args: A, tangents: Tensors<A>) => readonly [unknown, unknown],
): (...args: A) => Tensors<R> {
  const op = 'customJvp';
  return (...args) => {
    if (!isTracing()) return f(...args) as unknown as Tensors<R>;
    const { leaves, shape } = flatten(op, args);
    const operands = asTensors(leaves);
    const types = operands.map((value) => value.type);
    const primal = traceFunction(op, f as unknown as AnyFunction, shape, types);
    const outputs = primal.program.outputTypes;
    const traced = once(() => {
      const moving = floatsOf(types);
      const like = primal.output.build(outputs.map(() => 0));
      const push = ([values, tangents]: readonly unknown[]): unknown => {
        const given = shape.build(withZeros(types, tangents as Tensor[])) as Tensors<A>;
        const result = rule(values as A, given) as unknown;
        if (!Array.isArray(result) || result.length !== 2) return result;
        const leaves = leavesLike(op, 'a tangent', like, result[1]);
        const pushed = outputs.flatMap((type, k) => {
          if (!isFloat(type.dtype)) return [];
          const t = leaves[k] == null ? zeros(type) : (asTensors([leaves[k]])[0] as Tensor);
          checkType(op, 'the rule to return a tangent', t.type, type);
          return [t];
        });
        return [result[0], pushed];
      };
      const input = listShape(shape, flatShape(moving.length));
      const what = 'the rule to return [result, tangent]';
      return tracePair(op, what, push, input, [...types, ...moving], primal).program;
    });
    const results = bind(customJvpPrimitive, [...primal.captures, ...operands], {
      primal: primal.program,
      captures: primal.captures.length,
      rule: traced,
    });
    return primal.output.build(results) as Tensors<R>;
  };
}
