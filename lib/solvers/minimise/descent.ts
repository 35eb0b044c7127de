/** What L-BFGS, nonlinear conjugate gradients and Newton-CG share: a direction, a line search, and when to stop. */
import { full } from '../../core/ops/arrays.js';
import {
  abs,
  add,
  cast,
  div,
  greater,
  isFinite,
  less,
  lessEqual,
  logicalAnd,
  maximum,
  mul,
  sub,
  where,
} from '../../core/ops/elementwise.js';
import { all, max, sum } from '../../core/ops/reductions.js';
import type { Tensor } from '../../core/tensor.js';
import { emit, whileLoop } from '../../transforms/loops.js';
import type { Recorder } from './history.js';
import { strongWolfe, type WolfeConstants } from './line-search.js';

/** f, its derivatives and everything else on flat vectors. */
export interface FlatObjective {
  /** float64 scalar, and the gradient in x's dtype. */
  valueAndGrad(x: Tensor): [Tensor, Tensor];
  /** ∇²f(x) v. */
  hvp(x: Tensor, v: Tensor): Tensor;
}

/** What a step has shown. */
export interface Step {
  /** The move x⁺ − x, and that of the gradient. */
  readonly s: Tensor;
  readonly y: Tensor;
  readonly direction: Tensor;
  /** Step length and slope along the direction, float64. */
  readonly length: Tensor;
  readonly slope: Tensor;
  readonly gradient: Tensor;
  readonly nextGradient: Tensor;
  /** bool: the line search has found an acceptable step. */
  readonly ok: Tensor;
}

/** How a method chooses directions; its state is a tree of tensors that the native loop carries. */
export interface DirectionRule<S> {
  readonly wolfe: Pick<WolfeConstants, 'decrease' | 'curvature'>;
  init(gradient: Tensor): S;
  /** A direction, the first step to try along it (float64), and the number of Hessian-vector products (int32). */
  choose(state: S, x: Tensor, gradient: Tensor): { direction: Tensor; step: Tensor; products: Tensor };
  learn(state: S, step: Step): S;
  /** bool: the direction owes nothing to earlier steps, so that starting afresh would not help. */
  isFresh(state: S): Tensor;
}

export interface DescentLimits {
  /** float64 scalars, traced. */
  readonly tolerance: Tensor;
  readonly objectiveTolerance: Tensor;
  readonly maxIterations: number;
  /** Rounding unit of the dtype. */
  readonly epsilon: number;
  readonly recorder: Recorder;
}

/** Why the loop ended; also the outcome's `status`. */
export const STATUS = { running: 0, gradient: 1, objective: 2, lineSearch: 3, notFinite: 4, damping: 5 } as const;

export interface DescentOutcome {
  readonly x: Tensor;
  readonly objective: Tensor;
  readonly gradientNorm: Tensor;
  readonly iterations: Tensor;
  readonly evaluations: Tensor;
  readonly status: Tensor;
  readonly history: Tensor;
}

export const int = (value: number): Tensor => full([], value, { dtype: 'int32' });
/** Inner product as a float64 scalar, summed in the dtype of the vectors. */
export const inner = (a: Tensor, b: Tensor): Tensor => cast(sum(mul(a, b)), 'float64');
/** Largest magnitude, float64. */
export const largest = (x: Tensor): Tensor => cast(max(abs(x)), 'float64');

const MAX_EVALUATIONS = 25;

/** The whole descent as one native loop; to be called while tracing. */
export function descend<S>(
  objective: FlatObjective,
  rule: DirectionRule<S>,
  start: Tensor,
  { tolerance, objectiveTolerance, maxIterations, epsilon, recorder }: DescentLimits,
): DescentOutcome {
  const [f0, g0] = objective.valueAndGrad(start);
  const norm0 = largest(g0);
  // Relative to where the gradient started, so that the scale of the objective does not matter.
  const goal = mul(tolerance, maximum(norm0, 1));
  const usable = logicalAnd(isFinite(f0), all(isFinite(g0)));
  const wolfe = { ...rule.wolfe, maxEvaluations: MAX_EVALUATIONS, noise: 10 * epsilon };

  const result = whileLoop(
    ({ status, k }) => logicalAnd(lessEqual(status, STATUS.running), less(k, maxIterations)),
    (now) => {
      const state = now.state as S;
      const chosen = rule.choose(state, now.x, now.gradient);
      const slopeChosen = inner(chosen.direction, now.gradient);
      // Rounding can turn a direction uphill; steepest descent never is.
      const downhill = less(slopeChosen, 0);
      const direction = where(downhill, chosen.direction, now.gradient.neg());
      const slope = where(downhill, slopeChosen, inner(now.gradient, now.gradient).neg());
      const first = where(downhill, chosen.step, div(1, maximum(now.norm, 1)));
      const along = (length: Tensor): Tensor => add(now.x, mul(direction, cast(length, direction.dtype)));

      const found = strongWolfe(
        (length) => {
          const [value, gradient] = objective.valueAndGrad(along(length));
          return { value, gradient, slope: inner(gradient, direction) };
        },
        { value: now.f, slope, gradient: now.gradient },
        first,
        wolfe,
      );
      const { ok } = found;
      const x = where(ok, along(found.step), now.x);
      const gradient = where(ok, found.gradient, now.gradient);
      const f = where(ok, found.value, now.f);
      const learnt = rule.learn(state, {
        s: sub(x, now.x),
        y: sub(gradient, now.gradient),
        direction,
        length: found.step,
        slope,
        gradient: now.gradient,
        nextGradient: gradient,
        ok,
      });
      const norm = largest(gradient);
      const scale = maximum(maximum(abs(now.f), abs(f)), 1);
      const little = lessEqual(sub(now.f, f), mul(objectiveTolerance, scale));
      // A failed search is tried once more from a fresh start.
      const failed = where(rule.isFresh(state), STATUS.lineSearch, STATUS.running);
      const succeeded = where(little, STATUS.objective, STATUS.running);
      const status = where(
        lessEqual(norm, goal),
        STATUS.gradient,
        where(ok, cast(succeeded, 'int32'), cast(failed, 'int32')),
      );
      const k = now.k.add(1);
      emit('iterations', { iteration: k, objective: f });
      return {
        x,
        gradient,
        f,
        norm,
        state: learnt,
        k,
        evaluations: now.evaluations.add(found.evaluations).add(chosen.products),
        status: cast(status, 'int32'),
        history: recorder.record(now.history, k, f),
      };
    },
    {
      x: start,
      gradient: g0,
      f: f0,
      norm: norm0,
      state: rule.init(g0),
      k: int(0),
      evaluations: int(1),
      status: where(
        usable,
        cast(where(greater(norm0, goal), STATUS.running, STATUS.gradient), 'int32'),
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
