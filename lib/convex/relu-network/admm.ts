/**
 * ADMM for the convex program of a two-layer ReLU network (Bai, Gautam, Sojoudi, 2022, algorithm 1):
 *
 *   min l(Σ_i D_i X (v_i − w_i), y) + β Σ_i (‖v_i‖ + ‖w_i‖)   s.t.  G_i v_i ≥ 0, G_i w_i ≥ 0,   G_i = (2D_i − I) X
 *
 * split as u = v (copies) and G u = s ≥ 0 (cones), with scaled duals λ and ν, penalty ρ on the copies and ρτ on the cones. Squared loss
 * stays in the u-step, and so does every smooth loss under coordinate descent. Otherwise the predictions are split off, too: F u = t
 * with scaled dual μ and penalty 1, the curvature of squared loss; t = prox_l(F u + μ), and the u-step sees ½‖F u − (t − μ)‖² for the loss.
 *
 * Layout: sign (v, w) × class × pattern × (features or rows), [2, C, P, d] and [2, C, P, n]. F and G are never formed: masks multiply
 * products with X. One-vs-rest over C classes shares patterns and factorisations; its program is the sum of the classes' programs.
 *
 * Three identities save memory traffic. After a step, s = max(g, 0) and ν = min(g, 0) for g = Gu + ν, so g alone is carried and
 * s − ν = |g|. Likewise v = φ q and λ = (1 − φ) q for q = u + λ and the shrink factor φ of each block, and t − μ = 2t − p for p = Fu + μ.
 */

import { beside, scalar } from '../../core/concrete.js';
import { InternalError } from '../../core/errors.js';
import { reshape, zeros } from '../../core/ops/arrays.js';
import {
  abs,
  add,
  div,
  greater,
  maximum,
  minimum,
  mul,
  neg,
  sqrt,
  square,
  sub,
  where,
} from '../../core/ops/elementwise.js';
import { matmul } from '../../core/ops/linalg.js';
import { sum } from '../../core/ops/reductions.js';
import type { Tensor } from '../../core/tensor.js';
import { isTracing } from '../../core/tracing.js';
import { jit } from '../../transforms/jit.js';
import { emit, whileLoop } from '../../transforms/loops.js';
import { both, half, rowsTimes } from './blocks.js';
import { type Descent, descend, initialDescent } from './coordinate-descent.js';
import { type AdmmFactor, type AdmmProblem, factorOf, type InnerSolver, masked, setUp } from './inner-system.js';
import { type LossName, losses, perKey } from './losses.js';

export type AdmmState = {
  /** u + λ, [2, C, P, d]. */
  readonly q: Tensor;
  /** Shrink factors of its blocks, [2, C, P, 1]: v = φ q. */
  readonly phi: Tensor;
  /** Gu + ν, [2, C, P, n]: s = max(g, 0), ν = min(g, 0). */
  readonly g: Tensor;
  /** Fu + μ, [C, n], where the predictions are split off: t = prox_l(p), μ = p − t. */
  readonly p: Tensor | undefined;
  /** Coordinate descent starts from the last u. */
  readonly descent: Descent | undefined;
};

/** Everything that a compiled iteration depends on but shapes. */
export interface AdmmMethod {
  readonly loss: LossName;
  readonly solver: InnerSolver;
  /** Over-relaxation, 1 for the plain method. */
  readonly relaxation: number;
  /** Iterations are not reported. Default: false. */
  readonly silent?: boolean;
}

/** F u = Σ_i D_i X (u_i − z_i), [C, n]. */
export function predictions(masks: Tensor, x: Tensor, u: Tensor): Tensor {
  return sum(mul(rowsTimes(sub(half(u, 0), half(u, 1)), x, true), masks), 1);
}

/** u-step: argmin_u of the augmented Lagrangian (algorithm 1, step 1), by one of the two inner systems. */
function solveU(problem: AdmmProblem, factor: AdmmFactor, { solver, loss }: AdmmMethod, state: AdmmState): Tensor {
  const { rho } = factor;
  const inverse = factor.inverse as Tensor;
  const { x, y, masks, signs, tau, blockInverse, solvedRows } = problem;
  const { q, phi, g, p } = state;
  // What Fu should be near: y, or t − μ where the predictions are split off.
  const target = p ? sub(mul(losses[loss].prox(p, y), 2), p) : y;
  // b = (v − λ) + τ Gᵀ(s − ν); the system's right-hand side is b + Fᵀ target / ρ.
  const b = add(mul(q, sub(mul(phi, 2), 1)), mul(rowsTimes(mul(abs(g), signs), x), tau));
  if (solver === 'direct') {
    // The blocks' sums see M alone, their differences M + 2F₊ᵀF₊/ρ.
    const [plus, minus] = [half(b, 0), half(b, 1)];
    const total = rowsTimes(add(plus, minus), blockInverse);
    const coupled = add(sub(plus, minus), rowsTimes(masked(masks, mul(target, div(2, rho))), x));
    const [c, k, d] = plus.shape as [number, number, number];
    const difference = reshape(matmul(reshape(coupled, [c, k * d]), inverse), [c, k, d]);
    return mul(both(add(total, difference), sub(total, difference)), 0.5);
  }
  // M⁻¹b − M⁻¹Fᵀ (ρI + F M⁻¹ Fᵀ)⁻¹ (F M⁻¹b − target): what is divided by a small ρ is a difference already.
  const mb = rowsTimes(b, blockInverse);
  const h = matmul(sub(predictions(masks, x, mb), target), inverse);
  const correction = rowsTimes(masked(masks, h), solvedRows);
  return sub(mb, both(correction, neg(correction)));
}

/** Shrink factors of group soft-thresholding: (1 − β/(ρ‖q_i‖))₊, [2, C, P, 1]. */
function shrinkFactors(q: Tensor, threshold: Tensor): Tensor {
  const norms = sqrt(sum(square(q), 3, { keepDims: true }));
  const factor = maximum(sub(1, div(threshold, norms)), 0);
  return where(greater(norms, 0), factor, 0);
}

/** One iteration. Returns the new state and u. */
function step(
  problem: AdmmProblem,
  factor: AdmmFactor,
  method: AdmmMethod,
  state: AdmmState,
): { state: AdmmState; u: Tensor } {
  const { q, phi, g, p } = state;
  const { loss, relaxation } = method;
  const descent = state.descent && descend(problem, factor.rho, loss, state, state.descent);
  const u = descent ? descent.u : solveU(problem, factor, method, state);
  const relaxed = (fresh: Tensor, old: Tensor): Tensor =>
    relaxation === 1 ? fresh : add(mul(fresh, relaxation), mul(old, 1 - relaxation));
  const nextQ = add(relaxed(u, mul(q, phi)), mul(q, sub(1, phi)));
  const gu = mul(rowsTimes(u, problem.x, true), problem.signs);
  const nextG = add(relaxed(gu, maximum(g, 0)), minimum(g, 0));
  let nextP: Tensor | undefined;
  if (p) {
    // D_i S_i = D_i, so the predictions come from Gu.
    const fu = sum(mul(sub(half(gu, 0), half(gu, 1)), problem.masks), 1);
    const t = losses[loss].prox(p, problem.y);
    nextP = add(relaxed(fu, t), sub(p, t));
  }
  const nextPhi = shrinkFactors(nextQ, div(problem.beta, factor.rho));
  return { state: { q: nextQ, phi: nextPhi, g: nextG, p: nextP, descent }, u };
}

/** Sizes of the residuals, relative to what they compare: scalars. */
export type AdmmResiduals = { readonly primal: Tensor; readonly dual: Tensor };

function residuals(
  { x, y, signs, tau, masks }: AdmmProblem,
  rho: Tensor,
  loss: LossName,
  u: Tensor,
  before: AdmmState,
  after: AdmmState,
): AdmmResiduals {
  /** Copies, cones and predictions, in the norm of the augmented Lagrangian over ρ. */
  type Parts = readonly [copies: Tensor, cones: Tensor, predictions: Tensor | undefined];
  const weighed = ([copies, cones, predicted]: Parts): Tensor => {
    const size = add(sum(square(copies)), mul(sum(square(cones)), tau));
    return sqrt(predicted ? add(size, div(sum(square(predicted)), rho)) : size);
  };
  const difference = (a: Parts, b: Parts): Parts => [
    sub(a[0], b[0]),
    sub(a[1], b[1]),
    a[2] && sub(a[2], b[2] as Tensor),
  ];
  const split = ({ q, phi, g, p }: AdmmState): Parts => [mul(q, phi), maximum(g, 0), p && losses[loss].prox(p, y)];
  const { q, g, p } = after;
  const own: Parts = [u, mul(rowsTimes(u, x, true), signs), p && predictions(masks, x, u)];
  const scale = maximum(weighed(own), weighed(split(after)));
  const duals = weighed(difference([q, g, p], split(after)));
  const ratio = (a: Tensor, b: Tensor): Tensor => div(a, where(greater(b, 0), b, 1));
  return {
    primal: ratio(weighed(difference(own, split(after))), scale),
    dual: ratio(weighed(difference(split(after), split(before))), duals),
  };
}

function makeAdvance({ silent = false, ...method }: AdmmMethod) {
  const run = jit((problem: AdmmProblem, factor: AdmmFactor, state: AdmmState, count: Tensor, done: Tensor) => {
    const last = add(done, count);
    const before = whileLoop(
      ({ k }) => k.less(last),
      ({ k, state: now }) => {
        const next = step(problem, factor, method, now);
        if (!silent) emit('iterations', { iteration: k });
        return { k: k.add(1), state: next.state };
      },
      { k: add(done, 1), state },
    ).state;
    const { u, state: after } = step(problem, factor, method, before);
    return { state: after, u, ...residuals(problem, factor.rho, method.loss, u, before, after) };
  });
  return (...args: Parameters<typeof run>): ReturnType<typeof run> => {
    if (isTracing()) throw new InternalError('admm', 'Expected a call outside of tracing');
    return run(...args);
  };
}

/**
 * `count` (int32 scalar >= 1) iterations as one native loop, reported (unless `silent`) as those after the first `done` (int32 scalar).
 * Returns the state, u and the residuals of the last one.
 */
export const advance = perKey(makeAdvance, (method) => Object.values(method).join());

/** The state that ADMM starts from, all zero. */
export function initialState({ x, y, masks }: AdmmProblem, { loss, solver }: AdmmMethod, seed = 0): AdmmState {
  const [n, d] = x.shape as [number, number];
  const [classes, patterns, { dtype }] = [y.shape[0] as number, masks.shape[0] as number, x];
  const descends = solver === 'coordinate-descent';
  return {
    q: zeros([2, classes, patterns, d], { dtype }),
    phi: zeros([2, classes, patterns, 1], { dtype }),
    g: zeros([2, classes, patterns, n], { dtype }),
    p: descends || loss === 'squared' ? undefined : zeros([classes, n], { dtype }),
    descent: descends ? initialDescent([2, classes, patterns, d], dtype, seed) : undefined,
  };
}

/** The factor by which the penalty on copies changes, so that both residuals fall alike; 1 where it is not worth a factorisation. */
export function penaltyChange(primalResidual: number, dualResidual: number): number {
  const change = Math.min(10, Math.max(0.1, Math.sqrt(primalResidual / Math.max(dualResidual, 1e-30))));
  return change > 1.4 || change < 0.7 ? change : 1;
}

/** The state for another penalty: v and s stay, the scaled duals λ and ν shrink by `factor`. φ no longer matches q alone. Jitted. */
export const rescaleDuals = jit(({ q, phi, g, p, descent }: AdmmState, factor: Tensor): AdmmState => {
  const v = mul(q, phi);
  const scaled = add(v, div(mul(q, sub(1, phi)), factor));
  // v = φ' q' must survive with q' parallel to q: φ' = φ / (φ + (1 − φ)/factor).
  const weight = add(phi, div(sub(1, phi), factor));
  return { q: scaled, phi: div(phi, weight), g: add(maximum(g, 0), div(minimum(g, 0), factor)), p, descent };
});

/**
 * A fixed number of plain iterations from zero at a fixed penalty: for comparisons and benches.
 * @returns v [2, C, P, d].
 */
export function admmIterations(
  x: Tensor,
  y: Tensor,
  masks: Tensor,
  options: {
    beta: number;
    rho: number;
    iterations: number;
    tau?: number;
    relaxation?: number;
    solver?: InnerSolver;
    loss?: LossName;
  },
): { run: () => { v: Tensor; predictions: Tensor } } {
  const { beta, rho, iterations, tau = 1, relaxation = 1, solver = 'woodbury', loss = 'squared' } = options;
  const method = { loss, solver, relaxation };
  const { set, factor, start, count, none } = beside(x, () => {
    const made = setUp(x, y, masks, { beta, tau, solver });
    return {
      set: made,
      factor: factorOf(made, rho),
      start: initialState(made.problem, method),
      count: scalar(iterations, 'int32'),
      none: scalar(0, 'int32'),
    };
  });
  return {
    run: () => {
      const { state, u } = advance(method)(set.problem, factor, start, count, none);
      return { v: mul(state.q, state.phi), predictions: predictions(masks, x, u) };
    },
  };
}
