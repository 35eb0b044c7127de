/** whileLoop, scan, cond and emit: control flow as values, over trees. */
import { DomainError, DTypeError, ShapeError } from '../core/errors.js';
import { primitive } from '../core/primitives/lax.js';
import type { Program } from '../core/program.js';
import { Tensor } from '../core/tensor.js';
import { bind } from '../core/tracing.js';
import { flatten, type Tensors, type TreeShape } from '../core/tree.js';
import { asTensors, checkStructure, listShape, traceFunction } from './apply.js';
import { condPrimitive } from './control/cond.js';
import { scanPrimitive } from './control/scan.js';
import { shareCaptures } from './control/shared.js';
import { whilePrimitive } from './control/while.js';

type AnyFunction = (...args: never[]) => unknown;

function checkPredicate(op: string, program: Program): void {
  const [type] = program.outputTypes;
  if (program.outputs.length !== 1 || type?.dtype !== 'bool' || type.rank !== 0) {
    throw new DTypeError(op, `Expected a condition that returns a bool scalar, received ${type ?? 'nothing'}`);
  }
}

/**
 * Repeats `body` while `condition` holds: x = init; while (condition(x)) x = body(x). Runs natively, step by step without a return
 * to JavaScript, abortable after each operation.
 *
 * @param condition  tree to bool scalar.
 * @param body  tree to tree of the same structure, dtypes and shapes.
 * @throws {ShapeError | DTypeError} the body changes structure or types.
 * Forward-mode differentiable (jvp); reverse mode needs `scan`.
 */
export function whileLoop<T>(
  condition: (x: Tensors<T>) => Tensor,
  body: (x: Tensors<T>) => unknown,
  init: T,
): Tensors<T> {
  const { leaves, shape } = flatten('whileLoop', init);
  const carry = asTensors(leaves);
  const types = carry.map((value) => value.type);
  const test = traceFunction('whileLoop', condition as AnyFunction, listShape(shape), types, carry);
  const step = traceFunction('whileLoop', body as AnyFunction, listShape(shape), types, carry);
  checkPredicate('whileLoop', test.program);
  checkStructure('whileLoop', 'the body to return a carry', shape, step.output);
  const results = bind(whilePrimitive, [...test.captures, ...step.captures, ...carry], {
    condition: test.program,
    body: step.program,
    conditionConstants: test.captures.length,
    bodyConstants: step.captures.length,
  });
  return shape.build(results) as Tensors<T>;
}

export interface ScanOptions {
  /** Number of steps; needed when there are no xs. */
  readonly length?: number;
  /** Walk from the last step to the first. Default: false. */
  readonly reverse?: boolean;
}

/**
 * Steps through xs along axis 0, carrying a state: for each x, [carry, y] = body(carry, x); the ys are stacked. Runs natively.
 *
 * @param body  (carry, x) to [carry, y]; carry keeps its structure, dtypes and shapes.
 * @param xs  tree of tensors with one leading length, or null with `length` given.
 * @returns [carry, ys]
 * Differentiable in both modes; reverse mode keeps the carries and runs each step once more on the way back.
 */
export function scan<C, X, Y>(
  body: (carry: Tensors<C>, x: Tensors<X>) => readonly [unknown, Y],
  init: C,
  xs: X,
  options: ScanOptions = {},
): [Tensors<C>, Tensors<Y>] {
  const start = flatten('scan', init);
  const stacked = flatten('scan', xs);
  const carry = asTensors(start.leaves);
  const sequences = stacked.leaves.map((leaf) => {
    if (leaf instanceof Tensor && leaf.rank > 0) return leaf;
    throw new ShapeError(
      'scan',
      `Expected xs with a leading axis to step along, received ${leaf instanceof Tensor ? leaf.type : 'a number'}`,
    );
  });
  const length = options.length ?? sequences[0]?.shape[0];
  if (length === undefined || !Number.isInteger(length) || length < 0) {
    throw new DomainError('scan', `Expected xs or a length >= 0, received length ${length}`);
  }
  const types = [...carry.map((value) => value.type), ...sequences.map((x) => x.type.withShape(x.shape.slice(1)))];
  let pair: readonly [TreeShape, TreeShape] | undefined;
  const step = traceFunction(
    'scan',
    ((c: Tensors<C>, x: Tensors<X>) => {
      const result = body(c, x);
      if (!Array.isArray(result) || result.length !== 2)
        throw new ShapeError('scan', 'Expected a body that returns [carry, y]');
      pair = [flatten('scan', result[0]).shape, flatten('scan', result[1]).shape];
      return result;
    }) as AnyFunction,
    listShape(start.shape, stacked.shape),
    types,
    [...carry, ...sequences],
  );
  const [nextCarry, y] = pair as readonly [TreeShape, TreeShape];
  checkStructure('scan', 'the body to return a carry', start.shape, nextCarry);
  const results = bind(scanPrimitive, [...step.captures, ...carry, ...sequences], {
    body: step.program,
    constants: step.captures.length,
    carry: carry.length,
    length,
    reverse: options.reverse ?? false,
  });
  return [
    start.shape.build(results.slice(0, carry.length)) as Tensors<C>,
    y.build(results.slice(carry.length)) as Tensors<Y>,
  ];
}

/**
 * onTrue(...args) or onFalse(...args), decided when the Program runs; only the branch taken is computed.
 * Both must return the same structure, dtypes and shapes. Differentiable in both modes.
 */
export function cond<A extends readonly unknown[], R>(
  predicate: Tensor,
  onTrue: (...args: A) => R,
  onFalse: (...args: A) => R,
  ...args: A
): Tensors<R> {
  const { leaves, shape } = flatten('cond', args);
  const operands = asTensors(leaves);
  const types = operands.map((value) => value.type);
  const [yes, no] = [onTrue, onFalse].map((branch) =>
    traceFunction('cond', branch as unknown as AnyFunction, shape, types, [predicate, ...operands]),
  ) as [ReturnType<typeof traceFunction>, ReturnType<typeof traceFunction>];
  checkStructure('cond', 'both branches to return results', yes.output, no.output);
  const { captures, programs } = shareCaptures(yes, no);
  const results = bind(condPrimitive, [predicate, ...captures, ...operands], {
    onTrue: programs[0],
    onFalse: programs[1],
  });
  return yes.output.build(results) as Tensors<R>;
}

/**
 * Reports scalars from inside a Program as progress: `Stream.onEmit` hears the newest ones, throttled, the others are dropped.
 * It never slows the computation down.
 */
export function emit(tag: string, values: Readonly<Record<string, Tensor>>): void {
  bind(primitive('emit'), Object.values(values), { tag, names: Object.keys(values) });
}

/** Seconds since the stream was created, read once `after` is computed: float64 scalar. For histories of objective against time. */
export function clock(after: Tensor): Tensor {
  const scalarOf = after.rank === 0 ? after : after.sum();
  return bind(primitive('clock'), [scalarOf], {})[0] as Tensor;
}
