/** What customVjp and customJvp share. */
import { isFloat } from '../../core/dtype.js';
import { DTypeError, ShapeError, TracingError } from '../../core/errors.js';
import { zeros } from '../../core/primitives/lax.js';
import type { Program } from '../../core/program.js';
import type { Tensor } from '../../core/tensor.js';
import type { TensorLike } from '../../core/tracing.js';
import { flatten, type TreeShape } from '../../core/tree.js';
import { TensorType } from '../../core/types.js';
import { traceFunction } from '../apply.js';
import { closed } from '../jvp-program.js';

export type AnyFunction = (...args: never[]) => unknown;

/** Made when it is first needed: a rule may use the function that it is the rule of. */
export function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

export const floatsOf = (types: readonly TensorType[]): TensorType[] => types.filter((type) => isFloat(type.dtype));

/** One tensor for each type: those given where it is float, and zeros (float32) for integers and bools, which do not move. */
export function withZeros(types: readonly TensorType[], moving: readonly Tensor[]): Tensor[] {
  let next = 0;
  return types.map((type) =>
    isFloat(type.dtype) ? (moving[next++] as Tensor) : zeros(TensorType.of('float32', type.shape)),
  );
}

/** A tree shape that is a list of so many leaves. */
export function flatShape(count: number): TreeShape {
  return flatten(
    'trace',
    Array.from({ length: count }, () => 0),
  ).shape;
}

/** @throws {TracingError} one of the captured values, which come first, is differentiated. */
export function checkCaptures(op: string, moving: readonly boolean[], captures: number): void {
  if (!moving.slice(0, captures).includes(true)) return;
  throw new TracingError(
    op,
    'Expected a function that is differentiated in its arguments only, received one that uses a differentiated value from outside',
    { hint: 'make it an argument of the function' },
  );
}

/** @throws {ShapeError | DTypeError} a result of a rule is not of the type it must have. */
export function checkType(op: string, what: string, type: TensorType, expected: TensorType): void {
  if (type === expected) return;
  const kind = type.dtype === expected.dtype ? ShapeError : DTypeError;
  throw new kind(op, `Expected ${what} of type ${expected}, received ${type}`);
}

export interface Pair {
  readonly program: Program;
  readonly shapes: readonly [TreeShape, TreeShape];
}

/**
 * Traces a rule that returns two trees, the first like the result of the function.
 * @param what  "forward to return [result, residuals]", for the error.
 */
export function tracePair(
  op: string,
  what: string,
  rule: (args: readonly unknown[]) => unknown,
  input: TreeShape,
  types: readonly TensorType[],
  like: { readonly program: Program; readonly output: TreeShape },
): Pair {
  let shapes: readonly [TreeShape, TreeShape] | undefined;
  const traced = traceFunction(
    op,
    (...args: unknown[]) => {
      const result = rule(args);
      if (!Array.isArray(result) || result.length !== 2) throw new ShapeError(op, `Expected ${what}`);
      shapes = [flatten(op, result[0]).shape, flatten(op, result[1]).shape];
      return result;
    },
    input,
    types,
  );
  const pair = { program: closed(traced), shapes: shapes as readonly [TreeShape, TreeShape] };
  if (pair.shapes[0].text !== like.output.text) {
    throw new ShapeError(
      op,
      `Expected ${what} with a result of the structure ${like.output.text}, received ${pair.shapes[0].text}`,
    );
  }
  like.program.outputTypes.forEach((type, k) => {
    checkType(op, `${what} with a result`, pair.program.outputTypes[k] as TensorType, type);
  });
  return pair;
}

/** The leaves of a tree, with null in the places where `like` has leaves below it. @throws {ShapeError} another structure. */
export function leavesLike(op: string, what: string, like: unknown, tree: unknown): (TensorLike | null)[] {
  const expected = flatten(op, like);
  if (tree === null || tree === undefined) return expected.leaves.map(() => null);
  if (like !== null && typeof like === 'object' && Array.isArray(like) && Array.isArray(tree)) {
    if (like.length === tree.length) return like.flatMap((part, k) => leavesLike(op, what, part, tree[k]));
  }
  const received = flatten(op, tree);
  if (received.shape.text === expected.shape.text) return received.leaves;
  throw new ShapeError(op, `Expected ${what} of the structure ${expected.shape.text}, received ${received.shape.text}`);
}
