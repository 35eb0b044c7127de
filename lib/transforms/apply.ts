/** What all transforms share: tracing a function of trees into a Program of flat lists, and back. */

// Fills the primitive table, and gives tensors their methods.
import '../core/index.js';
import { commonDevice, numberTensor } from '../core/concrete.js';
import { onDevice } from '../core/device.js';
import { ShapeError } from '../core/errors.js';
import { eliminateDeadCode, type Program } from '../core/program.js';
import { Tensor } from '../core/tensor.js';
import { applyProgram, isTracing, type TensorLike, trace } from '../core/tracing.js';
import { flatten, type TreeShape } from '../core/tree.js';
import type { TensorType } from '../core/types.js';

/** A function of trees as a Program: captured values first, then the leaves of the arguments. */
export interface FunctionProgram {
  readonly program: Program;
  readonly captures: readonly Tensor[];
  readonly output: TreeShape;
}

/** Numbers among the leaves become float32 scalars (bools for booleans): arguments are values, not constants. */
export function asTensors(leaves: readonly TensorLike[]): Tensor[] {
  return leaves.map((leaf) => (leaf instanceof Tensor ? leaf : numberTensor(leaf)));
}

/**
 * Traces `f` over arguments of the given structure and types.
 * @param operands  what it is traced for: tensors that `f` makes without operands of their own go where these live.
 * @throws {DeviceError} the operands live on different devices.
 */
export function traceFunction(
  op: string,
  f: (...args: never[]) => unknown,
  input: TreeShape,
  types: readonly TensorType[],
  operands: readonly Tensor[] = [],
): FunctionProgram {
  const device = commonDevice(op, operands);
  const traced = trace(types, (...tracers) => {
    const result = onDevice(device, () => f(...(input.build(tracers) as never[])));
    if (result instanceof Promise) {
      result.catch(() => {});
      throw new ShapeError(op, 'Expected a function that returns tensors, received one that returns a promise', {
        hint: 'a traced function must be synchronous: read results outside',
      });
    }
    const { leaves, shape } = flatten(op, result);
    return { outputs: leaves, result: shape };
  });
  return { program: eliminateDeadCode(traced.program), captures: traced.captures, output: traced.result };
}

/** Calls a function of trees as one Program, so that its parts share what they compute. */
export function callTraced<A extends readonly unknown[], R>(op: string, f: (...args: A) => R, args: A): R {
  if (isTracing()) return f(...args);
  const { leaves, shape } = flatten(op, args);
  const tensors = asTensors(leaves);
  const types = tensors.map((value) => value.type);
  const traced = traceFunction(op, f as unknown as (...values: never[]) => unknown, shape, types, tensors);
  return traced.output.build(applyProgram(op, traced.program, [...traced.captures, ...tensors])) as R;
}

/** The leaf of a function that must return one float scalar. */
export function checkScalarOutput(op: string, { program, output }: FunctionProgram): void {
  const [type] = program.outputTypes;
  if (output.text === '*' && type?.rank === 0 && (type.dtype === 'float32' || type.dtype === 'float64')) return;
  const received = output.text === '*' ? String(type) : `a tree of ${output.leaves} values`;
  throw new ShapeError(op, `Expected a function that returns one float scalar, received ${received}`, {
    hint: 'reduce it with sum() or mean()',
  });
}

/** The trees as one list of arguments. */
export function listShape(...shapes: TreeShape[]): TreeShape {
  const leaves = shapes.reduce((total, shape) => total + shape.leaves, 0);
  return {
    text: `[${shapes.map((shape) => shape.text).join()}]`,
    leaves,
    build: (values) => {
      let at = 0;
      return shapes.map((shape) => shape.build(values.slice(at, (at += shape.leaves))));
    },
  };
}

export function checkStructure(op: string, what: string, expected: TreeShape, received: TreeShape): void {
  if (expected.text === received.text) return;
  throw new ShapeError(op, `Expected ${what} of the structure ${expected.text}, received ${received.text}`);
}
