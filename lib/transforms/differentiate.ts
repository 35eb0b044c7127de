/** Derivatives of functions of trees. They nest with each other and with jit. */
import { beside, commonDevice } from '../core/concrete.js';
import { onDevice } from '../core/device.js';
import { isFloat } from '../core/dtype.js';
import { DomainError, DTypeError, ShapeError } from '../core/errors.js';
import { full } from '../core/primitives/lax.js';
import { type Atom, eliminateDeadCode, Program } from '../core/program.js';
import type { Tensor } from '../core/tensor.js';
import { applyProgram } from '../core/tracing.js';
import { flatten, type Tensors, type TreeShape } from '../core/tree.js';
import { TensorType } from '../core/types.js';
import { asTensors, checkScalarOutput, type FunctionProgram, traceFunction } from './apply.js';
import { jvpProgram } from './jvp-program.js';
import { splitProgram, transposeProgram, vjpProgram } from './vjp-program.js';

export interface GradOptions {
  /** Position of the argument, or positions of the arguments, to differentiate. Default: 0. */
  readonly argnums?: number | readonly number[];
}

type AnyFunction = (...args: never[]) => unknown;

interface Call extends FunctionProgram {
  readonly inputs: readonly Tensor[];
  /** For each argument, where its leaves sit among the inputs. */
  readonly spans: readonly { readonly start: number; readonly shape: TreeShape }[];
}

function traceCall(op: string, f: AnyFunction, args: readonly unknown[]): Call {
  const { leaves, shape } = flatten(op, args);
  const tensors = asTensors(leaves);
  const traced = traceFunction(
    op,
    f,
    shape,
    tensors.map((value) => value.type),
    tensors,
  );
  let start = traced.captures.length;
  const spans = args.map((arg) => {
    const span = { start, shape: flatten(op, arg).shape };
    start += span.shape.leaves;
    return span;
  });
  return { ...traced, inputs: [...traced.captures, ...tensors], spans };
}

/** Which inputs belong to the arguments in `argnums`. */
function activeInputs(op: string, call: Call, argnums: readonly number[]): boolean[] {
  const active = call.inputs.map(() => false);
  for (const position of argnums) {
    const span = call.spans[position];
    if (!span)
      throw new DomainError(op, `Expected argnums within the ${call.spans.length} arguments, received ${position}`);
    for (let k = 0; k < span.shape.leaves; k++) {
      const { type } = call.inputs[span.start + k] as Tensor;
      if (!isFloat(type.dtype)) {
        throw new DTypeError(op, `Expected float arguments to differentiate, received ${type} in argument ${position}`);
      }
      active[span.start + k] = true;
    }
  }
  return active;
}

/** The value and the gradient of a function that returns one float scalar. See `grad`. */
export function valueAndGrad<A extends readonly unknown[]>(
  f: (...args: A) => Tensor,
  options?: GradOptions,
): (...args: A) => [Tensor, Tensors<A[0]>] {
  const { argnums = 0 } = options ?? {};
  const positions = [argnums].flat() as number[];
  return (...args) => {
    const call = traceCall('grad', f as unknown as AnyFunction, args);
    checkScalarOutput('grad', call);
    const active = activeInputs('grad', call, positions);
    const [type] = call.program.outputTypes as [TensorType];
    const program = vjpProgram(call.program, active);
    const seed = onDevice(commonDevice('grad', call.inputs), () => full(type, 1));
    const [value, ...gradients] = applyProgram('grad', program, [...call.inputs, seed]) as [Tensor, ...Tensor[]];
    // Gradients come in the order of the inputs; argnums may name them in another.
    const ordered = positions.map((position) => {
      const { start, shape } = call.spans[position] as Call['spans'][number];
      const before = active.slice(0, start).filter(Boolean).length;
      return shape.build(gradients.slice(before, before + shape.leaves));
    });
    return [value, (typeof argnums === 'number' ? ordered[0] : ordered) as Tensors<A[0]>];
  };
}

/**
 * The gradient of a function that returns one float scalar, with respect to its first argument (or `argnums`), in the structure
 * of that argument. Reverse mode: a few times the cost of `f`, whatever the number of variables.
 *
 * Outside `jit` each call traces `f` anew; inside, the gradient becomes part of the Program.
 * @throws {ShapeError} `f` returns something else.  {DTypeError} an integer argument.
 *   {TracingError} `f` contains a whileLoop (use scan), or uses a traced value as a number.
 */
export function grad<A extends readonly unknown[]>(
  f: (...args: A) => Tensor,
  options?: GradOptions,
): (...args: A) => Tensors<A[0]> {
  const both = valueAndGrad(f, options);
  return (...args) => {
    const [value, gradient] = both(...args);
    value.dispose();
    return gradient;
  };
}

/**
 * Value of `f` and its pullback: the map from a cotangent of the result (same structure) to cotangents of all arguments.
 * What the pullback needs is computed and kept on the first pass.
 */
export function vjp<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  ...args: A
): [Tensors<R>, (cotangent: Tensors<R>) => Tensors<A>] {
  const call = traceCall('vjp', f as unknown as AnyFunction, args);
  const float = call.inputs.map((input, k) => k >= call.captures.length && isFloat(input.dtype));
  const whole = vjpProgram(call.program, float);
  const { forward, backward } = splitProgram(whole, call.inputs.length, call.program.outputs.length);
  const results = applyProgram('vjp', forward, call.inputs);
  const outputs = results.slice(0, call.program.outputs.length);
  const residuals = results.slice(call.program.outputs.length);
  const pullback = (cotangent: Tensors<R>): Tensors<A> => {
    const { leaves, shape } = flatten('vjp', cotangent);
    if (shape.text !== call.output.text) {
      throw new ShapeError('vjp', `Expected a cotangent of the structure ${call.output.text}, received ${shape.text}`);
    }
    const cotangents = asTensors(leaves).filter((ct, k) => checkLike('vjp', ct, outputs[k] as Tensor));
    const gradients = applyProgram('vjp', backward, [...residuals, ...cotangents]);
    let next = 0;
    const all = call.inputs
      .slice(call.captures.length)
      .map((input) =>
        isFloat(input.dtype)
          ? (gradients[next++] as Tensor)
          : beside(input, () => full(TensorType.of('float32', input.shape), 0)),
      );
    return call.spans.map(({ start, shape: tree }) => {
      const from = start - call.captures.length;
      return tree.build(all.slice(from, from + tree.leaves));
    }) as Tensors<A>;
  };
  return [call.output.build(outputs) as Tensors<R>, pullback];
}

/** Whether a cotangent counts (its output is float). @throws {ShapeError} it is not of the output's type. */
function checkLike(op: string, value: Tensor, like: Tensor): boolean {
  if (!isFloat(like.dtype)) return false;
  if (value.type !== like.type) throw new ShapeError(op, `Expected ${like.type}, received ${value.type}`);
  return true;
}

/** Runs the jvp Program of a traced function; `pick` says which of its results (outputs, then tangents of the float ones) to keep. */
function push(
  op: string,
  call: Call,
  primals: readonly unknown[],
  tangents: unknown,
  pick: (results: readonly Atom[]) => readonly Atom[],
): Tensor[] {
  const given = flatten(op, tangents);
  const expected = flatten(op, primals);
  if (given.shape.text !== expected.shape.text) {
    throw new ShapeError(op, `Expected tangents of the structure ${expected.shape.text}, received ${given.shape.text}`);
  }
  const captured = call.captures.length;
  const active = call.inputs.map((input, k) => k >= captured && isFloat(input.dtype));
  const moving = asTensors(given.leaves).filter((t, k) => checkLike(op, t, call.inputs[captured + k] as Tensor));
  const whole = jvpProgram(call.program, active);
  const picked = eliminateDeadCode(new Program(whole.inputs, whole.equations, pick(whole.outputs)));
  return applyProgram(op, picked, [...call.inputs, ...moving]);
}

/** Tangents for all outputs: zeros (float32, where `like` lives) for integers and bools, which have none. */
function allTangents(types: readonly TensorType[], moving: readonly Tensor[], like: unknown): Tensor[] {
  let next = 0;
  return types.map((type) =>
    isFloat(type.dtype)
      ? (moving[next++] as Tensor)
      : beside(like, () => full(TensorType.of('float32', type.shape), 0)),
  );
}

/**
 * Value of `f` at `primals` and its directional derivative along `tangents` (a list of the same structure; its integer leaves are
 * ignored). Forward mode: about twice the cost of `f`. Integer and bool results have tangents of zeros (float32).
 * @throws {ShapeError} tangents unlike the primals.  {TracingError} `f` contains a customVjp (use customJvp).
 */
export function jvp<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  primals: A,
  tangents: { readonly [K in keyof A]: unknown },
): [Tensors<R>, Tensors<R>] {
  const call = traceCall('jvp', f as unknown as AnyFunction, primals);
  const types = call.program.outputTypes;
  const results = push('jvp', call, primals, tangents, (all) => all);
  const derivatives = allTangents(types, results.slice(types.length), results[0]);
  return [
    call.output.build(results.slice(0, types.length)) as Tensors<R>,
    call.output.build(derivatives) as Tensors<R>,
  ];
}

/**
 * Hessian-vector product: `hvp(f)(x, v)` is ∇²f(x) v for a function of one tree that returns a float scalar, in the structure of
 * x. Forward over reverse: about four times the cost of `f`; no Hessian is formed, nor the gradient finished
 * (Pearlmutter, 1994).
 * @throws as `grad`.
 */
export function hvp<X>(f: (x: X) => Tensor): (x: X, v: Tensors<X>) => Tensors<X> {
  const gradient = (x: X): unknown => grad(f)(x);
  return (x, v) => {
    const call = traceCall('hvp', gradient as unknown as AnyFunction, [x]);
    const count = call.program.outputs.length;
    return call.output.build(push('hvp', call, [x], [v], (all) => all.slice(count))) as Tensors<X>;
  };
}

/**
 * The transpose of a linear function: for `f` with ⟨f(x), y⟩ defined, the map y to fᵀ y. `example` gives structure and types of x.
 * @throws {TracingError} `f` is not linear in its argument.
 */
export function linearTranspose<X, R>(f: (x: X) => R, example: X): (y: Tensors<R>) => Tensors<X> {
  const call = traceCall('linearTranspose', f as unknown as AnyFunction, [example]);
  const linear = call.inputs.length - call.captures.length;
  const transposed = transposeProgram(call.program, linear);
  return (y) => {
    const { leaves, shape } = flatten('linearTranspose', y);
    if (shape.text !== call.output.text) {
      throw new ShapeError(
        'linearTranspose',
        `Expected an argument of the structure ${call.output.text}, received ${shape.text}`,
      );
    }
    const tensors = asTensors(leaves);
    call.program.outputTypes.forEach((type, k) => {
      if (tensors[k]?.type !== type)
        throw new ShapeError('linearTranspose', `Expected ${type}, received ${tensors[k]?.type}`);
    });
    const results = applyProgram('linearTranspose', transposed, [...call.captures, ...tensors]);
    return (call.spans[0] as Call['spans'][number]).shape.build(results) as Tensors<X>;
  };
}
