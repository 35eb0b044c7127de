/** jit: trace once per signature, then run natively. */
import { ConcreteTensor, commonDevice, numberTensor, unowned } from '../core/concrete.js';
import { currentDevice, type Device } from '../core/device.js';
import { DisposedError, DomainError } from '../core/errors.js';
import { CompiledProgram } from '../core/runtime.js';
import { Tensor } from '../core/tensor.js';
import { elsewhere, isTracing, runCompiled, type TensorLike } from '../core/tracing.js';
import { flatten, type Tensors, type TreeShape } from '../core/tree.js';
import { traceFunction } from './apply.js';

export interface JitOptions {
  /**
   * Positions of arguments whose tensors each call consumes, so that results can take their place in memory.
   * They are disposed afterwards. Default: none.
   */
  readonly donate?: readonly number[];
}

interface Entry {
  readonly compiled: CompiledProgram;
  readonly captures: readonly Tensor[];
  readonly output: TreeShape;
  /** Positions among the Program's inputs of tensors that a run consumes. */
  readonly donated: readonly number[];
}

/**
 * `f` as a native Program, traced and compiled once for each signature (structure, dtypes and shapes of the arguments).
 *
 * `f` must be a pure function of its arguments: it runs only while tracing. Tensors that it uses from outside are captured and
 * must stay alive; numbers from outside are fixed at their value of that time. Number arguments become float32 scalars.
 * Results come as tensors in the same structure that `f` returns, at once; reading them awaits the computation. It runs where its
 * arguments live, compiled once for each device; what `f` makes without operands is made there, and captured tensors must live
 * there, too.
 *
 * @throws {DisposedError} an argument or a captured tensor was disposed.  {DeviceError} they live on different devices.  {TracingError} `f` used a traced value as a number.
 *   Shape and dtype errors of the operations in `f`.
 * @example  const step = jit((w: Tensor, x: Tensor) => w.sub(grad(loss)(w, x).mul(0.1)), { donate: [0] });
 */
export function jit<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  options: JitOptions = {},
): (...args: A) => Tensors<R> {
  const donate = new Set(options.donate ?? []);
  for (const position of donate) {
    if (!Number.isInteger(position) || position < 0) {
      throw new DomainError('jit', `Expected argument positions >= 0 in donate, received ${position}`);
    }
  }
  const entries = new Map<string, Entry>();
  // The common case of calls with tensors only is found by their type ids, without describing a tree.
  return (...args: A): Tensors<R> => {
    if (isTracing()) return f(...args) as unknown as Tensors<R>;
    let key = '';
    let flat = args.length > 0;
    for (const arg of args) {
      if (arg instanceof ConcreteTensor && !arg.weak) key += `${arg.type.id},`;
      else flat = false;
    }
    let leaves: readonly TensorLike[] = args as unknown as readonly TensorLike[];
    let shape: TreeShape | undefined;
    if (!flat) {
      ({ leaves, shape } = flatten('jit', args));
      key = shape.text;
      for (const leaf of leaves) key += leaf instanceof Tensor ? `,${leaf.type.id}` : `,${typeof leaf}`;
    }
    // Where the arguments live; what captured tensors say, or the default, when there are numbers only.
    const device = commonDevice('jit', leaves);
    key = `${(device ?? currentDevice()).id}:${key}`;
    const own: ConcreteTensor[] = [];
    let tensors = leaves as readonly Tensor[];
    if (!flat) {
      tensors = leaves.map((leaf) => {
        if (leaf instanceof Tensor) return leaf;
        const value = numberTensor(leaf, undefined, device);
        own.push(value);
        return value;
      });
    }
    let entry = entries.get(key);
    if (!entry) {
      entry = compile(
        f as unknown as (...args: never[]) => unknown,
        args,
        shape ?? flatten('jit', args).shape,
        tensors,
        donate,
        device,
      );
      entries.set(key, entry);
    }
    const inputs = entry.captures.length === 0 ? tensors : [...entry.captures, ...tensors];
    const results = runCompiled('jit', entry.compiled, inputs);
    for (const position of entry.donated) (inputs[position] as ConcreteTensor).consume();
    for (const value of own) value.dispose();
    return (entry.output.text === '*' ? results[0] : entry.output.build(results)) as Tensors<R>;
  };
}

function compile(
  f: (...args: never[]) => unknown,
  args: readonly unknown[],
  shape: TreeShape,
  tensors: readonly Tensor[],
  donate: ReadonlySet<number>,
  device: Device | undefined,
): Entry {
  const types = tensors.map((value) => value.type);
  const { program, captures, output } = unowned(() => traceFunction('jit', f, shape, types, tensors));
  const on = device ?? commonDevice('jit', captures) ?? currentDevice();
  for (const capture of captures) {
    if (capture instanceof ConcreteTensor && capture.device !== on && !capture.weak)
      throw elsewhere('jit', 'Expected captured tensors', capture, on);
  }
  const donated: number[] = [];
  let at = captures.length;
  args.forEach((arg, position) => {
    const count = flatten('jit', arg).leaves.length;
    if (donate.has(position)) for (let k = 0; k < count; k++) donated.push(at + k);
    at += count;
  });
  const given = donated.map((position) => tensors[position - captures.length]);
  if (new Set(given).size !== given.length)
    throw new DisposedError('jit', 'Expected each donated tensor once, received one twice');
  return { compiled: CompiledProgram.compile(program, on, new Set(donated)), captures, output, donated };
}

/** The Program that `f` traces to for these arguments, for reading: print it. */
export function program<A extends readonly unknown[]>(
  f: (...args: A) => unknown,
): (...args: A) => import('../core/program.js').Program {
  return (...args) => {
    const { leaves, shape } = flatten('program', args);
    const types = leaves.map((leaf) => (leaf instanceof Tensor ? leaf : numberTensor(leaf)).type);
    return traceFunction('program', f as unknown as (...args: never[]) => unknown, shape, types).program;
  };
}
