/** checkpoint: rematerialisation, which trades time for memory in reverse mode. */
import { isFloat } from '../core/dtype.js';
import { definePrimitive, type Params, type Tangent } from '../core/primitive.js';
import { zeros } from '../core/primitives/lax.js';
import { Literal, Program, Variable } from '../core/program.js';
import type { Tensor } from '../core/tensor.js';
import { bind, isTracing, trace } from '../core/tracing.js';
import { flatten, type Tensors } from '../core/tree.js';
import { TensorType } from '../core/types.js';
import { asTensors, traceFunction } from './apply.js';
import { batchProgram } from './batch-program.js';
import { condPrimitive } from './control/cond.js';
import { filled } from './control/shared.js';
import { jvpProgram, reachedOutputs } from './jvp-program.js';
import { primalProgram, vjpProgram } from './vjp-program.js';

interface CheckpointParams extends Params {
  readonly program: Program;
  /** Runs apart from the equations around it: what it computes again must not be shared with what has been computed before. */
  readonly apart: boolean;
}

export const checkpointPrimitive = definePrimitive<CheckpointParams>({
  name: 'checkpoint',
  infer: (_, { program }) => program.outputTypes,
  jvpJoint: ({ inputs, tangents, params: { program, apart } }) => {
    const active = tangents.map((t) => t !== null);
    const wanted = reachedOutputs(program, active);
    const moving = tangents.filter((t) => t !== null);
    const results = bind(checkpointPrimitive, [...inputs, ...moving], {
      program: jvpProgram(program, active, wanted),
      apart,
    });
    let next = program.outputs.length;
    return { outputs: results.slice(0, next), tangents: wanted.map((is) => (is ? (results[next++] as Tensor) : null)) };
  },
  // Keeps the inputs only; the way back runs the program again.
  vjp: ({ inputs, active, params: { program, apart } }) => {
    const moving = inputs.map((input, k) => (active[k] as boolean) && isFloat(input.dtype));
    const outputs = bind(checkpointPrimitive, inputs, { program: primalProgram(program, moving), apart });
    const pullback = (cotangents: readonly Tangent[]): Tangent[] => {
      const cts = outputs.flatMap((output, k) => (isFloat(output.dtype) ? [filled(cotangents[k], output)] : []));
      const whole = vjpProgram(program, moving);
      const again = new Program(whole.inputs, whole.equations, whole.outputs.slice(program.outputs.length));
      const pulled = bind(checkpointPrimitive, [...inputs, ...cts], { program: again, apart: true });
      let next = 0;
      return moving.map((is) => (is ? (pulled[next++] as Tensor) : null));
    };
    return { outputs, pullback };
  },
  batchJoint: ({ inputs, batched, size, mask, params: { program, apart } }) => {
    const all = batchProgram(program, batched, size, [], mask);
    const outputs = bind(checkpointPrimitive, [...all.captures, ...inputs], { program: all.program, apart });
    return { outputs, batched: all.result };
  },
  expand: ({ program, apart }) => (apart ? branchOf(program) : program),
  subprograms: ({ program }) => [program],
});

/** The program as a branch that is always taken: branches share nothing with what is around them. */
function branchOf(program: Program): Program {
  const inputs = program.inputTypes.map((type) => new Variable(type));
  const outputs = program.outputTypes.map((type) => new Variable(type));
  const taken = new Literal(1, TensorType.of('bool', []));
  const other = trace(program.inputTypes, () => ({ outputs: program.outputTypes.map(zeros), result: undefined }));
  const params = { onTrue: program, onFalse: other.program };
  return new Program(inputs, [{ primitive: condPrimitive, params, inputs: [taken, ...inputs], outputs }], outputs);
}

/**
 * `f`, of which reverse mode keeps the arguments only: what it needs on the way back it computes again. Peak memory falls from all
 * that `f` computes to its arguments, for about one more evaluation of `f`. Forward mode and the value are those of `f`.
 *
 * Values that `f` uses from outside are differentiated, too.
 * @throws as `f` and its derivatives.
 * @example  const loss = (w) => blocks.reduce((x, block) => checkpoint(block)(w, x), input).sum();
 */
export function checkpoint<A extends readonly unknown[], R>(f: (...args: A) => R): (...args: A) => Tensors<R> {
  return (...args) => {
    if (!isTracing()) return f(...args) as unknown as Tensors<R>;
    const { leaves, shape } = flatten('checkpoint', args);
    const operands = asTensors(leaves);
    const types = operands.map((value) => value.type);
    const traced = traceFunction('checkpoint', f as unknown as (...args: never[]) => unknown, shape, types);
    const results = bind(checkpointPrimitive, [...traced.captures, ...operands], {
      program: traced.program,
      apart: false,
    });
    return traced.output.build(results) as Tensors<R>;
  };
}
