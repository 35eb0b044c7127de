/**
 * The u-step by random block coordinate descent (Bai, Gautam, Sojoudi, 2022, section 4): minimises
 *
 *   h(u) = l(Fu, y) + ρ/2 ‖u − a‖² + ρτ/2 ‖Gu − c‖²,   a = v − λ, c = s − ν,
 *
 * over the blocks (u_i, z_i) of one pattern at a time. No matrix of order dP or n is formed: a block costs O(nd), an ADMM iteration
 * O(ndP) and memory stays O(nP). Any smooth loss will do.
 *
 * Along a direction δ of block i, with Δ = D_i X (δ_u − δ_z),
 *
 *   h(u + αδ) − h(u) = Σ l(ŷ + αΔ) − l(ŷ) + αρ (⟨u_i − a_i, δ⟩ + τ⟨X u_i − S_i c_i, Xδ⟩) + α²ρ/2 (‖δ‖² + τ‖Xδ‖²)
 *
 * which the line search evaluates as it stands. δ = −(ρM)⁻¹ ∇_i h with the d x d matrix M = I + τXᵀX that all blocks share
 * (G_iᵀG_i = XᵀX); the first trial is the minimiser of the quadratic model, exact for squared loss.
 */

import type { DType } from '../../core/dtype.js';
import { arange, concatenate, dynamicSlice, dynamicUpdate, full, reshape, zeros } from '../../core/ops/arrays.js';
import {
  abs,
  add,
  cast,
  div,
  floor,
  greater,
  logicalAnd,
  minimum,
  mul,
  neg,
  square,
  sub,
  where,
  zerosLike,
} from '../../core/ops/elementwise.js';
import { key, split, uniform } from '../../core/ops/random.js';
import { any, sum } from '../../core/ops/reductions.js';
import type { Tensor } from '../../core/tensor.js';
import { whileLoop } from '../../transforms/loops.js';
import { type AdmmState, predictions } from './admm.js';
import { half, rowsTimes } from './blocks.js';
import type { AdmmProblem } from './inner-system.js';
import { type Loss, type LossName, losses } from './losses.js';

/** What survives from one u-step to the next: where it ended, and the key of its draws. */
export type Descent = { readonly u: Tensor; readonly key: Tensor };

/** A round is one step for each pattern on average; a u-step ends when a round gains less than this share of what it gained before. */
const ROUND_GAIN = 0.1;
const MAX_ROUNDS = 20;
/** Backtracking: a step must gain this share of what the slope promises, and shrinks by the paper's factor. */
const SUFFICIENT = 1e-4;
const SHRINK = 2.5;
const MAX_TRIALS = 12;

export function initialDescent(shape: readonly number[], dtype: DType, seed: number): Descent {
  return { u: zeros(shape, { dtype }), key: key(seed) };
}

/** Sum over signs and features (or rows), for each class: [2, C, k] -> [C]. */
const perClass = (t: Tensor): Tensor => sum(t, [0, 2]);

/** Ascending along δ: the change of h for each class as a function of the step α [C]. */
type Change = (alpha: Tensor) => Tensor;

/** The step length for each class, and what it changes: the quadratic model's minimiser, shortened until it gains enough. */
function lineSearch(change: Change, slope: Tensor, first: Tensor): { alpha: Tensor; gained: Tensor } {
  const missing = (alpha: Tensor, now: Tensor): Tensor => greater(now, mul(mul(alpha, slope), SUFFICIENT));
  const { alpha, now } = whileLoop(
    (trial) => logicalAnd(trial.k.less(MAX_TRIALS), any(missing(trial.alpha, trial.now))),
    (trial) => {
      const shorter = where(missing(trial.alpha, trial.now), div(trial.alpha, SHRINK), trial.alpha);
      return { alpha: shorter, now: change(shorter), k: trial.k.add(1) };
    },
    { alpha: first, now: change(first), k: full([], 0, { dtype: 'int32' }) },
  );
  // Where rounding leaves nothing to gain, stay.
  const stuck = missing(alpha, now);
  return { alpha: where(stuck, 0, alpha), gained: neg(where(stuck, 0, now)) };
}

/** One block step at pattern i (int32 [1]): u, predictions, and what h lost. */
function blockStep(
  { x, y, masks, tau, blockInverse }: AdmmProblem,
  rho: Tensor,
  { value, slope, curvature }: Loss & { curvature: NonNullable<Loss['curvature']> },
  { anchor, cones }: { anchor: Tensor; cones: Tensor },
  i: Tensor,
  { u, fitted }: { u: Tensor; fitted: Tensor },
): { u: Tensor; fitted: Tensor; gained: Tensor } {
  const [two, classes, , d] = u.shape as [number, number, number, number];
  const n = x.shape[0] as number;
  const zero = zerosLike(i);
  const at = concatenate([zero, zero, i, zero]);
  const blockOf = (t: Tensor, width: number): Tensor =>
    reshape(dynamicSlice(t, at, [two, classes, 1, width]), [two, classes, width]);
  const own = blockOf(u, d);
  const mask = dynamicSlice(masks, concatenate([i, zero]), [1, n]);
  const halves = reshape(sub(1, mul(arange(2, { dtype: x.dtype }), 2)), [2, 1, 1]);

  const toAnchor = sub(own, blockOf(anchor, d));
  const toCones = sub(rowsTimes(own, x, true), blockOf(cones, n));
  const pull = mul(mul(slope(fitted, y), mask), halves);
  const gradient = add(rowsTimes(add(pull, mul(toCones, mul(rho, tau))), x), mul(toAnchor, rho));
  const direction = neg(div(rowsTimes(gradient, blockInverse), rho));
  const moved = rowsTimes(direction, x, true);
  const delta = mul(sub(half(moved, 0), half(moved, 1)), mask);

  const descent = perClass(mul(gradient, direction));
  const linear = mul(add(perClass(mul(toAnchor, direction)), mul(perClass(mul(toCones, moved)), tau)), rho);
  const quadratic = mul(add(perClass(square(direction)), mul(perClass(square(moved)), tau)), rho);
  const bend = add(sum(mul(curvature(fitted, y), square(delta)), 1), quadratic);
  const newton = where(greater(bend, 0), div(neg(descent), bend), 0);
  const column = (t: Tensor): Tensor => reshape(t, [classes, 1]);
  const before = value(fitted, y);
  const change: Change = (alpha) => {
    const loss = sum(sub(value(add(fitted, mul(delta, column(alpha))), y), before), 1);
    return add(loss, mul(alpha, add(linear, mul(mul(alpha, quadratic), 0.5))));
  };
  const { alpha, gained } = lineSearch(change, descent, newton);
  const next = add(own, mul(direction, reshape(alpha, [1, classes, 1])));
  return {
    u: dynamicUpdate(u, reshape(next, [two, classes, 1, d]), at),
    fitted: add(fitted, mul(delta, column(alpha))),
    gained: sum(gained),
  };
}

/** The u-step from where the last one ended. */
export function descend(
  problem: AdmmProblem,
  rho: Tensor,
  name: LossName,
  { q, phi, g }: Pick<AdmmState, 'q' | 'phi' | 'g'>,
  start: Descent,
): Descent {
  const { x, masks, signs } = problem;
  const patterns = masks.shape[0] as number;
  const loss = losses[name] as Loss & { curvature: NonNullable<Loss['curvature']> };
  const fixed = { anchor: mul(q, sub(mul(phi, 2), 1)), cones: mul(abs(g), signs) };
  const count = (): Tensor => full([], 0, { dtype: 'int32' });
  const nothing = (): Tensor => full([], 0, { dtype: x.dtype });
  const round = (draws: Tensor, from: { u: Tensor; fitted: Tensor }) =>
    whileLoop(
      ({ k }) => k.less(patterns),
      ({ k, u, fitted, gained }) => {
        const i = dynamicSlice(draws, reshape(k, [1]), [1]);
        const next = blockStep(problem, rho, loss, fixed, i, { u, fitted });
        return { k: k.add(1), u: next.u, fitted: next.fitted, gained: add(gained, next.gained) };
      },
      { k: count(), ...from, gained: nothing() },
    );
  // Predictions are summed afresh in every u-step, so that rounding does not pile up.
  const fitted = predictions(masks, x, start.u);
  const end = whileLoop(
    ({ k, last, total }) => logicalAnd(k.less(MAX_ROUNDS), greater(last, mul(total, ROUND_GAIN))),
    ({ k, u, fitted: now, random, total }) => {
      const [own, rest] = split(random) as [Tensor, Tensor];
      const drawn = floor(mul(uniform(own, [patterns], { dtype: 'float64' }), patterns));
      const draws = cast(minimum(drawn, patterns - 1), 'int32');
      const next = round(draws, { u, fitted: now });
      return {
        k: k.add(1),
        u: next.u,
        fitted: next.fitted,
        random: rest,
        last: next.gained,
        total: add(total, next.gained),
      };
    },
    { k: count(), u: start.u, fitted, random: start.key, last: full([], 1, { dtype: x.dtype }), total: nothing() },
  );
  return { u: end.u, key: end.random };
}
