/** Forward mode as a map from Programs to Programs. */
import { isFloat } from '../core/dtype.js';
import { TracingError } from '../core/errors.js';
import type { Primitive, Tangent } from '../core/primitive.js';
import { zeros } from '../core/primitives/lax.js';
import { type Atom, type Equation, eliminateDeadCode, type Program, Variable } from '../core/program.js';
import type { Tensor } from '../core/tensor.js';
import { bind, readAtom, type Traced, trace } from '../core/tracing.js';

/**
 * Replays a Program in the one being traced, pushing tangents along. Null tangents are zeros known in advance, so equations that
 * no tangent reaches cost nothing.
 */
export function pushForward(
  program: Program,
  inputs: readonly Tensor[],
  tangents: readonly Tangent[],
): { outputs: Tensor[]; tangents: Tangent[] } {
  const values = new Map<Variable, Tensor>(program.inputs.map((variable, k) => [variable, inputs[k] as Tensor]));
  const moving = new Map<Variable, Tensor>();
  const tangentOf = (atom: Atom): Tangent => (atom instanceof Variable ? (moving.get(atom) ?? null) : null);
  program.inputs.forEach((variable, k) => {
    const t = tangents[k];
    if (t && isFloat(variable.type.dtype)) moving.set(variable, t);
  });
  for (const equation of program.equations) {
    const operands = equation.inputs.map((atom) => readAtom(values, atom));
    const incoming = equation.inputs.map(tangentOf);
    const { outputs, tangents: outgoing } = pushEquation(equation, operands, incoming);
    equation.outputs.forEach((variable, k) => {
      values.set(variable, outputs[k] as Tensor);
      const t = outgoing[k];
      if (t) moving.set(variable, t);
    });
  }
  return { outputs: program.outputs.map((atom) => readAtom(values, atom)), tangents: program.outputs.map(tangentOf) };
}

function pushEquation(
  { primitive, params }: Equation,
  inputs: readonly Tensor[],
  tangents: readonly Tangent[],
): { outputs: Tensor[]; tangents: Tangent[] } {
  refuseUnderivable(primitive, tangents);
  if (tangents.every((t) => !t) || !primitive.differentiable)
    return { outputs: bind(primitive, inputs, params), tangents: [] };
  if (primitive.jvpJoint) return primitive.jvpJoint({ inputs, tangents, params });
  if (!primitive.jvp) {
    throw new TracingError(
      primitive.name,
      `Expected an operation with a forward-mode derivative, received ${primitive.name}`,
      { hint: primitive.reverseOnly ?? 'use vjp or grad instead' },
    );
  }
  const outputs = bind(primitive, inputs, params);
  return { outputs, tangents: primitive.jvp({ inputs, tangents, outputs, params }) };
}

/** @throws {TracingError} a derivative is asked for of a primitive that has none where zero would be wrong. */
export function refuseUnderivable({ name, underivable }: Primitive, active: readonly unknown[]): void {
  if (underivable === undefined || active.every((one) => !one)) return;
  throw new TracingError(name, `Expected an operation with a derivative, received ${name}`, { hint: underivable });
}

/**
 * The Program of (inputs, tangents of the active ones) to (outputs, tangents of the outputs for which `wanted` holds).
 * @param wanted  output tangents to return, zeros filled in; default: all float ones.
 */
export function jvpProgram(
  program: Program,
  active: readonly boolean[],
  wanted: readonly boolean[] = program.outputTypes.map((type) => isFloat(type.dtype)),
): Program {
  const moving = program.inputTypes.filter((_, k) => active[k]);
  const traced = trace([...program.inputTypes, ...moving], (...args) => {
    const inputs = args.slice(0, program.inputs.length);
    let next = program.inputs.length;
    const tangents = program.inputs.map((_, k) => (active[k] ? (args[next++] as Tensor) : null));
    const pushed = pushForward(program, inputs, tangents);
    const outgoing = pushed.tangents.flatMap((t, k) =>
      wanted[k] ? [t ?? zeros((pushed.outputs[k] as Tensor).type)] : [],
    );
    return { outputs: [...pushed.outputs, ...outgoing], result: undefined };
  });
  return closed(traced);
}

/**
 * A derived Program without its dead code.
 * @throws {TracingError} a rule used a tensor from outside, which has no place among the inputs.
 */
export function closed({ program, captures }: Pick<Traced<unknown>, 'program' | 'captures'>): Program {
  if (captures.length === 0) return eliminateDeadCode(program);
  throw new TracingError(
    'trace',
    `Expected a derivative rule that uses only what it is given, received one that uses a ${captures[0]?.type} from outside`,
    { hint: 'make it an argument of the function, and give null as its cotangent' },
  );
}

/** Which outputs of a Program have a tangent when the active inputs have one. */
export function reachedOutputs(program: Program, active: readonly boolean[]): boolean[] {
  let reached: boolean[] = [];
  trace([...program.inputTypes, ...program.inputTypes], (...args) => {
    const inputs = args.slice(0, program.inputs.length);
    const tangents = program.inputs.map((_, k) => (active[k] ? (args[program.inputs.length + k] as Tensor) : null));
    reached = pushForward(program, inputs, tangents).tangents.map((t) => t !== null);
    return { outputs: [], result: undefined };
  });
  return reached;
}
