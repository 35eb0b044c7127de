/**
 * Reverse mode as a map from Programs to Programs: each equation's jvp rule is traced with its tangents as unknowns; what depends on
 * them is linear and goes on a tape; the tape is transposed from its end (Radul et al., "You only linearize once", 2023).
 */
import { isFloat } from '../core/dtype.js';
import { InternalError, TracingError } from '../core/errors.js';
import type { Tangent, TransposeOperand } from '../core/primitive.js';
import { add, zeros } from '../core/primitives/lax.js';
import { type Atom, type Equation, eliminateDeadCode, Program, Variable } from '../core/program.js';
import type { Tensor } from '../core/tensor.js';
import { bind, readAtom, trace } from '../core/tracing.js';
import type { TensorType } from '../core/types.js';
import { closed, refuseUnderivable } from './jvp-program.js';

/** An unknown of the linear map: a tangent during the forward walk, a cotangent during the backward one. */
class Unknown {
  cotangent: Tangent = null;
  constructor(readonly type: TensorType) {}

  accumulate(ct: Tangent | undefined): void {
    if (ct) this.cotangent = this.cotangent ? add(this.cotangent, ct) : ct;
  }

  /** What has gathered here; it is given out once. */
  take(): Tangent {
    const ct = this.cotangent;
    this.cotangent = null;
    return ct;
  }
}

type Pull = () => void;

/** The tape of a linear map, and how its equations get there. */
class Tape {
  private readonly pulls: Pull[] = [];

  push(pull: Pull): void {
    this.pulls.push(pull);
  }

  /** Walks back, moving cotangents from results to operands. */
  run(): void {
    for (let k = this.pulls.length - 1; k >= 0; k--) (this.pulls[k] as Pull)();
  }

  /**
   * Appends the equations of a Program that depend on the unknowns, and evaluates the others at once.
   * @param known  tensors for the Program's inputs that are not unknown.
   * @returns the unknowns that the outputs are, or the values of those that do not depend on one.
   */
  append(
    program: Program,
    unknowns: ReadonlyMap<Variable, Unknown>,
    known: ReadonlyMap<Variable, Tensor>,
  ): (Unknown | Tensor)[] {
    const linear = new Map(unknowns);
    const values = new Map(known);
    const unknownOf = (atom: Atom): Unknown | undefined => (atom instanceof Variable ? linear.get(atom) : undefined);
    for (const equation of program.equations) {
      if (!equation.inputs.some(unknownOf)) {
        const outputs = bind(
          equation.primitive,
          equation.inputs.map((atom) => readAtom(values, atom)),
          equation.params,
        );
        equation.outputs.forEach((variable, k) => values.set(variable, outputs[k] as Tensor));
        continue;
      }
      const inputs = equation.inputs.map(unknownOf);
      const operands = equation.inputs.map((atom, k): TransposeOperand => {
        const unknown = inputs[k];
        return unknown ? { linear: true, type: unknown.type } : { linear: false, value: readAtom(values, atom) };
      });
      const outputs = equation.outputs.map((variable) => {
        const unknown = new Unknown(variable.type);
        linear.set(variable, unknown);
        return unknown;
      });
      this.push(() => pullBack(equation, operands, inputs, outputs));
    }
    return program.outputs.map((atom) => unknownOf(atom) ?? readAtom(values, atom));
  }
}

const unknownOnly = (end: Unknown | Tensor | undefined): Unknown | null => (end instanceof Unknown ? end : null);

function pullBack(
  { primitive, params }: Equation,
  operands: readonly TransposeOperand[],
  inputs: readonly (Unknown | undefined)[],
  outputs: readonly Unknown[],
): void {
  const cotangents = outputs.map((unknown) => unknown.take());
  if (cotangents.every((ct) => !ct)) return;
  if (!primitive.transpose) {
    throw new TracingError(
      primitive.name,
      `Expected a linear operation, received ${primitive.name}, which has no transpose`,
    );
  }
  const pulled = primitive.transpose({ cotangents, operands, params });
  inputs.forEach((unknown, k) => unknown?.accumulate(pulled[k]));
}

/** Runs one equation forward and puts its linear part on the tape. Returns results and their unknowns. */
function linearize(
  equation: Equation,
  inputs: readonly Tensor[],
  unknowns: readonly (Unknown | null)[],
  tape: Tape,
): { outputs: Tensor[]; unknowns: (Unknown | null)[] } {
  const { primitive, params } = equation;
  refuseUnderivable(primitive, unknowns);
  if (unknowns.every((unknown) => !unknown) || !primitive.differentiable) {
    return { outputs: bind(primitive, inputs, params), unknowns: equation.outputs.map(() => null) };
  }
  if (primitive.vjp) {
    const { outputs, pullback } = primitive.vjp({
      inputs,
      active: unknowns.map((unknown) => unknown !== null),
      params,
    });
    const results = outputs.map((output) => (isFloat(output.dtype) ? new Unknown(output.type) : null));
    tape.push(() => {
      const cotangents = results.map((unknown) => unknown?.take() ?? null);
      if (cotangents.every((ct) => !ct)) return;
      const pulled = pullback(cotangents);
      unknowns.forEach((unknown, k) => unknown?.accumulate(pulled[k]));
    });
    return { outputs, unknowns: results };
  }
  if (!primitive.jvp) {
    throw new TracingError(
      primitive.name,
      `Expected an operation with a reverse-mode derivative, received ${primitive.name}`,
      {
        hint: primitive.forwardOnly ?? 'use jvp instead',
      },
    );
  }
  const rule = primitive.jvp;
  const outputs = bind(primitive, inputs, params);
  const moving = unknowns.filter((unknown) => unknown !== null);
  // Trace the rule with the tangents as its arguments; everything else it uses is captured from here.
  const traced = trace(
    moving.map((unknown) => unknown.type),
    (...args) => {
      let next = 0;
      const tangents = unknowns.map((unknown) => (unknown ? (args[next++] as Tensor) : null));
      const outgoing = rule({ inputs, tangents, outputs, params });
      return { outputs: outgoing.filter((t) => t !== null), result: outgoing.map((t) => t !== null) };
    },
  );
  const { program, captures, result: present } = traced;
  const known = new Map(captures.map((tensor, k) => [program.inputs[k] as Variable, tensor]));
  const unknown = new Map(moving.map((value, k) => [program.inputs[captures.length + k] as Variable, value]));
  const ends = tape.append(program, unknown, known);
  let next = 0;
  return { outputs, unknowns: equation.outputs.map((_, k) => (present[k] ? unknownOnly(ends[next++]) : null)) };
}

/**
 * Results and pullback of a rule that gives results and tangents together and is linear in the tangents, in the Program being traced.
 * @param types  of the tangents that the rule takes; its last `derivatives` results are tangents.
 */
export function pullThroughRule(
  types: readonly TensorType[],
  derivatives: number,
  rule: (tangents: readonly Tensor[]) => Tensor[],
): { outputs: Tensor[]; pullback: (cotangents: readonly Tangent[]) => Tangent[] } {
  const tape = new Tape();
  const { program, captures } = trace(types, (...args) => ({ outputs: rule(args), result: undefined }));
  const starts = types.map((type) => new Unknown(type));
  const known = new Map(captures.map((tensor, k) => [program.inputs[k] as Variable, tensor]));
  const unknowns = new Map(starts.map((start, k) => [program.inputs[captures.length + k] as Variable, start]));
  const ends = tape.append(program, unknowns, known);
  const split = ends.length - derivatives;
  const outputs = ends.slice(0, split).map((end) => {
    if (end instanceof Unknown)
      throw new TracingError('customJvp', 'Expected a result that does not depend on tangents');
    return end;
  });
  const pullback = (cotangents: readonly Tangent[]): Tangent[] => {
    ends.slice(split).forEach((end, k) => unknownOnly(end)?.accumulate(cotangents[k]));
    tape.run();
    return starts.map((start) => start.take());
  };
  return { outputs, pullback };
}

/** Replays a Program in the one being traced; the returned function maps output cotangents to input cotangents, once. */
export function pullThrough(
  program: Program,
  inputs: readonly Tensor[],
  active: readonly boolean[],
): { outputs: Tensor[]; pullback: (cotangents: readonly Tangent[]) => Tangent[] } {
  const tape = new Tape();
  const values = new Map<Variable, Tensor>(program.inputs.map((variable, k) => [variable, inputs[k] as Tensor]));
  const moving = new Map<Variable, Unknown>();
  const starts = program.inputs.map((variable, k) => {
    if (!active[k] || !isFloat(variable.type.dtype)) return null;
    const unknown = new Unknown(variable.type);
    moving.set(variable, unknown);
    return unknown;
  });
  const unknownOf = (atom: Atom): Unknown | null => (atom instanceof Variable ? (moving.get(atom) ?? null) : null);
  for (const equation of program.equations) {
    const operands = equation.inputs.map((atom) => readAtom(values, atom));
    const { outputs, unknowns } = linearize(equation, operands, equation.inputs.map(unknownOf), tape);
    equation.outputs.forEach((variable, k) => {
      values.set(variable, outputs[k] as Tensor);
      const unknown = unknowns[k];
      if (unknown) moving.set(variable, unknown);
    });
  }
  return {
    outputs: program.outputs.map((atom) => readAtom(values, atom)),
    pullback: (cotangents) => {
      program.outputs.forEach((atom, k) => unknownOf(atom)?.accumulate(cotangents[k]));
      tape.run();
      return starts.map((unknown) => unknown?.take() ?? null);
    },
  };
}

/**
 * The Program of (inputs, cotangents of the float outputs) to (outputs, cotangents of the active inputs, zeros filled in).
 */
export function vjpProgram(program: Program, active: readonly boolean[]): Program {
  const float = program.outputTypes.map((type) => isFloat(type.dtype));
  const cotangentTypes = program.outputTypes.filter((_, k) => float[k]);
  const traced = trace([...program.inputTypes, ...cotangentTypes], (...args) => {
    const { outputs, pullback } = pullThrough(program, args.slice(0, program.inputs.length), active);
    let next = program.inputs.length;
    const pulled = pullback(float.map((is) => (is ? (args[next++] as Tensor) : null)));
    const grads = program.inputTypes.flatMap((type, k) => (active[k] ? [pulled[k] ?? zeros(type)] : []));
    return { outputs: [...outputs, ...grads], result: undefined };
  });
  return closed(traced);
}

/**
 * The Program as the first pass of reverse mode runs it: where an operation has a forward rule of its own (customVjp), by that rule,
 * so that what is kept for the way back can itself be differentiated forward.
 */
export function primalProgram(program: Program, active: readonly boolean[]): Program {
  return closed(
    trace(program.inputTypes, (...args) => ({
      outputs: pullThrough(program, args, active).outputs,
      result: undefined,
    })),
  );
}

/** Transposes a linear Program: cotangents of its outputs to those of its last `linear` inputs; the inputs before are constants. */
export function transposeProgram(program: Program, linear: number): Program {
  const fixed = program.inputs.length - linear;
  const traced = trace([...program.inputTypes.slice(0, fixed), ...program.outputTypes], (...args) => {
    const tape = new Tape();
    const unknowns = new Map(program.inputs.slice(fixed).map((variable) => [variable, new Unknown(variable.type)]));
    const known = new Map(program.inputs.slice(0, fixed).map((variable, k) => [variable, args[k] as Tensor]));
    const ends = tape.append(program, unknowns, known);
    ends.forEach((unknown, k) => {
      if (!(unknown instanceof Unknown))
        throw new InternalError('linearTranspose', 'Expected results that depend on the argument');
      unknown.accumulate(args[fixed + k]);
    });
    tape.run();
    return {
      outputs: [...unknowns.values()].map((unknown) => unknown.take() ?? zeros(unknown.type)),
      result: undefined,
    };
  });
  return closed(traced);
}

/**
 * Cuts a vjp Program in two: what can run before the cotangents are known, and the rest.
 * @param inputs  how many inputs of `program` come before the cotangents.
 * @param outputs  how many outputs come before the gradients.
 * @returns forward: inputs to (outputs, residuals); backward: (residuals, cotangents) to gradients.
 */
export function splitProgram(
  program: Program,
  inputs: number,
  outputs: number,
): { forward: Program; backward: Program } {
  const late = new Set<Atom>(program.inputs.slice(inputs));
  const early: Equation[] = [];
  const after: Equation[] = [];
  for (const equation of program.equations) {
    const isLate = equation.inputs.some((atom) => late.has(atom));
    (isLate ? after : early).push(equation);
    if (isLate) for (const output of equation.outputs) late.add(output);
  }
  const gradients = program.outputs.slice(outputs);
  const residuals = new Set<Variable>();
  for (const atom of [...after.flatMap((equation) => equation.inputs), ...gradients]) {
    if (atom instanceof Variable && !late.has(atom)) residuals.add(atom);
  }
  const saved = [...residuals];
  return {
    forward: eliminateDeadCode(
      new Program(program.inputs.slice(0, inputs), early, [...program.outputs.slice(0, outputs), ...saved]),
    ),
    backward: eliminateDeadCode(new Program([...saved, ...program.inputs.slice(inputs)], after, gradients)),
  };
}
