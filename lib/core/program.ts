/** Programs: static single assignment lists of equations, the unit of work and of every transform. */
import { dtypeCode } from './dtype.js';
import type { Params, Primitive } from './primitive.js';
import type { TensorType } from './types.js';

let variableCount = 0;

export class Variable {
  readonly id = variableCount++;
  constructor(readonly type: TensorType) {}
}

/** A scalar known when the Program was made. */
export class Literal {
  constructor(
    readonly value: number,
    readonly type: TensorType,
  ) {}
}

export type Atom = Variable | Literal;

export interface Equation {
  readonly primitive: Primitive;
  readonly params: Params;
  readonly inputs: readonly Atom[];
  readonly outputs: readonly Variable[];
}

export class Program {
  constructor(
    readonly inputs: readonly Variable[],
    readonly equations: readonly Equation[],
    readonly outputs: readonly Atom[],
  ) {}

  get inputTypes(): TensorType[] {
    return this.inputs.map((input) => input.type);
  }

  get outputTypes(): TensorType[] {
    return this.outputs.map((output) => output.type);
  }

  /** Text of the Program: one equation a line, sub-programs indented. */
  toString(): string {
    return show(this, '', new Map()).join('\n');
  }
}

function show(program: Program, indent: string, names: Map<Variable, string>): string[] {
  const name = (atom: Atom): string => {
    if (atom instanceof Literal) return String(atom.value);
    let known = names.get(atom);
    if (!known) {
      known = letters(names.size);
      names.set(atom, known);
    }
    return known;
  };
  const declare = (atom: Atom): string => `${name(atom)}:${atom.type}`;
  const lines = [`${indent}program (${program.inputs.map(declare).join(', ')}) {`];
  for (const { primitive, params, inputs, outputs } of program.equations) {
    const shown = primitive.show(params);
    const left = outputs.length ? `${outputs.map(declare).join(', ')} = ` : '';
    lines.push(`${indent}  ${left}${primitive.name}${shown && `[${shown}]`} ${inputs.map(name).join(' ')}`);
    for (const sub of primitive.subprograms(params)) lines.push(...show(sub, `${indent}    `, names));
  }
  lines.push(`${indent}  return ${program.outputs.map(name).join(', ')}`, `${indent}}`);
  return lines;
}

function letters(index: number): string {
  const letter = String.fromCharCode(97 + (index % 26));
  return index < 26 ? letter : letters(Math.floor(index / 26) - 1) + letter;
}

/** Whether running the equation matters beyond its results. */
export function hasEffect({ primitive, params }: Equation): boolean {
  const programs = primitive.expand ? [primitive.expand(params)] : primitive.subprograms(params);
  return primitive.effect || programs.some((sub) => sub.equations.some(hasEffect));
}

/**
 * The Program with the equations of primitives that `expand` in their place.
 * @param asynchronous  for a device of that kind: those of primitives that `expandAsynchronous`, too.
 */
export function expandCalls(program: Program, asynchronous = false): Program {
  const expands = ({ primitive }: Equation): boolean =>
    primitive.expand !== undefined || (asynchronous && primitive.expandAsynchronous !== undefined);
  if (!program.equations.some(expands)) return program;
  const equations: Equation[] = [];
  const stands = new Map<Variable, Atom>();
  const resolve = (atom: Atom): Atom => (atom instanceof Variable ? (stands.get(atom) ?? atom) : atom);
  const walk = (list: readonly Equation[], copied: boolean): void => {
    for (const equation of list) {
      const inputs = equation.inputs.map(resolve);
      const { primitive, params } = equation;
      const inner = primitive.expand?.(params) ?? (asynchronous ? primitive.expandAsynchronous?.(params) : undefined);
      if (inner) {
        inner.inputs.forEach((variable, k) => stands.set(variable, inputs[k] as Atom));
        walk(inner.equations, true);
        equation.outputs.forEach((variable, k) => stands.set(variable, resolve(inner.outputs[k] as Atom)));
        continue;
      }
      // One program may stand in several places: each gets variables of its own.
      const outputs = copied ? equation.outputs.map((variable) => new Variable(variable.type)) : equation.outputs;
      if (copied) equation.outputs.forEach((variable, k) => stands.set(variable, outputs[k] as Variable));
      equations.push({ ...equation, inputs, outputs });
    }
  };
  walk(program.equations, false);
  return new Program(program.inputs, equations, program.outputs.map(resolve));
}

/** The Program without equations that no output and no effect needs. */
export function eliminateDeadCode(program: Program): Program {
  const needed = new Set<Atom>(program.outputs);
  const kept: Equation[] = [];
  for (let k = program.equations.length - 1; k >= 0; k--) {
    const equation = program.equations[k] as Equation;
    if (!hasEffect(equation) && !equation.outputs.some((output) => needed.has(output))) continue;
    for (const input of equation.inputs) needed.add(input);
    kept.push(equation);
  }
  return kept.length === program.equations.length
    ? program
    : new Program(program.inputs, kept.reverse(), program.outputs);
}

/** The flat form that the addon decodes: see docs/architecture.md, Encoding. */
export interface EncodedProgram {
  readonly words: Float64Array;
  readonly names: readonly string[];
}

/**
 * @param asynchronous  the device that it is for is an asynchronous one.
 * @param donated  inputs whose buffers the caller gives away.
 */
export function encode(
  program: Program,
  asynchronous: boolean,
  donated: ReadonlySet<number> = new Set(),
): EncodedProgram {
  const names: string[] = [];
  const nameIndex = new Map<string, number>();
  const name = (text: string): number => {
    let index = nameIndex.get(text);
    if (index === undefined) {
      index = names.push(text) - 1;
      nameIndex.set(text, index);
    }
    return index;
  };
  // Breadth first, so that a program refers only to later ones.
  const programs: Program[] = [program];
  const words: number[] = [1, 0];
  for (let at = 0; at < programs.length; at++) {
    encodeOne(
      expandCalls(programs[at] as Program, asynchronous),
      at === 0 ? donated : new Set(),
      words,
      name,
      (sub) => programs.push(sub) - 1,
    );
  }
  words[1] = programs.length;
  return { words: Float64Array.from(words), names };
}

function encodeOne(
  program: Program,
  donated: ReadonlySet<number>,
  words: number[],
  name: (text: string) => number,
  enlist: (sub: Program) => number,
): void {
  const ids = new Map<Variable, number>();
  const types: TensorType[] = [];
  const add = (variable: Variable): void => {
    ids.set(variable, types.push(variable.type) - 1);
  };
  program.inputs.forEach(add);

  const constants: number[] = [];
  const constantIds = new Map<string, number>();
  const constant = (literal: Literal): number => {
    const key = `${literal.type.id}:${Object.is(literal.value, -0) ? '-0' : literal.value}`;
    let id = constantIds.get(key);
    if (id === undefined) {
      id = types.push(literal.type) - 1;
      constants.push(literal.value);
      constantIds.set(key, id);
    }
    return id;
  };
  for (const atom of [...program.equations.flatMap((equation) => equation.inputs), ...program.outputs]) {
    if (atom instanceof Literal) constant(atom);
  }
  for (const equation of program.equations) equation.outputs.forEach(add);
  const idOf = (atom: Atom): number => (atom instanceof Literal ? constant(atom) : (ids.get(atom) as number));

  words.push(types.length, program.inputs.length, constants.length, program.equations.length, program.outputs.length);
  for (const type of types) words.push(dtypeCode(type.dtype), type.rank, ...type.shape);
  program.inputs.forEach((_, k) => {
    words.push(donated.has(k) ? 1 : 0);
  });
  words.push(...constants);
  for (const { primitive, params, inputs, outputs } of program.equations) {
    const numbers = primitive.encode(params, name);
    const subs = primitive.subprograms(params);
    words.push(name(primitive.kernel), inputs.length, ...inputs.map(idOf), outputs.length, ...outputs.map(idOf));
    words.push(numbers.length, ...numbers, subs.length, ...subs.map(enlist));
  }
  words.push(...program.outputs.map(idOf));
}
