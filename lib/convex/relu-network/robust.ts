/**
 * Convex adversarial training (Bai, Gautam and Sojoudi, 2022, section 6): the convex program against perturbations of every row in
 * an l_inf ball of radius ε, with q_k = Σ_i d_ik (v_i − w_i):
 *
 *   min Σ_k worst-case loss(x_kᵀq_k, ε‖q_k‖₁) + β Σ_i (‖v_i‖ + ‖w_i‖)   s.t.  S_i X v_i ≥ ε‖v_i‖₁ 1,  S_i X w_i ≥ ε‖w_i‖₁ 1.
 *
 * The constraints keep neurons from flipping inside the ball, so the worst-case loss is exact, not a bound. A bias column is not perturbed.
 *
 * ADMM in float64, with u copied to v (group norm), to a beside s = S_i X u (cones), and F u, K u = q to t, q (loss); penalties ρ on v and
 * a, ρτ on s, and θ_t, θ_q on t, q. The u-step is one linear system of order dP: blocks see M = 2I + τXᵀX, their differences
 * I⊗M + 2(θ_t F₊ᵀF₊ + θ_q DDᵀ⊗I)/ρ with the masks D [P, n].
 */

import { scalar } from '../../core/concrete.js';
import { eye, full, reshape, transpose, zeros } from '../../core/ops/arrays.js';
import {
  abs,
  add,
  cast,
  div,
  greater,
  lessEqual,
  logicalAnd,
  maximum,
  mul,
  neg,
  relu,
  sqrt,
  square,
  sub,
  where,
} from '../../core/ops/elementwise.js';
import { cholesky, choleskySolve, matmul } from '../../core/ops/linalg.js';
import { max, sum } from '../../core/ops/reductions.js';
import type { Tensor } from '../../core/tensor.js';
import { grad } from '../../transforms/differentiate.js';
import { jit } from '../../transforms/jit.js';
import { emit, whileLoop } from '../../transforms/loops.js';
import { both, half, rowsTimes } from './blocks.js';
import { type LossName, perKey } from './losses.js';
import { projectOnCones, worstCaseLoss, worstCaseProx } from './worst-case.js';

/** Data of the program, float64. */
export type RobustProblem = {
  /** [n, d], targets [C, n], masks [P, n] and 2 masks − 1. */
  readonly x: Tensor;
  readonly y: Tensor;
  readonly masks: Tensor;
  readonly signs: Tensor;
  /** How far each feature may move, [d]. */
  readonly reach: Tensor;
  /** Scalars: β, τ and the penalties on predictions and gradients. */
  readonly beta: Tensor;
  readonly tau: Tensor;
  readonly weights: { readonly t: Tensor; readonly q: Tensor };
};

export type RobustFactor = { readonly rho: Tensor; readonly block: Tensor; readonly inverse: Tensor };

/** A split variable: the image of u plus the scaled dual, and the proximal step from there. */
type Split = { readonly at: Tensor; readonly value: Tensor };

export type RobustState = {
  /** v and a, [2, C, P, d]; s, [2, C, P, n]. */
  readonly copies: Split;
  readonly shadow: Split;
  readonly rows: Split;
  /** t, [C, n]; q, [n, C, d]. */
  readonly fitted: Split;
  readonly gradients: Split;
};

const RELAXATION = 1.7;

/** S_i X u_i, [2, C, P, n]. */
const margins = ({ x, signs }: RobustProblem, u: Tensor): Tensor => mul(rowsTimes(u, x, true), signs);

/** F u: predictions [C, n]. */
const predictionsOf = ({ masks }: RobustProblem, reached: Tensor): Tensor =>
  sum(mul(sub(half(reached, 0), half(reached, 1)), masks), 1);

/** K u: the network's gradient at each row, [n, C, d]. */
function gradientsOf({ masks }: RobustProblem, u: Tensor): Tensor {
  const difference = sub(half(u, 0), half(u, 1));
  const [c, p, d] = difference.shape as [number, number, number];
  const byPattern = reshape(transpose(difference, [1, 0, 2]), [p, c * d]);
  return reshape(matmul(masks, byPattern, { transposeA: true }), [masks.shape[1] as number, c, d]);
}

/** Fᵀt + Kᵀq of the v half, [C, P, d]; the w half is its negative. */
function pullBack({ x, masks }: RobustProblem, t: Tensor, q: Tensor): Tensor {
  const [n, c, d] = q.shape as [number, number, number];
  const p = masks.shape[0] as number;
  const fromGradients = transpose(reshape(matmul(masks, reshape(q, [n, c * d])), [p, c, d]), [1, 0, 2]);
  return add(rowsTimes(mul(reshape(t, [c, 1, n]), masks), x), fromGradients);
}

/** M⁻¹ and the inverse for the differences, for a penalty. Jitted. */
export const robustFactor = jit(({ x, masks, tau, weights }: RobustProblem, rho: Tensor): RobustFactor => {
  const [[n, d], p] = [x.shape as [number, number], masks.shape[0] as number];
  const identity = (size: number): Tensor => eye(size, { dtype: 'float64' });
  const inverse = (a: Tensor): Tensor => choleskySolve(cholesky(a), identity(a.shape[0] as number));
  const block = add(mul(matmul(x, x, { transposeA: true }), tau), mul(identity(d), 2));
  const features = reshape(mul(reshape(transpose(masks), [n, p, 1]), reshape(x, [n, 1, d])), [n, p * d]);
  const kronecker = (a: Tensor, b: Tensor): Tensor =>
    reshape(mul(reshape(a, [p, 1, p, 1]), reshape(b, [1, d, 1, d])), [p * d, p * d]);
  const coupled = add(
    mul(matmul(features, features, { transposeA: true }), weights.t),
    kronecker(mul(matmul(masks, masks, { transposeB: true }), weights.q), identity(d)),
  );
  const system = add(kronecker(identity(p), block), mul(coupled, div(2, rho)));
  return { rho, block: inverse(block), inverse: inverse(system) };
});

/** z − dual of a split. */
const reflected = ({ at, value }: Split): Tensor => sub(mul(value, 2), at);
const dualOf = ({ at, value }: Split): Tensor => sub(at, value);

function solveU(problem: RobustProblem, { rho, block, inverse }: RobustFactor, state: RobustState): Tensor {
  const { x, signs, tau, weights } = problem;
  const { copies, shadow, rows, fitted, gradients } = state;
  const own = add(add(reflected(copies), reflected(shadow)), mul(rowsTimes(mul(reflected(rows), signs), x), tau));
  const coupled = div(pullBack(problem, mul(reflected(fitted), weights.t), mul(reflected(gradients), weights.q)), rho);
  const [plus, minus] = [add(half(own, 0), coupled), sub(half(own, 1), coupled)];
  const total = rowsTimes(add(plus, minus), block);
  const [c, p, d] = plus.shape as [number, number, number];
  const difference = reshape(matmul(reshape(sub(plus, minus), [c, p * d]), inverse), [c, p, d]);
  return mul(both(add(total, difference), sub(total, difference)), 0.5);
}

const groupNorms = (v: Tensor): Tensor => sqrt(sum(square(v), 3, { keepDims: true }));

function step(
  name: LossName,
  problem: RobustProblem,
  factor: RobustFactor,
  state: RobustState,
): { state: RobustState; u: Tensor } {
  const { y, reach, beta, tau, weights } = problem;
  const u = solveU(problem, factor, state);
  const reached = margins(problem, u);
  const next = (image: Tensor, split: Split): Tensor =>
    add(add(mul(image, RELAXATION), mul(split.value, 1 - RELAXATION)), dualOf(split));
  const copies = next(u, state.copies);
  const norms = groupNorms(copies);
  const shrink = relu(sub(1, div(div(beta, factor.rho), where(greater(norms, 0), norms, 1))));
  const [rows, shadow] = [next(reached, state.rows), next(u, state.shadow)];
  const cone = projectOnCones(rows, shadow, reach, tau);
  // D_i S_i = D_i, so predictions come from the margins.
  const [t, q] = [next(predictionsOf(problem, reached), state.fitted), next(gradientsOf(problem, u), state.gradients)];
  const loss = worstCaseProx(name, { t, q, y, reach, weights });
  return {
    state: {
      copies: { at: copies, value: mul(copies, shrink) },
      shadow: { at: shadow, value: cone.shadow },
      rows: { at: rows, value: cone.rows },
      fitted: { at: t, value: loss.t },
      gradients: { at: q, value: loss.q },
    },
    u,
  };
}

/** Primal and dual residuals in the norm of the augmented Lagrangian over ρ, relative to what they compare. */
function residuals(problem: RobustProblem, rho: Tensor, u: Tensor, before: RobustState, after: RobustState) {
  type Parts = readonly Tensor[];
  const reached = margins(problem, u);
  const own: Parts = [u, u, reached, predictionsOf(problem, reached), gradientsOf(problem, u)];
  const parts = (state: RobustState, part: (split: Split) => Tensor): Parts =>
    [state.copies, state.shadow, state.rows, state.fitted, state.gradients].map(part);
  const scales: Parts = [1, 1, problem.tau, div(problem.weights.t, rho), div(problem.weights.q, rho)].map((w) =>
    typeof w === 'number' ? full([], w, { dtype: 'float64' }) : w,
  );
  const size = (values: Parts): Tensor =>
    sqrt(
      values.map((value, k) => mul(sum(square(value)), scales[k] as Tensor)).reduce((total, part) => add(total, part)),
    );
  const difference = (a: Parts, b: Parts): Parts => a.map((value, k) => sub(value, b[k] as Tensor));
  const ratio = (a: Tensor, b: Tensor): Tensor => div(a, where(greater(b, 0), b, 1));
  const [now, last] = [parts(after, ({ value }) => value), parts(before, ({ value }) => value)];
  return {
    primal: ratio(size(difference(own, now)), maximum(size(own), size(now))),
    dual: ratio(size(difference(now, last)), size(parts(after, dualOf))),
  };
}

/** `count` iterations; returns the state and the residuals of the last one. Jitted. */
export const robustAdvance = perKey((name: LossName) =>
  jit((problem: RobustProblem, factor: RobustFactor, state: RobustState, count: Tensor, done: Tensor) => {
    const last = add(done, count);
    const before = whileLoop(
      ({ k }) => k.less(last),
      ({ k, state: now }) => {
        emit('iterations', { iteration: k });
        return { k: k.add(1), state: step(name, problem, factor, now).state };
      },
      { k: add(done, 1), state },
    ).state;
    const { state: after, u } = step(name, problem, factor, before);
    return { state: after, ...residuals(problem, factor.rho, u, before, after) };
  }),
);

export function initialRobustState({ x, y, masks }: RobustProblem): RobustState {
  const [[n, d], c, p] = [x.shape as [number, number], y.shape[0] as number, masks.shape[0] as number];
  const split = (shape: number[]): Split => {
    const zero = zeros(shape, { dtype: 'float64' });
    return { at: zero, value: zero };
  };
  const block = [2, c, p, d];
  return {
    ...{ copies: split(block), shadow: split(block), rows: split([2, c, p, n]) },
    ...{ fitted: split([c, n]), gradients: split([n, c, d]) },
  };
}

/** The state for a penalty `factor` times as large: values stay, the scaled duals of what ρ weighs shrink. Jitted. */
export const rescaleRobust = jit((state: RobustState, factor: Tensor): RobustState => {
  const scaled = (split: Split): Split => ({ at: add(split.value, div(dualOf(split), factor)), value: split.value });
  return { ...state, copies: scaled(state.copies), shadow: scaled(state.shadow), rows: scaled(state.rows) };
});

/**
 * A lower bound of the optimum from ADMM's multipliers: those of cones and loss are feasible as they stand, because they come from
 * proximal steps, whose points give −φ*(y) = φ(t, q) − ⟨y, (t, q)⟩. What they leave for v must not exceed β: all are scaled by s ≤ 1 until
 * it does not, and −φ*(s y) ≥ −s φ*(y) since min φ = 0. Jitted.
 */
export const robustLowerBound = perKey((name: LossName) =>
  jit((problem: RobustProblem, { rho }: RobustFactor, state: RobustState) => {
    const { x, y, signs, reach, beta, tau, weights } = problem;
    const [dualT, dualQ] = [mul(dualOf(state.fitted), weights.t), mul(dualOf(state.gradients), weights.q)];
    const dualRows = mul(dualOf(state.rows), mul(rho, tau));
    const coupled = pullBack(problem, dualT, dualQ);
    const left = add(rowsTimes(mul(dualRows, signs), x), mul(dualOf(state.shadow), rho));
    const steepest = max(groupNorms(add(left, both(coupled, neg(coupled)))), [0, 2, 3]);
    const [t, q] = [state.fitted.value, state.gradients.value];
    const reached = transpose(sum(mul(abs(q), reach), 2));
    const inner = add(mul(dualT, t), transpose(sum(mul(dualQ, q), 2)));
    const value = sum(sub(worstCaseLoss(name, t, reached, y), inner), 1);
    const scale = div(beta, maximum(steepest, beta));
    return { value: sum(mul(maximum(value, 0), scale)), violation: max(div(relu(sub(steepest, beta)), beta)) };
  }),
);

/** S X c − ‖e∘c‖₁ for blocks c [.., P, d]: how far inside its robust cone each row is, a concave function. */
function slack({ x, signs, reach }: RobustProblem, c: Tensor): Tensor {
  const used = sum(mul(abs(c), reach), c.rank - 1, { keepDims: true });
  return sub(mul(rowsTimes(c, x, true), signs), used);
}

const INTERIOR_STEPS = 500;

/** A direction inside each robust cone, [P, d], where there is one: min ½‖c‖² s.t. slack ≥ row norms, by ADMM. Jitted. */
export const robustInterior = jit((problem: RobustProblem, r: Tensor): Tensor => {
  const { x, signs, reach } = problem;
  const [[n, d], p] = [x.shape as [number, number], signs.shape[0] as number];
  const gram = add(matmul(x, x, { transposeA: true }), eye(d, { dtype: 'float64' }));
  const inverse = choleskySolve(
    cholesky(add(mul(gram, r), eye(d, { dtype: 'float64' }))),
    eye(d, { dtype: 'float64' }),
  );
  const margin = sqrt(sum(square(x), 1));
  const one = full([], 1, { dtype: 'float64' });
  const start = {
    c: zeros([p, d], { dtype: 'float64' }),
    rows: zeros([p, n], { dtype: 'float64' }),
    shadow: zeros([p, d], { dtype: 'float64' }),
  };
  return whileLoop(
    ({ k }) => k.less(INTERIOR_STEPS),
    ({ k, rows, shadow }) => {
      const cone = projectOnCones(reshape(sub(rows, margin), [1, 1, p, n]), reshape(shadow, [1, 1, p, d]), reach, one);
      const [s, a] = [add(reshape(cone.rows, [p, n]), margin), reshape(cone.shadow, [p, d])];
      const [nu, lambda] = [sub(rows, s), sub(shadow, a)];
      const c = rowsTimes(mul(add(rowsTimes(mul(sub(s, nu), signs), x), sub(a, lambda)), r), inverse);
      return { k: k.add(1), c, rows: add(mul(rowsTimes(c, x, true), signs), nu), shadow: add(c, lambda) };
    },
    { k: full([], 0, { dtype: 'int32' }), ...start },
  ).c;
});

const BISECTIONS = 60;

/**
 * v made feasible: what a block lacks is made up along its interior direction (slack is superadditive), blocks without one are dropped, and
 * the whole is scaled by the best t in [0, 2]. Returns the blocks, their objective and its loss. Jitted.
 */
export const robustFeasible = perKey((name: LossName) =>
  jit((problem: RobustProblem, v: Tensor, directions: Tensor) => {
    const { y, reach, beta } = problem;
    const active = greater(sum(abs(v), 3, { keepDims: true }), 0);
    const violation = relu(neg(slack(problem, v)));
    const gain = slack(problem, directions);
    const needed = greater(violation, 0);
    const push = max(where(needed, div(violation, gain), 0), 3, { keepDims: true });
    const lost = max(cast(logicalAnd(needed, lessEqual(gain, 0)), 'float64'), 3, { keepDims: true });
    // A touch more than needed, so that rounding cannot undo it.
    const moved = add(v, mul(mul(push, 1 + 1e-9), directions));
    const inside = where(logicalAnd(active, lessEqual(lost, 0)), moved, 0);
    const f = predictionsOf(problem, margins(problem, inside));
    const c = transpose(sum(mul(abs(gradientsOf(problem, inside)), reach), 2));
    const penalty = mul(sum(groupNorms(inside)), beta);
    const loss = (scale: Tensor): Tensor => sum(worstCaseLoss(name, mul(f, scale), mul(c, scale), y));
    const zero = full([], 0, { dtype: 'float64' });
    const { low, high } = whileLoop(
      ({ k }) => k.less(BISECTIONS),
      ({ k, low, high }) => {
        const scale = mul(add(low, high), 0.5);
        const ascends = greater(add(grad(loss)(scale), penalty), 0);
        return { k: k.add(1), low: where(ascends, low, scale), high: where(ascends, scale, high) };
      },
      { k: full([], 0, { dtype: 'int32' }), low: zero, high: add(zero, 2) },
    );
    // A solution of zero is zero exactly.
    const best = mul(add(low, high), 0.5);
    const scale = where(greater(best, 1e-12), best, 0);
    const worst = loss(scale);
    return { v: mul(inside, scale), worst, objective: add(worst, mul(penalty, scale)) };
  }),
);

/** The problem for data x [n, d], targets y [C, n], masks [P, n] and reach [d], all float64. */
export function robustProblem(
  x: Tensor,
  y: Tensor,
  masks: Tensor,
  reach: Tensor,
  { beta, tau, weights }: { beta: number; tau: number; weights: { t: number; q: number } },
): RobustProblem {
  const number = (value: number): Tensor => scalar(value, 'float64');
  return {
    ...{ x, y, masks, reach, signs: sub(mul(masks, 2), 1) },
    ...{ beta: number(beta), tau: number(tau), weights: { t: number(weights.t), q: number(weights.q) } },
  };
}
