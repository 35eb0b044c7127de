/**
 * The optimality certificate, in float64: a network that is feasible for the convex program (its objective bounds the optimum
 * from above) and a dual value (which bounds it from below).
 *
 * Dual: for any z and any α, α' >= 0, with M = max_i max(‖Xᵀ(D_i z + S_i α_i)‖, ‖Xᵀ(−D_i z + S_i α'_i)‖) and S_i = 2D_i − I,
 * −l*(−t z) = min_f l(f) + t⟨z, f⟩ is a lower bound for every 0 <= t <= β/M. ADMM yields z = −l'(Fu) or −l'(t), and α = −ρτν.
 */

import { arange, eye, full, reshape, zeros } from '../../core/ops/arrays.js';
import {
  abs,
  add,
  cast,
  div,
  greater,
  lessEqual,
  logicalAnd,
  maximum,
  minimum,
  mul,
  neg,
  relu,
  sqrt,
  square,
  sub,
  where,
} from '../../core/ops/elementwise.js';
import { cholesky, choleskyInverse, matmul } from '../../core/ops/linalg.js';
import { max, min, sum } from '../../core/ops/reductions.js';
import type { Tensor } from '../../core/tensor.js';
import { jit } from '../../transforms/jit.js';
import { whileLoop } from '../../transforms/loops.js';
import { type AdmmState, predictions } from './admm.js';
import { half, rowsTimes } from './blocks.js';
import type { AdmmFactor, AdmmProblem } from './inner-system.js';
import { type LossName, losses, perKey, totalLoss } from './losses.js';

/** Iterations of the projection onto the cones, and of the search for interior directions. */
const PROJECTION_STEPS = 300;
const INTERIOR_STEPS = 500;
const RELAXATION = 1.7;

const counter = (): Tensor => full([], 0, { dtype: 'int32' });

/** The dual value that (z, α) allow, and the excess of ‖·‖ over β relative to β. Jitted. */
export const lowerBound = perKey((name: LossName) =>
  jit((problem: AdmmProblem, { rho }: AdmmFactor, { g, p }: AdmmState, u: Tensor) => {
    const { x, y, masks, signs, beta, tau } = problem;
    const loss = losses[name];
    const z = p ? sub(loss.prox(p, y), p) : neg(loss.slope(predictions(masks, x, u), y));
    const alpha = mul(minimum(g, 0), neg(mul(rho, tau)));
    const spread = mul(reshape(z, [1, z.shape[0] as number, 1, z.shape[1] as number]), masks);
    // [2, 1, 1, 1]: + for the v half, − for the w half.
    const halves = reshape(sub(1, mul(arange(2, { dtype: x.dtype }), 2)), [2, 1, 1, 1]);
    const gradient = rowsTimes(add(mul(spread, halves), mul(alpha, signs)), x);
    const steepest = max(sqrt(sum(square(gradient), 3)), [0, 2]);
    const scale = loss.dualScale(z, y, div(beta, maximum(steepest, 1e-300)));
    return {
      value: sum(loss.dual(mul(z, reshape(scale, [z.shape[0] as number, 1])), y)),
      violation: max(maximum(div(sub(steepest, beta), beta), 0)),
    };
  }),
);

/** Interior direction of each pattern's cone, [P, d]: (almost) the one of largest margin. Once per fit. Jitted. */
export const interiorDirections = jit((x: Tensor, signs: Tensor, r: Tensor) => {
  const [[, d], p] = [x.shape as [number, number], signs.shape[0] as number];
  const gram = matmul(x, x, { transposeA: true });
  const inverse = choleskyInverse(cholesky(add(mul(gram, r), eye(d, { dtype: x.dtype }))));
  const margin = sqrt(sum(square(x), 1));
  // ADMM for min ½‖c‖² s.t. S X c >= ‖x_k‖: s = max(g, margin), ν = g − s.
  const { c } = whileLoop(
    ({ k }) => k.less(INTERIOR_STEPS),
    ({ k, g }) => {
      const s = maximum(g, margin);
      const nu = sub(g, s);
      const next = rowsTimes(mul(rowsTimes(mul(sub(s, nu), signs), x), r), inverse);
      const reached = mul(rowsTimes(next, x, true), signs);
      return { k: k.add(1), c: next, g: add(add(mul(reached, RELAXATION), mul(s, 1 - RELAXATION)), nu) };
    },
    { k: counter(), c: zeros([p, d], { dtype: x.dtype }), g: zeros([p, x.shape[0] as number], { dtype: x.dtype }) },
  );
  return c;
});

/** Halvings of the interval of scales; the first is [0, 2]. */
const BISECTIONS = 60;

/** The t >= 0 for which l(t f) + t penalty is smallest, for each whole f [C, n]: in closed form, or by bisection of its derivative. */
export function bestScale(name: LossName, f: Tensor, y: Tensor, penalty: Tensor): Tensor {
  if (name === 'squared') {
    const size = sum(square(f));
    return maximum(div(sub(sum(mul(f, y)), penalty), where(greater(size, 0), size, 1)), 0);
  }
  const { low, high } = whileLoop(
    ({ k }) => k.less(BISECTIONS),
    ({ k, low, high }) => {
      const t = mul(add(low, high), 0.5);
      const ascends = greater(add(sum(mul(losses[name].slope(mul(f, t), y), f)), penalty), 0);
      return { k: k.add(1), low: where(ascends, low, t), high: where(ascends, t, high) };
    },
    { k: counter(), low: full([], 0, { dtype: f.dtype }), high: full([], 2, { dtype: f.dtype }) },
  );
  return mul(add(low, high), 0.5);
}

/**
 * v moved into its cones: projected by ADMM, then the rest of the violation removed along the interior directions, and the whole
 * scaled by the best t >= 0. Blocks whose direction has no positive margin where it is needed are dropped (0 is feasible).
 * Returns the blocks [2, C, P, d], their objective, and the share of blocks dropped. Jitted.
 */
export const feasible = perKey((name: LossName) =>
  jit((problem: AdmmProblem, v: Tensor, directions: Tensor) => {
    const { x, y, masks, signs, beta, tau, blockInverse } = problem;
    const start = maximum(mul(rowsTimes(v, x, true), signs), 0);
    const { c } = whileLoop(
      ({ k }) => k.less(PROJECTION_STEPS),
      ({ k, g }) => {
        const next = rowsTimes(add(v, mul(rowsTimes(mul(abs(g), signs), x), tau)), blockInverse);
        const reached = mul(rowsTimes(next, x, true), signs);
        const relaxed = add(mul(reached, RELAXATION), mul(maximum(g, 0), 1 - RELAXATION));
        return { k: k.add(1), c: next, g: add(relaxed, minimum(g, 0)) };
      },
      { k: counter(), c: v, g: start },
    );
    const active = greater(sum(abs(v), 3, { keepDims: true }), 0);
    const projected = where(active, c, 0);
    const violation = maximum(neg(mul(rowsTimes(projected, x, true), signs)), 0);
    const gain = mul(rowsTimes(directions, x, true), signs);
    const needed = greater(violation, 0);
    const push = max(where(needed, div(violation, gain), 0), 3, { keepDims: true });
    const lost = max(cast(logicalAnd(needed, lessEqual(gain, 0)), x.dtype), 3, { keepDims: true });
    // A touch more than needed, so that rounding cannot undo it.
    const moved = add(projected, mul(mul(push, 1 + 1e-9), directions));
    const inside = where(logicalAnd(active, lessEqual(lost, 0)), moved, 0);
    const f = predictions(masks, x, inside);
    const penalty = mul(sum(sqrt(sum(square(inside), 3))), beta);
    const t = bestScale(name, f, y, penalty);
    const scaled = mul(inside, t);
    const slack = min(mul(rowsTimes(scaled, x, true), signs));
    return {
      v: scaled,
      objective: add(totalLoss(name, mul(f, t), y), mul(penalty, t)),
      slack: minimum(slack, 0),
    };
  }),
);

/** Non-convex objective of the network that v recovers to, ReLUs and all: it needs no feasibility. Jitted. */
export const networkObjective = perKey((name: LossName) =>
  jit(({ x, y, beta }: Pick<AdmmProblem, 'x' | 'y' | 'beta'>, v: Tensor) => {
    const active = relu(rowsTimes(v, x, true));
    const outputs = sum(sub(half(active, 0), half(active, 1)), 1);
    return add(totalLoss(name, outputs, y), mul(sum(sqrt(sum(square(v), 3))), beta));
  }),
);
