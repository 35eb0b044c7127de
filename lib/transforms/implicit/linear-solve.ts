/** Linear systems as an operation that every transform knows how to pass: the derivative of a solve is another solve. */
import { definePrimitive, type Params, type Primitive } from '../../core/primitive.js';
import { carryBatch } from '../../core/primitives/batching.js';
import { notLinear } from '../../core/primitives/elementwise.js';
import { neg, sub, zeros } from '../../core/primitives/lax.js';
import type { Program } from '../../core/program.js';
import type { Tensor } from '../../core/tensor.js';
import { bind } from '../../core/tracing.js';
import { batchAll } from '../batch-program.js';
import { filled } from '../control/shared.js';
import { pushForward } from '../jvp-program.js';

interface LinearSolveParams extends Params {
  /** How many operands come before the right-hand sides. */
  readonly constants: number;
  /** (constants, v) -> A v, and (constants, w) -> A^T w. */
  readonly apply: Program;
  readonly applyTranspose: Program;
  /** (constants, b) -> x of A x = b, and of A^T x = b. */
  readonly solve: Program;
  readonly solveTranspose: Program;
}

/** constants, b -> x with A x = b. All of b and x are float. */
export const linearSolvePrimitive: Primitive = definePrimitive<LinearSolveParams>({
  name: 'linearSolve',
  infer: (inputs, { constants }) => inputs.slice(constants),
  // A dx = db - dA x.
  jvp: ({ inputs, tangents, outputs, params }) => {
    const { constants, apply } = params;
    const fixed = inputs.slice(0, constants);
    const still = outputs.map(() => null);
    const moved = pushForward(apply, [...fixed, ...outputs], [...tangents.slice(0, constants), ...still]).tangents;
    const right = outputs.map((_, k) => {
      const [db, dax] = [tangents[constants + k] ?? null, moved[k] ?? null];
      return db && dax ? sub(db, dax) : (db ?? (dax && neg(dax)));
    });
    if (right.every((t) => !t)) return still;
    return bind(linearSolvePrimitive, [...fixed, ...right.map((t, k) => filled(t, outputs[k] as Tensor))], params);
  },
  transpose: ({ cotangents, operands, params }) => {
    const { constants, apply, applyTranspose, solve, solveTranspose } = params;
    const fixed = operands.slice(0, constants).map((operand) => (operand.linear ? null : operand.value));
    if (fixed.includes(null)) throw notLinear('linearSolve');
    const right = operands.slice(constants).map((operand, k) => {
      const type = operand.linear ? operand.type : operand.value.type;
      return cotangents[k] ?? zeros(type);
    });
    const turned = {
      constants,
      apply: applyTranspose,
      applyTranspose: apply,
      solve: solveTranspose,
      solveTranspose: solve,
    };
    const pulled = bind(linearSolvePrimitive, [...(fixed as Tensor[]), ...right], turned);
    return [...fixed.map(() => null), ...pulled.map((ct, k) => (operands[constants + k]?.linear ? ct : null))];
  },
  // A system for each lane, solved at once.
  batch: ({ inputs, batched, size, params }) => {
    const { constants } = params;
    const flags = inputs.map((_, k) => k >= constants || (batched[k] as boolean));
    const all = (program: Program): Program => batchAll(program, flags, size);
    const operands = inputs.map((x, k) => (k < constants ? x : carryBatch(x, batched[k] as boolean, size)));
    return bind(linearSolvePrimitive, operands, {
      constants,
      apply: all(params.apply),
      applyTranspose: all(params.applyTranspose),
      solve: all(params.solve),
      solveTranspose: all(params.solveTranspose),
    });
  },
  expand: ({ solve }) => solve,
  subprograms: ({ solve }) => [solve],
});
