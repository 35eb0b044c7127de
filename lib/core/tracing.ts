/** Tracing: running a function on names of values, to learn its Program. `bind` is the one door that every operation passes. */
import { ConcreteTensor, commonDevice, numberTensor } from './concrete.js';
import { currentDevice, type Device, type DeviceLike, onDevice, toDevice } from './device.js';
import { checkNumber, type DType, isFloat, type TypedArray } from './dtype.js';
import { DeviceError, DTypeError, InternalError, ShapeError, TracingError } from './errors.js';
import type { Params, Primitive } from './primitive.js';
import { type Atom, type Equation, Literal, Program, Variable } from './program.js';
import { CompiledProgram, compileCached, runProgram } from './runtime.js';
import { Tensor } from './tensor.js';
import { MAX_RANK, TensorType } from './types.js';

/** A tensor, or a number that takes the dtype of the tensors it meets. */
export type TensorLike = Tensor | number | boolean;

/** The Program being recorded, and the ones around it. */
let current: Builder | undefined;

/** The name of a value in a Program being traced. */
export class Tracer extends Tensor {
  constructor(
    readonly builder: Builder,
    readonly variable: Variable,
  ) {
    super(variable.type);
  }

  private refuse(op: string): never {
    throw new TracingError(
      op,
      `Expected a concrete tensor, received a traced ${this.type}, whose value is not known while its function is traced`,
      {
        hint: 'use where() or cond() instead of if, whileLoop() or scan() instead of a loop that depends on values, and read results outside',
      },
    );
  }

  get device(): Device {
    return this.refuse('device');
  }

  to(): Tensor {
    throw new TracingError('to', `Expected a concrete tensor, received a traced ${this.type}`, {
      hint: 'a traced function runs where its arguments live: move them before the call',
    });
  }

  data(): Promise<TypedArray> {
    return this.refuse('data');
  }

  dataSync(): TypedArray {
    return this.refuse('dataSync');
  }

  item(): Promise<number> {
    return this.refuse('item');
  }

  itemSync(): number {
    return this.refuse('itemSync');
  }

  /** A traced value owns nothing: disposing of it is allowed, so that the same code runs traced and eager. */
  dispose(): void {}

  get disposed(): boolean {
    return false;
  }

  /** Meets `if (x > 0)`, `x + 1` and `${x}`, which cannot be traced. */
  [Symbol.toPrimitive](): never {
    return this.refuse('valueOf');
  }

  override toString(): string {
    return `Tracer(${this.type})`;
  }
}

export class Builder {
  readonly parent = current;
  readonly equations: Equation[] = [];
  /** Values from outside (outer tracers and concrete tensors) that became inputs. */
  readonly captures = new Map<Tensor, Variable>();
  active = true;

  /** The atom that stands for a tensor here. */
  atom(tensor: Tensor): Atom {
    if (tensor instanceof Constant) return tensor.literal;
    if (tensor instanceof Tracer && tensor.builder === this) return tensor.variable;
    if (tensor instanceof Tracer && !this.inside(tensor.builder)) {
      throw new TracingError(
        'trace',
        `Expected a value of this traced function, received a traced ${tensor.type} that has leaked out of another one`,
        {
          hint: 'return values from a traced function instead of storing them outside',
        },
      );
    }
    let variable = this.captures.get(tensor);
    if (!variable) {
      if (tensor instanceof ConcreteTensor) tensor.slot('trace');
      variable = new Variable(tensor.type);
      this.captures.set(tensor, variable);
    }
    return variable;
  }

  private inside(outer: Builder): boolean {
    if (!outer.active) return false;
    for (let builder = this.parent; builder; builder = builder.parent) if (builder === outer) return true;
    return false;
  }

  record(primitive: Primitive, params: Params, inputs: Atom[], types: readonly TensorType[]): Tracer[] {
    const outputs = types.map((type) => new Variable(type));
    this.equations.push({ primitive, params, inputs, outputs });
    return outputs.map((variable) => new Tracer(this, variable));
  }
}

/** A traced function: its Program takes the captured values first, then the arguments. */
export interface Traced<R> {
  readonly program: Program;
  readonly captures: readonly Tensor[];
  readonly result: R;
}

/** Records what `f` does to arguments of the given types. `f` returns its results as tensors, and anything else beside. */
export function trace<R>(
  types: readonly TensorType[],
  f: (...args: Tracer[]) => { outputs: readonly TensorLike[]; result: R },
): Traced<R> {
  const builder = new Builder();
  const inputs = types.map((type) => new Variable(type));
  const outer = current;
  current = builder;
  try {
    const { outputs, result } = f(...inputs.map((input) => new Tracer(builder, input)));
    const atoms = outputs.map((output) =>
      output instanceof Tensor ? builder.atom(output) : literal(output, 'float32'),
    );
    const captured = [...builder.captures.values()];
    return {
      program: new Program([...captured, ...inputs], builder.equations, atoms),
      captures: [...builder.captures.keys()],
      result,
    };
  } finally {
    builder.active = false;
    current = outer;
  }
}

export function isTracing(): boolean {
  return current !== undefined;
}

function literal(value: number | boolean, dtype: DType): Literal {
  const resolved = typeof value === 'boolean' && dtype === 'float32' ? 'bool' : dtype;
  return new Literal(checkNumber('constant', value, resolved), TensorType.of(resolved, []));
}

/**
 * Calls `f`, which makes a tensor without operands, on the device that an option names.
 * @throws {TracingError} an option names one inside a traced function.  {DeviceError} it cannot be used.
 */
export function placed<T>(op: string, device: DeviceLike | undefined, f: () => T): T {
  if (device === undefined) return f();
  if (current) {
    throw new TracingError(op, `Expected no device inside a traced function, received '${device}'`, {
      hint: 'it runs where its arguments live',
    });
  }
  return onDevice(toDevice(device), f);
}

/** The dtype that numbers among the operands take: that of the tensors, which must agree. */
export function commonDType(op: string, operands: readonly TensorLike[]): DType {
  let dtype: DType | undefined;
  for (const operand of operands) {
    if (!(operand instanceof Tensor)) continue;
    dtype ??= operand.dtype;
    if (operand.dtype !== dtype) {
      const both = `${dtype} and ${operand.dtype}`;
      throw new DTypeError(op, `Expected operands of one dtype, received ${both}`, {
        hint: `cast one of them: cast(x, '${isFloat(dtype) ? dtype : operand.dtype}')`,
      });
    }
  }
  return (
    dtype ?? (operands.length > 0 && operands.every((operand) => typeof operand === 'boolean') ? 'bool' : 'float32')
  );
}

/**
 * Applies a primitive: records an equation while tracing, runs a Program of one equation otherwise.
 * @param numbers  dtype that numbers among the inputs take.
 */
export function bind(
  primitive: Primitive,
  inputs: readonly TensorLike[],
  params: Params,
  numbers: DType = 'float32',
): Tensor[] {
  const builder = current;
  if (!builder) return bindEager(primitive, inputs, params, numbers);
  const atoms: Atom[] = inputs.map((input) =>
    input instanceof Tensor ? builder.atom(input) : literal(input, numbers),
  );
  return builder.record(
    primitive,
    params,
    atoms,
    inferTypes(
      primitive,
      atoms.map((atom) => atom.type),
      params,
    ),
  );
}

/** @throws {ShapeError} a result has too many dimensions. Shape and type errors of the primitive. */
function inferTypes(primitive: Primitive, inputs: readonly TensorType[], params: Params): TensorType[] {
  const types = primitive.infer(inputs, params);
  const large = types.find((type) => type.rank > MAX_RANK);
  if (!large) return types;
  throw new ShapeError(
    primitive.name,
    `Expected a result of at most ${MAX_RANK} dimensions, received ${large} with ${large.rank}`,
    {
      hint: 'each level of vmap, and each scan that stacks results, adds one: join dimensions with reshape',
      details: { rank: large.rank },
    },
  );
}

/** `bind` for the many primitives with one result. */
export function bind1(primitive: Primitive, inputs: readonly TensorLike[], params: Params, numbers?: DType): Tensor {
  return bind(primitive, inputs, params, numbers)[0] as Tensor;
}

/** Eager equations compiled so far: by primitive, params and operand types. */
const eager = new Map<Primitive, Map<string, CompiledProgram>>();

function bindEager(primitive: Primitive, inputs: readonly TensorLike[], params: Params, numbers: DType): Tensor[] {
  const device = commonDevice(primitive.name, inputs) ?? currentDevice();
  let key = `${device.id}:`;
  const own: ConcreteTensor[] = [];
  const tensors = inputs.map((input) => {
    let value: ConcreteTensor;
    if (input instanceof ConcreteTensor) value = input;
    else if (input instanceof Constant) {
      value = numberTensor(input.literal.value, input.dtype, device);
      own.push(value);
    } else if (input instanceof Tensor) throw leaked(input.type);
    else {
      // A number is an input, not a constant: x.mul(rate) must not compile anew for each rate.
      value = numberTensor(input, typeof input === 'boolean' && numbers === 'float32' ? 'bool' : numbers, device);
      own.push(value);
    }
    key += `${value.type.id},`;
    return value;
  });
  const subprograms = primitive.subprograms(params).length > 0;
  if (!subprograms) key += primitive.show(params);
  let cache = eager.get(primitive);
  if (!cache) {
    cache = new Map();
    eager.set(primitive, cache);
  }
  let compiled = subprograms ? undefined : cache.get(key);
  if (!compiled) {
    const types = tensors.map((value) => value.type);
    const variables = types.map((type) => new Variable(type));
    const outputs = inferTypes(primitive, types, params).map((type) => new Variable(type));
    const program = new Program(variables, [{ primitive, params, inputs: variables, outputs }], outputs);
    if (subprograms) compiled = compileCached(program, device);
    else {
      compiled = CompiledProgram.compile(program, device);
      cache.set(key, compiled);
    }
  }
  const results = runCompiled(primitive.name, compiled, tensors);
  for (const value of own) value.dispose();
  return results;
}

function leaked(type: TensorType): TracingError {
  return new TracingError(
    'trace',
    `Expected a concrete tensor, received a traced ${type} after its function has returned`,
    {
      hint: 'return values from a traced function instead of storing them outside',
    },
  );
}

/**
 * Runs a compiled Program on concrete tensors of its device; plain numbers come from anywhere.
 * @throws {DeviceError} a tensor lives elsewhere.
 */
export function runCompiled(op: string, compiled: CompiledProgram, inputs: readonly Tensor[]): ConcreteTensor[] {
  const { device } = compiled;
  const followed: ConcreteTensor[] = [];
  const slots = runProgram(compiled, (k) => {
    const input = inputs[k];
    if (input instanceof ConcreteTensor) {
      if (input.device === device) return input.slot(op);
      if (!input.weak) throw elsewhere(op, 'Expected tensors', input, device);
      const here = input.to(device);
      followed.push(here);
      return here.slot(op);
    }
    if (input) throw leaked(input.type);
    throw new InternalError(op, `Expected ${compiled.inputCount} inputs, received ${inputs.length}`);
  });
  for (const value of followed) value.dispose();
  return compiled.outputTypes.map(
    (type, k) => new ConcreteTensor(type, slots[compiled.inputCount + k] as number, device),
  );
}

/** `expected`: 'Expected tensors', 'Expected captured tensors'. */
export function elsewhere(op: string, expected: string, tensor: ConcreteTensor, device: Device): DeviceError {
  return new DeviceError(op, `${expected} on ${device}, received ${tensor.type} on ${tensor.device}`, {
    hint: `move it there: x.to('${device}')`,
    details: { devices: [device.name, tensor.device.name] },
  });
}

/** Applies a Program: inlined while tracing, compiled (once per structure) and run otherwise. */
export function applyProgram(op: string, program: Program, inputs: readonly Tensor[]): Tensor[] {
  if (current) return inlineProgram(program, inputs);
  const device = commonDevice(op, inputs) ?? currentDevice();
  return runCompiled(op, compileCached(program, device), inputs);
}

/**
 * Records the equations of a Program in the one being traced.
 * @param record  what is done with each of them. Default: `bind`.
 */
export function inlineProgram(program: Program, inputs: readonly Tensor[], record: typeof bind = bind): Tensor[] {
  const values = new Map<Variable, Tensor>(program.inputs.map((variable, k) => [variable, inputs[k] as Tensor]));
  for (const { primitive, params, inputs: operands, outputs } of program.equations) {
    const results = record(
      primitive,
      operands.map((atom) => readAtom(values, atom)),
      params,
    );
    outputs.forEach((output, k) => values.set(output, results[k] as Tensor));
  }
  return program.outputs.map((atom) => readAtom(values, atom));
}

/** The tensor that stands for an atom while a Program is replayed; literals become tracers of a constant equation only where needed. */
export function readAtom(values: ReadonlyMap<Variable, Tensor>, atom: Atom): Tensor {
  if (atom instanceof Variable) {
    const value = values.get(atom);
    if (!value) throw new InternalError('replay', `Expected a value for a variable of type ${atom.type}`);
    return value;
  }
  return new Constant(atom);
}

/** A literal in the clothes of a tensor, for rules that are handed operands: it stays a literal when bound. */
export class Constant extends Tensor {
  constructor(readonly literal: Literal) {
    super(literal.type);
  }
  get device(): Device {
    return this.refuse();
  }
  to(): Tensor {
    return this.refuse();
  }
  private refuse(): never {
    throw new TracingError('data', 'Expected a concrete tensor, received a constant of a Program being transformed');
  }
  data(): Promise<TypedArray> {
    return this.refuse();
  }
  dataSync(): TypedArray {
    return this.refuse();
  }
  item(): Promise<number> {
    return this.refuse();
  }
  itemSync(): number {
    return this.refuse();
  }
  dispose(): void {}
  get disposed(): boolean {
    return false;
  }
}
