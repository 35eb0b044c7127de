/** Conjugate gradients for A x = b, as one native loop. */
import { scalar } from '../core/concrete.js';
import { NumericalError, ShapeError } from '../core/errors.js';
import { full } from '../core/ops/arrays.js';
import { add, div, greater, logicalAnd, mul, sub, zerosLike } from '../core/ops/elementwise.js';
import { sum } from '../core/ops/reductions.js';
import type { Tensor } from '../core/tensor.js';
import { jit } from '../transforms/jit.js';
import { emit, whileLoop } from '../transforms/loops.js';
import {
  checkCount,
  checkKeys,
  checkPositive,
  resolveDevice,
  type SolverOptions,
  solverOptionKeys,
} from './options.js';
import { work } from './work.js';

export interface ConjugateGradientOptions extends SolverOptions {
  /** Where to start, of the type of b. Default: zero. */
  readonly initial?: Tensor;
}

export interface ConjugateGradientResult {
  /** The solution; dispose it when done. */
  readonly x: Tensor;
  readonly converged: boolean;
  readonly iterations: number;
  /** ‖b − A x‖ / ‖b‖, from the recurrence. */
  readonly residual: number;
}

const inner = (a: Tensor, b: Tensor): Tensor => sum(mul(a, b));

/** The loop itself, for use inside traced functions: x, iterations (int32) and ‖r‖². Breaks down to NaN never: it stops first. */
export function conjugateGradientLoop(
  apply: (v: Tensor) => Tensor,
  b: Tensor,
  start: Tensor,
  { limit, maxIterations }: { limit: Tensor; maxIterations: number },
): { x: Tensor; k: Tensor; rr: Tensor } {
  const r = sub(b, apply(start));
  const { x, k, rr } = whileLoop(
    (now) => logicalAnd(now.k.less(maxIterations), greater(now.rr, limit)),
    (now) => {
      const ap = apply(now.p);
      const alpha = div(now.rr, inner(now.p, ap));
      const residual = sub(now.r, mul(ap, alpha));
      const next = inner(residual, residual);
      emit('iterations', { iteration: now.k });
      return {
        x: add(now.x, mul(now.p, alpha)),
        r: residual,
        p: add(residual, mul(now.p, div(next, now.rr))),
        rr: next,
        k: now.k.add(1),
      };
    },
    { x: start, r, p: r, rr: inner(r, r), k: full([], 0, { dtype: 'int32' }) },
  );
  return { x, k, rr };
}

/**
 * Solves A x = b for a symmetric positive definite A, given as the function v to A v (Hestenes and Stiefel, 1952).
 * One application of A an iteration; the whole loop runs natively.
 *
 * @param apply  traced once; linear, symmetric, positive definite.
 * @param b  right-hand side, float, any shape.
 * @param options.tolerance  on ‖b − A x‖ / ‖b‖. Default: 1e-5 (float32), 1e-10 (float64).
 * @param options.maxIterations  Default: twice the number of unknowns. Reaching it is not an error: see `converged`.
 * @throws {ShapeError} apply(b) is not of the type of b.  {NumericalError} A is not positive definite, or not finite.
 * @example  const { x } = await conjugateGradient((v) => hvp(loss)(w, v).add(v.mul(damping)), gradient);
 */
export async function conjugateGradient(
  apply: (v: Tensor) => Tensor,
  b: Tensor,
  options: ConjugateGradientOptions = {},
): Promise<ConjugateGradientResult> {
  const op = 'conjugateGradient';
  checkKeys(op, options, [...solverOptionKeys, 'initial']);
  const device = resolveDevice(op, options.device, [b, options.initial]);
  const tolerance = checkPositive(op, 'tolerance', options.tolerance ?? (b.dtype === 'float64' ? 1e-10 : 1e-5));
  const maxIterations = checkCount(op, 'maxIterations', options.maxIterations ?? 2 * Math.max(1, b.size));
  if (options.initial && options.initial.type !== b.type) {
    throw new ShapeError(op, `Expected initial of type ${b.type}, received ${options.initial.type}`);
  }
  const solve = jit((right: Tensor, start: Tensor, relative: Tensor) => {
    const checked = (v: Tensor): Tensor => {
      const product = apply(v);
      if (product.type !== b.type) throw new ShapeError(op, `Expected A v of type ${b.type}, received ${product.type}`);
      return product;
    };
    const size = inner(right, right);
    const { x, k, rr } = conjugateGradientLoop(checked, right, start, {
      limit: mul(mul(relative, relative), size),
      maxIterations,
    });
    return { x, k, rr, size };
  });
  const { onProgress } = options;
  return work(op, options, device, async (here) => {
    here.onEmit((_, { iteration }) => onProgress?.({ iteration: iteration as number, maxIterations }));
    const result = here.run(() => {
      const right = here.place(b);
      const initial = options.initial ? here.place(options.initial) : zerosLike(right);
      return solve(right, initial, scalar(tolerance, b.dtype));
    });
    const [iterations, rr, size] = await Promise.all([result.k.item(), result.rr.item(), result.size.item()]);
    const residual = size === 0 ? Math.sqrt(rr) : Math.sqrt(rr / size);
    if (!Number.isFinite(residual)) {
      throw new NumericalError(
        op,
        `Expected a positive definite operator, received one that broke down after ${iterations} iterations`,
        {
          hint: 'add damping: v => A(v).add(v.mul(delta))',
        },
      );
    }
    return { x: result.x, converged: residual <= tolerance, iterations, residual };
  });
}
