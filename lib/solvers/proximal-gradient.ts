/** Accelerated proximal gradient (FISTA), as native chunks. */
import { scalar } from '../core/concrete.js';
import { NumericalError } from '../core/errors.js';
import { full } from '../core/ops/arrays.js';
import { add, div, greater, logicalAnd, mul, sqrt, square, sub, where } from '../core/ops/elementwise.js';
import { sum } from '../core/ops/reductions.js';
import type { Tensor } from '../core/tensor.js';
import { grad } from '../transforms/differentiate.js';
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

export interface ProximalGradientOptions extends SolverOptions {
  /** Step 1/L for the Lipschitz constant L of ∇f. Required. */
  readonly stepSize: number;
}

export interface ProximalGradientResult {
  /** The minimiser; dispose it when done. */
  readonly x: Tensor;
  readonly converged: boolean;
  readonly iterations: number;
  /** ‖x_{k+1} − y_k‖ / max(1, ‖x_{k+1}‖): the size of the last proximal step. */
  readonly residual: number;
}

/** Iterate, extrapolated point and momentum. */
export type Accelerated = { readonly x: Tensor; readonly y: Tensor; readonly t: Tensor };

/** What follows the proximal step `next` from y: Nesterov's momentum, restarted where it points uphill. For use inside traced functions. */
export function acceleratedStep({ x, y, t }: Accelerated, next: Tensor): Accelerated {
  const move = sub(next, x);
  const uphill = greater(sum(mul(sub(y, next), move)), 0);
  const momentum = where(uphill, 1, div(add(sqrt(add(mul(square(t), 4), 1)), 1), 2));
  const pull = where(uphill, 0, div(sub(t, 1), momentum));
  return { x: next, y: add(next, mul(move, pull)), t: momentum };
}

/**
 * Minimises f(x) + h(x) for smooth convex f and a proximable h: x ← prox(y − t∇f(y)), with Nesterov's momentum (Beck and
 * Teboulle, 2009, "FISTA" with constant step) restarted whenever it points uphill (O'Donoghue and Candès, 2015, gradient scheme).
 *
 * @param smooth  f, traced: tensor to float scalar.
 * @param prox  traced: (x, t) to argmin_z h(z) + ‖z − x‖²/(2t).
 * @param initial  x_0, float.
 * @param options.tolerance  on `residual`. Default: 1e-5 (float32), 1e-9 (float64).
 * @param options.maxIterations  Default: 1000. Reaching it is not an error.
 * @throws {NumericalError} the iterates are not finite: the step is too long.
 */
export async function proximalGradient(
  smooth: (x: Tensor) => Tensor,
  prox: (x: Tensor, step: number) => Tensor,
  initial: Tensor,
  options: ProximalGradientOptions,
): Promise<ProximalGradientResult> {
  const op = 'proximalGradient';
  checkKeys(op, options, [...solverOptionKeys, 'stepSize']);
  const device = resolveDevice(op, options.device, [initial]);
  const stepSize = checkPositive(op, 'stepSize', options.stepSize);
  const tolerance = checkPositive(op, 'tolerance', options.tolerance ?? (initial.dtype === 'float64' ? 1e-9 : 1e-5));
  const maxIterations = checkCount(op, 'maxIterations', options.maxIterations ?? 1000);
  const { dtype } = initial;
  const one = (): Tensor => full([], 1, { dtype });

  const solve = jit((start: Tensor, limit: Tensor) =>
    whileLoop(
      ({ k, change }) => logicalAnd(k.less(maxIterations), greater(change, limit)),
      ({ x, y, t, k }) => {
        // y: extrapolated point, t: momentum, as in the paper's section 4.
        const next = prox(sub(y, mul(grad(smooth)(y), stepSize)), stepSize);
        const gap = sqrt(sum(square(sub(next, y))));
        const size = sqrt(sum(square(next)));
        emit('iterations', { iteration: k });
        return {
          ...acceleratedStep({ x, y, t }, next),
          k: k.add(1),
          change: div(gap, where(greater(size, 1), size, 1)),
        };
      },
      {
        x: start,
        y: start,
        t: one(),
        k: full([], 0, { dtype: 'int32' }),
        change: full([], Number.POSITIVE_INFINITY, { dtype }),
      },
    ),
  );
  const { onProgress } = options;
  return work(op, options, device, async (here) => {
    here.onEmit((_, { iteration }) => onProgress?.({ iteration: iteration as number, maxIterations }));
    const { x, k, change } = here.run(() => solve(here.place(initial), scalar(tolerance, dtype)));
    const [iterations, residual] = await Promise.all([k.item(), change.item()]);
    if (!Number.isFinite(residual)) {
      throw new NumericalError(op, `Expected finite iterates, received ${residual} after ${iterations} iterations`, {
        hint: `stepSize ${stepSize} may exceed 1/L`,
      });
    }
    return { x, converged: residual <= tolerance, iterations, residual };
  });
}
