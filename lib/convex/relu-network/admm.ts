/**
 * ADMM for the convex program of a two-layer ReLU network with squared loss (Bai, Gautam, Sojoudi, 2022, algorithm 1):
 *
 *   min ½‖Σ_i D_i X (v_i − w_i) − y‖² + β Σ_i (‖v_i‖ + ‖w_i‖)   s.t.  G_i v_i ≥ 0, G_i w_i ≥ 0,   G_i = (2D_i − I) X
 *
 * split as u = v (copies) and G u = s ≥ 0 (cones), with scaled duals λ and ν, penalty ρ on the copies and ρτ on the cones.
 *
 * Layout: sign (v, w) × class × pattern × (features or rows), [2, C, P, d] and [2, C, P, n]. F and G are never formed: masks multiply
 * products with X. One-vs-rest over C classes shares patterns and factorisations; its program is the sum of the classes' programs.
 *
 * Two identities save memory traffic. After a step, s = max(g, 0) and ν = min(g, 0) for g = Gu + ν, so g alone is carried and
 * s − ν = |g|. Likewise v = φ q and λ = (1 − φ) q for q = u + λ and the shrink factor φ of each block.
 */

import { scalar } from '../../core/concrete.js';
import { InternalError } from '../../core/errors.js';
import { concatenate, eye, reshape, slice, transpose, zeros } from '../../core/ops/arrays.js';
import {
  abs,
  add,
  cast,
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
import { cholesky, choleskyInverse, choleskySolve, matmul } from '../../core/ops/linalg.js';
import { sum } from '../../core/ops/reductions.js';
import type { Tensor } from '../../core/tensor.js';
import { isTracing } from '../../core/tracing.js';
import { jit } from '../../transforms/jit.js';
import { emit, whileLoop } from '../../transforms/loops.js';

/** How the u-step is solved: by the n x n system of the Woodbury identity, or by the dP x dP system. */
export type InnerSolver = 'woodbury' | 'direct';

/** What does not change while ρ stays: data, masks and inverses. */
export type AdmmProblem = {
  /** [n, d]. */
  readonly x: Tensor;
  /** Targets [C, n]. */
  readonly y: Tensor;
  /** 1[X g_i >= 0], [P, n]. */
  readonly masks: Tensor;
  /** 2 masks − 1, [P, n]. */
  readonly signs: Tensor;
  /** β and τ, scalars. */
  readonly beta: Tensor;
  readonly tau: Tensor;
  /** (I + τ XᵀX)⁻¹, [d, d], the same for every block. */
  readonly blockInverse: Tensor;
  /** X (I + τ XᵀX)⁻¹, [n, d]. */
  readonly solvedRows: Tensor;
  /** Fᵀy of the v half, [C, P, d]; the w half is its negative. */
  readonly correlation: Tensor;
};

/** The inverse that depends on ρ: (ρI + F M⁻¹ Fᵀ)⁻¹ [n, n], or (I⊗M + 2F₊ᵀF₊/ρ)⁻¹ [Pd, Pd]. */
export type AdmmFactor = { readonly rho: Tensor; readonly inverse: Tensor };

export type AdmmState = {
  /** u + λ, [2, C, P, d]. */
  readonly q: Tensor;
  /** Shrink factors of its blocks, [2, C, P, 1]: v = φ q. */
  readonly phi: Tensor;
  /** Gu + ν, [2, C, P, n]: s = max(g, 0), ν = min(g, 0). */
  readonly g: Tensor;
};

/** A⁻¹ of symmetric positive definite A. */
function inverseOf(a: Tensor): Tensor {
  return choleskyInverse(cholesky(a));
}

/** D_i applied to t for all i: [.., C, n] -> [.., C, P, n]. */
function masked(masks: Tensor, t: Tensor): Tensor {
  return mul(reshape(t, [...t.shape.slice(0, -1), 1, t.shape.at(-1) as number]), masks);
}

/** M⁻¹ and Fᵀy, in float64 whatever the dtype of the rest. Jitted. */
export const prepare = jit((x: Tensor, y: Tensor, masks: Tensor, tau: Tensor) => {
  const [n, d] = x.shape as [number, number];
  const wide = cast(x, 'float64');
  const gram = matmul(wide, wide, { transposeA: true });
  const inverse = inverseOf(add(mul(gram, cast(tau, 'float64')), eye(d, { dtype: 'float64' })));
  const [classes, patterns] = [y.shape[0] as number, masks.shape[0] as number];
  const correlation = matmul(reshape(masked(masks, y), [classes * patterns, n]), x);
  return {
    signs: sub(mul(masks, 2), 1),
    blockInverse: cast(inverse, x.dtype),
    solvedRows: cast(matmul(wide, inverse), x.dtype),
    correlation: reshape(correlation, [classes, patterns, d]),
  };
});

/** The ρ-independent part of the inner system, in float64: F M⁻¹ Fᵀ [n, n], or I⊗M and F₊ᵀF₊ [Pd, Pd]. Jitted. */
export const kernels = {
  // F M⁻¹ Fᵀ = 2 (X M⁻¹ Xᵀ) ∘ (Σ_i d_i d_iᵀ): one product over the patterns for all of them.
  woodbury: jit((x: Tensor, masks: Tensor, tau: Tensor) => {
    const [wide, m] = [cast(x, 'float64'), cast(masks, 'float64')];
    const gram = matmul(wide, wide, { transposeA: true });
    const l = cholesky(add(mul(gram, cast(tau, 'float64')), eye(x.shape[1] as number, { dtype: 'float64' })));
    const inner = matmul(wide, choleskySolve(l, transpose(wide)));
    return { fixed: zeros([1], { dtype: 'float64' }), kernel: mul(mul(inner, matmul(m, m, { transposeA: true })), 2) };
  }),
  direct: jit((x: Tensor, masks: Tensor, tau: Tensor) => {
    const [[n, d], p] = [x.shape as [number, number], masks.shape[0] as number];
    const [wide, m] = [cast(x, 'float64'), cast(masks, 'float64')];
    const gram = add(mul(matmul(wide, wide, { transposeA: true }), cast(tau, 'float64')), eye(d, { dtype: 'float64' }));
    const blocks = mul(reshape(eye(p, { dtype: 'float64' }), [p, 1, p, 1]), reshape(gram, [1, d, 1, d]));
    const features = reshape(mul(reshape(transpose(m), [n, p, 1]), reshape(wide, [n, 1, d])), [n, p * d]);
    return { fixed: reshape(blocks, [p * d, p * d]), kernel: mul(matmul(features, features, { transposeA: true }), 2) };
  }),
};

/** The inner inverse for a ρ, formed in float64 and rounded once. Jitted. */
export const factorise = {
  woodbury: jit((like: Tensor, { kernel }: { fixed: Tensor; kernel: Tensor }, rho: Tensor) => {
    const n = kernel.shape[0] as number;
    return cast(inverseOf(add(kernel, mul(eye(n, { dtype: 'float64' }), cast(rho, 'float64')))), like.dtype);
  }),
  direct: jit((like: Tensor, { fixed, kernel }: { fixed: Tensor; kernel: Tensor }, rho: Tensor) =>
    cast(inverseOf(add(fixed, div(kernel, cast(rho, 'float64')))), like.dtype),
  ),
};

const half = (t: Tensor, which: 0 | 1): Tensor => {
  const rest = t.shape.slice(1);
  return reshape(slice(t, [which, ...rest.map(() => 0)], [which + 1, ...rest]), rest);
};

const both = (plus: Tensor, minus: Tensor): Tensor =>
  concatenate(
    [plus, minus].map((t) => reshape(t, [1, ...t.shape])),
    0,
  );

/** Rows times a matrix: [.., k] times [k, m] (or its transpose). */
function rowsTimes(t: Tensor, matrix: Tensor, transposeB = false): Tensor {
  const k = t.shape.at(-1) as number;
  const product = matmul(reshape(t, [t.size / k, k]), matrix, { transposeB });
  return reshape(product, [...t.shape.slice(0, -1), product.shape[1] as number]);
}

/** F u = Σ_i D_i X (u_i − z_i), [C, n]. */
export function predictions(masks: Tensor, x: Tensor, u: Tensor): Tensor {
  return sum(mul(rowsTimes(sub(half(u, 0), half(u, 1)), x, true), masks), 1);
}

/** u-step: argmin_u of the augmented Lagrangian (card step 1), by one of the two inner systems. */
function solveU(problem: AdmmProblem, { rho, inverse }: AdmmFactor, solver: InnerSolver, state: AdmmState): Tensor {
  const { x, masks, signs, tau, blockInverse, solvedRows, correlation } = problem;
  const { q, phi, g } = state;
  // b = Fᵀy/ρ + (v − λ) + τ Gᵀ(s − ν)
  const pulled = mul(rowsTimes(mul(abs(g), signs), x), tau);
  const b = add(add(mul(q, sub(mul(phi, 2), 1)), pulled), div(both(correlation, neg(correlation)), rho));
  if (solver === 'direct') {
    // The blocks' sums see M alone, their differences M + 2F₊ᵀF₊/ρ.
    const [plus, minus] = [half(b, 0), half(b, 1)];
    const total = rowsTimes(add(plus, minus), blockInverse);
    const [c, p, d] = plus.shape as [number, number, number];
    const difference = reshape(matmul(reshape(sub(plus, minus), [c, p * d]), inverse), [c, p, d]);
    return mul(both(add(total, difference), sub(total, difference)), 0.5);
  }
  const mb = rowsTimes(b, blockInverse);
  const h = matmul(predictions(masks, x, mb), inverse);
  const correction = rowsTimes(masked(masks, h), solvedRows);
  return sub(mb, both(correction, neg(correction)));
}

/** Shrink factors of group soft-thresholding: (1 − β/(ρ‖q_i‖))₊, [2, C, P, 1]. */
function shrinkFactors(q: Tensor, threshold: Tensor): Tensor {
  const norms = sqrt(sum(square(q), 3, { keepDims: true }));
  const factor = maximum(sub(1, div(threshold, norms)), 0);
  return where(greater(norms, 0), factor, 0);
}

/** One iteration, over-relaxed by `relaxation` (1: plain). Returns the new state and u. */
function step(
  problem: AdmmProblem,
  factor: AdmmFactor,
  solver: InnerSolver,
  relaxation: number,
  state: AdmmState,
): AdmmState & { u: Tensor } {
  const { q, phi, g } = state;
  const u = solveU(problem, factor, solver, state);
  const relaxed = (fresh: Tensor, old: Tensor): Tensor =>
    relaxation === 1 ? fresh : add(mul(fresh, relaxation), mul(old, 1 - relaxation));
  const nextQ = add(relaxed(u, mul(q, phi)), mul(q, sub(1, phi)));
  const gu = mul(rowsTimes(u, problem.x, true), problem.signs);
  const nextG = add(relaxed(gu, maximum(g, 0)), minimum(g, 0));
  return { q: nextQ, phi: shrinkFactors(nextQ, div(problem.beta, factor.rho)), g: nextG, u };
}

/** Sizes of the residuals, relative to what they compare: scalars. */
export type AdmmResiduals = { readonly primal: Tensor; readonly dual: Tensor };

function residuals({ x, signs, tau }: AdmmProblem, u: Tensor, before: AdmmState, after: AdmmState): AdmmResiduals {
  const weighed = (copies: Tensor, cones: Tensor): Tensor =>
    sqrt(add(sum(square(copies)), mul(sum(square(cones)), tau)));
  const gu = mul(rowsTimes(u, x, true), signs);
  const v = (state: AdmmState): Tensor => mul(state.q, state.phi);
  const s = (state: AdmmState): Tensor => maximum(state.g, 0);
  const scale = maximum(weighed(u, gu), weighed(v(after), s(after)));
  const duals = weighed(mul(after.q, sub(1, after.phi)), minimum(after.g, 0));
  const ratio = (a: Tensor, b: Tensor): Tensor => div(a, where(greater(b, 0), b, 1));
  return {
    primal: ratio(weighed(sub(u, v(after)), sub(gu, s(after))), scale),
    dual: ratio(weighed(sub(v(after), v(before)), sub(s(after), s(before))), duals),
  };
}

function makeAdvance(solver: InnerSolver, relaxation: number, silent: boolean) {
  return jit((problem: AdmmProblem, factor: AdmmFactor, state: AdmmState, count: Tensor, done: Tensor) => {
    const last = add(done, count);
    const init = { k: add(done, 1), state };
    const before = whileLoop(
      ({ k }) => k.less(last),
      ({ k, state: now }) => {
        const { q, phi, g } = step(problem, factor, solver, relaxation, now);
        if (!silent) emit('iterations', { iteration: k });
        return { k: k.add(1), state: { q, phi, g } };
      },
      init,
    ).state;
    const { u, q, phi, g } = step(problem, factor, solver, relaxation, before);
    const after = { q, phi, g };
    return { state: after, u, ...residuals(problem, u, before, after) };
  });
}

type Advance = ReturnType<typeof makeAdvance>;
const advances = new Map<string, Advance>();

/**
 * `count` (int32 scalar >= 1) iterations as one native loop, reported (unless `silent`) as those after the first `done` (int32 scalar).
 * Returns the state, u and the residuals of the last one.
 */
export function advance(solver: InnerSolver, relaxation: number, { silent = false } = {}): Advance {
  if (isTracing()) throw new InternalError('admm', 'Expected a call outside of tracing');
  const name = `${solver}:${relaxation}:${silent}`;
  let known = advances.get(name);
  if (!known) {
    known = makeAdvance(solver, relaxation, silent);
    advances.set(name, known);
  }
  return known;
}

/** The state that ADMM starts from. */
export function initialState(
  classes: number,
  patterns: number,
  n: number,
  d: number,
  dtype: Tensor['dtype'],
): AdmmState {
  return {
    q: zeros([2, classes, patterns, d], { dtype }),
    phi: zeros([2, classes, patterns, 1], { dtype }),
    g: zeros([2, classes, patterns, n], { dtype }),
  };
}

/** The state for another penalty: v and s stay, the scaled duals λ and ν shrink by `factor`. φ no longer matches q alone. Jitted. */
export const rescaleDuals = jit(({ q, phi, g }: AdmmState, factor: Tensor): AdmmState => {
  const v = mul(q, phi);
  const scaled = add(v, div(mul(q, sub(1, phi)), factor));
  // v = φ' q' must survive with q' parallel to q: φ' = φ / (φ + (1 − φ)/factor).
  const weight = add(phi, div(sub(1, phi), factor));
  return { q: scaled, phi: div(phi, weight), g: add(maximum(g, 0), div(minimum(g, 0), factor)) };
});

/** Everything that iterations need but the factor of a penalty. */
export type SetUp = {
  readonly problem: AdmmProblem;
  readonly solver: InnerSolver;
  /** The part of the inner system that does not depend on ρ, float64. */
  readonly kernel: { readonly fixed: Tensor; readonly kernel: Tensor };
};

/** Set-up for data x [n, d], targets y [C, n] and masks [P, n] of one float dtype. */
export function setUp(
  x: Tensor,
  y: Tensor,
  masks: Tensor,
  { beta, tau, solver }: { beta: number; tau: number; solver: InnerSolver },
): SetUp {
  const parts = prepare(x, y, masks, scalar(tau, x.dtype));
  const kernel = kernels[solver](x, masks, scalar(tau, 'float64'));
  return { problem: { x, y, masks, beta: scalar(beta, x.dtype), tau: scalar(tau, x.dtype), ...parts }, solver, kernel };
}

export function factorOf({ problem: { x }, solver, kernel }: SetUp, rho: number): AdmmFactor {
  return { rho: scalar(rho, x.dtype), inverse: factorise[solver](x, kernel, scalar(rho, 'float64')) };
}

/**
 * A fixed number of plain iterations from zero at a fixed penalty: for comparisons and benches.
 * @returns v [2, C, P, d].
 */
export function admmIterations(
  x: Tensor,
  y: Tensor,
  masks: Tensor,
  options: { beta: number; rho: number; iterations: number; tau?: number; relaxation?: number; solver?: InnerSolver },
): { run: () => { v: Tensor; predictions: Tensor } } {
  const { beta, rho, iterations, tau = 1, relaxation = 1, solver = 'woodbury' } = options;
  const set = setUp(x, y, masks, { beta, tau, solver });
  const factor = factorOf(set, rho);
  const [n, d] = x.shape as [number, number];
  const start = initialState(y.shape[0] as number, masks.shape[0] as number, n, d, x.dtype);
  const [count, none] = [scalar(iterations, 'int32'), scalar(0, 'int32')];
  return {
    run: () => {
      const { state, u } = advance(solver, relaxation)(set.problem, factor, start, count, none);
      return { v: mul(state.q, state.phi), predictions: predictions(masks, x, u) };
    },
  };
}
