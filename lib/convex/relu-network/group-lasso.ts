/**
 * The programs without cones: min_W l(A W, y) + β Σ_g ‖W_g‖ over groups W_g, the last axis of W.
 *
 *   sampled  A W = Σ_j (X u_j)₊ a_j for fixed unit directions u_j, groups a_j ∈ R^C: the sampled convex program of Bai, Gautam and
 *            Sojoudi, 2022 (section 5), whose dual is the sampled version of max −l*(−z) s.t. ‖zᵀ(Xu)₊‖ ≤ β for ‖u‖ ≤ 1.
 *   gated    A W = Σ_i D_i X v_i, groups v_i ∈ R^d for each class: gated ReLU networks (Mishkin, Sahiner and Pilanci, 2022).
 *
 * By accelerated proximal gradient with restarts, in float64, until the duality gap is small.
 */

import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { scalar } from '../../core/concrete.js';
import { NumericalError } from '../../core/errors.js';
import { full, ones, reshape, zeros } from '../../core/ops/arrays.js';
import { add, div, greater, maximum, mul, neg, sqrt, square, sub, where } from '../../core/ops/elementwise.js';
import { matmul } from '../../core/ops/linalg.js';
import { max, sum } from '../../core/ops/reductions.js';
import type { Tensor } from '../../core/tensor.js';
import { disposeTree } from '../../core/tree.js';
import type { SolverOptions } from '../../solvers/options.js';
import { type Accelerated, acceleratedStep } from '../../solvers/proximal-gradient.js';
import type { Work } from '../../solvers/work.js';
import { jit } from '../../transforms/jit.js';
import { emit, whileLoop } from '../../transforms/loops.js';
import { countActive } from './blocks.js';
import { masked } from './inner-system.js';
import { type LossName, losses, perKey, totalLoss } from './losses.js';
import { type Certificate, type GroupHistoryPoint, progressOf } from './report.js';

/** What A is made of: `features` (X U)₊ [n, N]; or x [n, d] and masks [P, n]. All float64. */
export type Design =
  | { readonly kind: 'sampled'; readonly data: { readonly features: Tensor } }
  | { readonly kind: 'gated'; readonly data: { readonly x: Tensor; readonly masks: Tensor } };

/** A as a pair of functions: predictions [C, n] of weights, and the adjoint. */
interface LinearMap<D> {
  apply(data: D, w: Tensor): Tensor;
  adjoint(data: D, r: Tensor): Tensor;
}

type Data<K extends Design['kind']> = Extract<Design, { kind: K }>['data'];

const maps: { readonly [K in Design['kind']]: LinearMap<Data<K>> } = {
  // Weights [N, C].
  sampled: {
    apply: ({ features }, w) => matmul(w, features, { transposeA: true, transposeB: true }),
    adjoint: ({ features }, r) => matmul(features, r, { transposeA: true, transposeB: true }),
  },
  // Weights [C, P, d].
  gated: {
    apply: ({ x, masks }, v) => {
      const [classes, patterns, d] = v.shape as [number, number, number];
      const products = matmul(reshape(v, [classes * patterns, d]), x, { transposeB: true });
      return sum(mul(reshape(products, [classes, patterns, x.shape[0] as number]), masks), 1);
    },
    adjoint: ({ x, masks }, r) => {
      const [classes, patterns, n] = [r.shape[0] as number, masks.shape[0] as number, r.shape[1] as number];
      const products = matmul(reshape(masked(masks, r), [classes * patterns, n]), x);
      return reshape(products, [classes, patterns, x.shape[1] as number]);
    },
  },
};

const mapOf = (kind: Design['kind']): LinearMap<Design['data']> => maps[kind] as LinearMap<Design['data']>;

const groupNorms = (w: Tensor): Tensor => sqrt(sum(square(w), w.rank - 1, { keepDims: true }));

const POWER_STEPS = 100;
/** Power iteration approaches ‖A‖² from below. */
const MARGIN = 1.02;

interface Kind {
  readonly kind: Design['kind'];
  readonly loss: LossName;
}

const named = ({ kind, loss }: Kind): string => `${kind}, ${loss}`;

/** An estimate of ‖A‖², from a start that no group is orthogonal to by accident. */
const squaredNorm = perKey((kind: Design['kind']) =>
  jit((data: Design['data'], start: Tensor) => {
    const { apply, adjoint } = mapOf(kind);
    return whileLoop(
      ({ k }) => k.less(POWER_STEPS),
      ({ k, w }) => {
        const image = adjoint(data, apply(data, w));
        const size = sqrt(sum(square(image)));
        return { k: k.add(1), w: div(image, where(greater(size, 0), size, 1)), size };
      },
      { k: full([], 0, { dtype: 'int32' }), w: start, size: full([], 0, { dtype: 'float64' }) },
    ).size;
  }),
);

/** `count` steps with step length 1/L: no loss here bends more than 1, so L = ‖A‖². */
const advance = perKey(
  ({ kind, loss }: Kind) =>
    jit(
      (data: Design['data'], y: Tensor, beta: Tensor, step: Tensor, from: Accelerated, count: Tensor, done: Tensor) => {
        const { apply, adjoint } = mapOf(kind);
        const last = add(done, count);
        return whileLoop(
          ({ k }) => k.less(last),
          ({ k, now }) => {
            const gradient = adjoint(data, losses[loss].slope(apply(data, now.y), y));
            const moved = sub(now.y, mul(gradient, step));
            const norms = groupNorms(moved);
            const shrink = maximum(sub(1, div(mul(beta, step), where(greater(norms, 0), norms, 1))), 0);
            emit('iterations', { iteration: k });
            return { k: k.add(1), now: acceleratedStep(now, mul(moved, shrink)) };
          },
          { k: done, now: from },
        ).now;
      },
    ),
  named,
);

/** Objective, dual value of z = −l'(A W) scaled into ‖A_gᵀz‖ ≤ β, and by how much it was outside, relative to β. */
const certify = perKey(
  ({ kind, loss: name }: Kind) =>
    jit((data: Design['data'], y: Tensor, beta: Tensor, w: Tensor) => {
      const { apply, adjoint } = mapOf(kind);
      const fitted = apply(data, w);
      const norms = groupNorms(w);
      const loss = losses[name];
      const z = neg(loss.slope(fitted, y));
      const steepest = max(groupNorms(adjoint(data, z)));
      const limit = mul(ones([y.shape[0] as number], { dtype: 'float64' }), div(beta, maximum(steepest, 1e-300)));
      const scale = reshape(loss.dualScale(z, y, limit), [y.shape[0] as number, 1]);
      return {
        primal: add(totalLoss(name, fitted, y), mul(sum(norms), beta)),
        lower: sum(loss.dual(mul(z, scale), y)),
        violation: maximum(div(sub(steepest, beta), beta), 0),
      };
    }),
  named,
);

export interface GroupSettings {
  readonly loss: LossName;
  readonly beta: number;
  readonly tolerance: number;
  readonly maxIterations: number;
  readonly onProgress: SolverOptions['onProgress'];
}

const LONGEST_CHUNK = 1000;

/**
 * Solves one of the programs.
 * @param y  [C, n], float64.  @param shape  of the weights: [N, C] or [C, P, d].
 */
export async function solveGroupLasso(
  here: Work,
  { kind, data }: Design,
  y: Tensor,
  shape: readonly number[],
  { loss, beta, tolerance, maxIterations, onProgress }: GroupSettings,
) {
  const started = performance.now();
  const penalty = here.run(() => scalar(beta, 'float64'));
  const start = here.run(() => ones(shape, { dtype: 'float64' }));
  const lipschitz = MARGIN * (await here.run(() => squaredNorm(kind)(data, start)).item());
  const step = here.run(() => scalar(lipschitz > 0 ? 1 / lipschitz : 1, 'float64'));
  let now: Accelerated = here.run(() => {
    const w = zeros(shape, { dtype: 'float64' });
    return { x: w, y: w, t: full([], 1, { dtype: 'float64' }) };
  });
  const history: GroupHistoryPoint[] = [];
  let [iteration, chunk, objective] = [0, 10, Number.NaN];
  const report = progressOf(onProgress, maxIterations);
  if (onProgress) here.onEmit((_, { iteration: inner }) => report(inner as number, objective));
  let certificate: Certificate | undefined;
  while (iteration < maxIterations) {
    const count = Math.min(chunk, maxIterations - iteration);
    const [before, done] = [now, iteration];
    now = here.run(() => {
      const counts = [scalar(count, 'int32'), scalar(done, 'int32')] as const;
      return advance({ kind, loss })(data, y, penalty, step, before, ...counts);
    });
    await eventLoopTurn();
    const values = here.run(() => certify({ kind, loss })(data, y, penalty, now.x));
    const [primal, lowerBound, violation] = await Promise.all([
      values.primal.item(),
      values.lower.item(),
      values.violation.item(),
    ]);
    disposeTree([values, before]);
    iteration += count;
    chunk = Math.min(LONGEST_CHUNK, 2 * chunk);
    objective = primal;
    if (!Number.isFinite(primal)) {
      throw new NumericalError('ReluNetwork.fit', `Expected a finite objective, received ${primal}`, {
        hint: 'scale the features to order one',
      });
    }
    const gap = primal - lowerBound;
    const relativeGap = primal === 0 ? 0 : gap / Math.abs(primal);
    history.push({ iteration, time: (performance.now() - started) / 1000, objective, relativeGap });
    report(iteration, objective);
    certificate = {
      ...{ primal, lowerBound, gap, relativeGap, kktResidual: violation, scope: 'sampled' },
      patterns: kind === 'sampled' ? (shape[0] as number) : (shape[1] as number),
      activeNeurons: 0,
    };
    if (relativeGap <= tolerance) break;
  }
  const last = certificate as Certificate;
  const activeNeurons = await countActive(here, now.x);
  return {
    weights: now.x,
    objective: last.primal,
    iterations: iteration,
    converged: last.relativeGap <= tolerance,
    history,
    certificate: { ...last, activeNeurons },
  };
}
