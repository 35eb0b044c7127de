/** Batching as a map from Programs to Programs: one lane's equations become those of all lanes. */
import { TracingError } from '../core/errors.js';
import type { Batched } from '../core/primitive.js';
import { carryBatch } from '../core/primitives/batching.js';
import { type Atom, type Equation, eliminateDeadCode, type Program, Variable } from '../core/program.js';
import type { Tensor } from '../core/tensor.js';
import { bind, readAtom, type Traced, trace } from '../core/tracing.js';
import type { TensorType } from '../core/types.js';

/** The type of all lanes of `type`, the batch as axis 0. */
export function lanesOf(type: TensorType, size: number): TensorType {
  return type.withShape([size, ...type.shape]);
}

/**
 * Replays a Program in the one being traced, for all lanes at once. Equations that no batched operand reaches are recorded as they are.
 * @param inputs  with the batch as axis 0 where `batched`.
 * @param mask  lanes that count: see BatchContext.
 */
export function batchThrough(
  program: Program,
  inputs: readonly Tensor[],
  batched: readonly boolean[],
  size: number,
  mask: Tensor | null,
): Batched {
  const values = new Map<Variable, Tensor>(program.inputs.map((variable, k) => [variable, inputs[k] as Tensor]));
  const carrying = new Set<Variable>(program.inputs.filter((_, k) => batched[k]));
  const carries = (atom: Atom): boolean => atom instanceof Variable && carrying.has(atom);
  for (const equation of program.equations) {
    const operands = equation.inputs.map((atom) => readAtom(values, atom));
    const results = batchEquation(equation, operands, equation.inputs.map(carries), size, mask);
    equation.outputs.forEach((variable, k) => {
      values.set(variable, results.outputs[k] as Tensor);
      if (results.batched[k]) carrying.add(variable);
    });
  }
  return { outputs: program.outputs.map((atom) => readAtom(values, atom)), batched: program.outputs.map(carries) };
}

function batchEquation(
  { primitive, params }: Equation,
  inputs: readonly Tensor[],
  batched: readonly boolean[],
  size: number,
  mask: Tensor | null,
): Batched {
  if (!batched.includes(true)) {
    const outputs = bind(primitive, inputs, params);
    return { outputs, batched: outputs.map(() => false) };
  }
  const context = { inputs, batched, size, mask, params };
  if (primitive.batchJoint) return primitive.batchJoint(context);
  if (!primitive.batch) {
    throw new TracingError('vmap', `Expected operations with a batching rule, received ${primitive.name}`);
  }
  const outputs = primitive.batch(context);
  return { outputs, batched: outputs.map(() => true) };
}

/**
 * The Program of all lanes, traced: its result says which outputs carry the batch.
 * @param carry  outputs that must carry it, whether or not they depend on it.
 */
export function batchProgram(
  program: Program,
  batched: readonly boolean[],
  size: number,
  carry: readonly boolean[] = [],
  mask: Tensor | null = null,
): Traced<boolean[]> {
  const types = program.inputTypes.map((type, k) => (batched[k] ? lanesOf(type, size) : type));
  const traced = trace(types, (...args) => {
    const { outputs, batched: reached } = batchThrough(program, args, batched, size, mask);
    return {
      outputs: outputs.map((output, k) => (carry[k] ? carryBatch(output, reached[k] as boolean, size) : output)),
      result: reached.map((is, k) => is || (carry[k] ?? false)),
    };
  });
  return { ...traced, program: eliminateDeadCode(traced.program) };
}

/** Which outputs carry the batch when these inputs do. */
export function batchedOutputs(program: Program, batched: readonly boolean[], size: number): boolean[] {
  return batchProgram(program, batched, size).result;
}

/** A batched Program without captures, for programs that equations hold. */
export function batchAll(program: Program, batched: readonly boolean[], size: number): Program {
  return batchProgram(
    program,
    batched,
    size,
    program.outputs.map(() => true),
  ).program;
}
