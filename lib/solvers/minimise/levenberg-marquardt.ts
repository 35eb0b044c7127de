/**
 * Nonlinear least squares by damped Gauss-Newton steps: K. Levenberg, 1944; D. Marquardt, SIAM J. Appl. Math. 11, 1963; with the
 * damping rule of H. B. Nielsen (K. Madsen, H. B. Nielsen, O. Tingleff, Methods for Non-Linear Least Squares Problems, 2nd ed.,
 * 2004, algorithm 3.16) and the scaling of J. J. Moré, 1978.
 */
import { eye, full, reshape } from '../../core/ops/arrays.js';
import {
  add,
  cast,
  div,
  equal,
  greater,
  isFinite,
  less,
  lessEqual,
  logicalAnd,
  maximum,
  mul,
  square,
  sub,
  where,
} from '../../core/ops/elementwise.js';
import { choleskyInfo, choleskySolve, matmul } from '../../core/ops/linalg.js';
import { all, sum } from '../../core/ops/reductions.js';
import type { Tensor } from '../../core/tensor.js';
import { jvp } from '../../transforms/differentiate.js';
import { cond, emit, scan, whileLoop } from '../../transforms/loops.js';
import { type DescentLimits, type DescentOutcome, inner, int, largest, STATUS } from './descent.js';

/** ½‖r‖², float64. */
const half = (r: Tensor): Tensor => mul(inner(r, r), 0.5);

/**
 * Minimises ½‖r(x)‖² as one native loop; to be called while tracing. Forms JᵀJ: n passes of forward mode a step, memory n (m + n).
 * @param residuals  x [n] to r [m].
 */
export function levenbergMarquardt(
  residuals: (x: Tensor) => Tensor,
  start: Tensor,
  { tolerance, objectiveTolerance, maxIterations, recorder }: DescentLimits,
): DescentOutcome {
  const { dtype, size: n } = start;
  const basis = eye(n, { dtype });
  /** JᵀJ and Jᵀr at x. */
  const linearise = (x: Tensor, r: Tensor): { normal: Tensor; gradient: Tensor } => {
    const column = (_: null, direction: Tensor) => [null, jvp(residuals, [x], [direction])[1]] as const;
    const [, jacobian] = scan(column, null, basis);
    const rows = jacobian as Tensor; // Row k is ∂r/∂x_k.
    const normal = matmul(rows, rows, { transposeB: true });
    return { normal, gradient: reshape(matmul(rows, reshape(r, [r.size, 1])), [n]) };
  };
  const diagonal = (matrix: Tensor): Tensor => sum(mul(matrix, basis), 1);

  const r0 = residuals(start);
  const f0 = half(r0);
  const first = linearise(start, r0);
  const norm0 = largest(first.gradient);
  const goal = mul(tolerance, maximum(norm0, 1));
  const usable = logicalAnd(isFinite(f0), all(isFinite(first.gradient)));
  const f64 = (value: number): Tensor => full([], value, { dtype: 'float64' });

  const result = whileLoop(
    ({ status, k }) => logicalAnd(equal(status, STATUS.running), less(k, maxIterations)),
    (now) => {
      // (JᵀJ + μ D) h = −Jᵀr.
      const damping = mul(now.scaling, cast(now.mu, dtype));
      const [factor, info] = choleskyInfo(add(now.normal, mul(basis, damping)));
      const step = choleskySolve(factor, now.gradient.neg());
      const x = add(now.x, step);
      const r = residuals(x);
      const f = half(r);
      // Gain: actual over predicted decrease, ½ hᵀ(μ D h − Jᵀr).
      const predicted = mul(inner(step, sub(mul(damping, step), now.gradient)), 0.5);
      const gain = div(sub(now.f, f), predicted);
      const accepted = logicalAnd(logicalAnd(equal(info, 0), isFinite(f)), greater(gain, 0));
      const linear = cond(
        accepted,
        (at: Tensor, value: Tensor) => linearise(at, value),
        () => ({ normal: now.normal, gradient: now.gradient }),
        x,
        r,
      );
      const shrink = maximum(sub(1, mul(sub(mul(gain, 2), 1), square(sub(mul(gain, 2), 1)))), 1 / 3);
      const value = where(accepted, f, now.f);
      const norm = largest(linear.gradient);
      const scale = maximum(now.f, 1e-300);
      const little = logicalAnd(accepted, lessEqual(sub(now.f, f), mul(objectiveTolerance, scale)));
      const mu = where(accepted, mul(now.mu, shrink), mul(now.mu, now.growth));
      const status = where(
        lessEqual(norm, goal),
        STATUS.gradient,
        where(little, int(STATUS.objective), where(less(mu, 1e30), int(STATUS.running), int(STATUS.damping))),
      );
      const k = now.k.add(1);
      emit('iterations', { iteration: k, objective: value });
      return {
        x: where(accepted, x, now.x),
        r: where(accepted, r, now.r),
        f: value,
        normal: linear.normal,
        gradient: linear.gradient,
        norm,
        scaling: maximum(now.scaling, diagonal(linear.normal)),
        mu,
        growth: where(accepted, 2, mul(now.growth, 2)),
        k,
        evaluations: now.evaluations.add(1),
        status: cast(status, 'int32'),
        history: recorder.record(now.history, k, value),
      };
    },
    {
      x: start,
      r: r0,
      f: f0,
      normal: first.normal,
      gradient: first.gradient,
      norm: norm0,
      // A parameter without influence at first still needs some damping.
      scaling: maximum(diagonal(first.normal), 1e-12),
      mu: f64(1e-3),
      growth: f64(2),
      k: int(0),
      evaluations: int(1),
      status: where(
        usable,
        where(greater(norm0, goal), int(STATUS.running), int(STATUS.gradient)),
        int(STATUS.notFinite),
      ),
      history: recorder.record(recorder.start(), int(0), f0),
    },
  );
  return {
    x: result.x,
    objective: result.f,
    gradientNorm: result.norm,
    iterations: result.k,
    evaluations: result.evaluations,
    status: result.status,
    history: result.history,
  };
}
