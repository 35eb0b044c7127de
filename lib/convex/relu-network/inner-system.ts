/**
 * The linear system of the u-step, (I + τGᵀG + FᵀF/ρ) u = b, inverted once for each penalty: M = I + τXᵀX is the same d x d matrix for
 * every block, and F couples only the differences u_i − z_i.
 */

import { scalar } from '../../core/concrete.js';
import { eye, reshape, transpose, zeros } from '../../core/ops/arrays.js';
import { add, cast, div, mul, sub } from '../../core/ops/elementwise.js';
import { cholesky, choleskyInverse, choleskySolve, matmul } from '../../core/ops/linalg.js';
import type { Tensor } from '../../core/tensor.js';
import { jit } from '../../transforms/jit.js';

/** How the u-step is solved: by the n x n system of the Woodbury identity, by the dP x dP system, or block by block without a system. */
export type InnerSolver = 'woodbury' | 'direct' | 'coordinate-descent';

/** What does not change while ρ stays: data, masks and the inverse of a block. */
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
};

/** The inverse that depends on ρ: (ρI + F M⁻¹ Fᵀ)⁻¹ [n, n], (I⊗M + 2F₊ᵀF₊/ρ)⁻¹ [Pd, Pd], or none for coordinate descent. */
export type AdmmFactor = { readonly rho: Tensor; readonly inverse: Tensor | undefined };

/** Solves A Z = I for symmetric positive definite A. */
function inverseOf(a: Tensor): Tensor {
  return choleskyInverse(cholesky(a));
}

/** D_i applied to t for all i: [.., C, n] -> [.., C, P, n]. */
export function masked(masks: Tensor, t: Tensor): Tensor {
  return mul(reshape(t, [...t.shape.slice(0, -1), 1, t.shape.at(-1) as number]), masks);
}

/** M⁻¹, in float64 whatever the dtype of the rest. Jitted. */
const prepare = jit((x: Tensor, masks: Tensor, tau: Tensor) => {
  const d = x.shape[1] as number;
  const wide = cast(x, 'float64');
  const gram = matmul(wide, wide, { transposeA: true });
  const inverse = inverseOf(add(mul(gram, cast(tau, 'float64')), eye(d, { dtype: 'float64' })));
  return {
    signs: sub(mul(masks, 2), 1),
    blockInverse: cast(inverse, x.dtype),
    solvedRows: cast(matmul(wide, inverse), x.dtype),
  };
});

/** The ρ-independent part of the inner system, in float64: F M⁻¹ Fᵀ [n, n], or I⊗M and F₊ᵀF₊ [Pd, Pd]. Jitted. */
const kernels = {
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
const factorise = {
  woodbury: jit((like: Tensor, { kernel }: { fixed: Tensor; kernel: Tensor }, rho: Tensor) => {
    const n = kernel.shape[0] as number;
    return cast(inverseOf(add(kernel, mul(eye(n, { dtype: 'float64' }), cast(rho, 'float64')))), like.dtype);
  }),
  direct: jit((like: Tensor, { fixed, kernel }: { fixed: Tensor; kernel: Tensor }, rho: Tensor) =>
    cast(inverseOf(add(fixed, div(kernel, cast(rho, 'float64')))), like.dtype),
  ),
};

/** Everything that iterations need but the factor of a penalty. */
export type SetUp = {
  readonly problem: AdmmProblem;
  readonly solver: InnerSolver;
  /** The part of the inner system that does not depend on ρ, float64. */
  readonly kernel: { readonly fixed: Tensor; readonly kernel: Tensor } | undefined;
};

/** Set-up for data x [n, d], targets y [C, n] and masks [P, n] of one float dtype. */
export function setUp(
  x: Tensor,
  y: Tensor,
  masks: Tensor,
  { beta, tau, solver }: { beta: number; tau: number; solver: InnerSolver },
): SetUp {
  const parts = prepare(x, masks, scalar(tau, x.dtype));
  const kernel = solver === 'coordinate-descent' ? undefined : kernels[solver](x, masks, scalar(tau, 'float64'));
  return { problem: { x, y, masks, beta: scalar(beta, x.dtype), tau: scalar(tau, x.dtype), ...parts }, solver, kernel };
}

export function factorOf({ problem: { x }, solver, kernel }: SetUp, rho: number): AdmmFactor {
  if (solver === 'coordinate-descent' || !kernel) return { rho: scalar(rho, x.dtype), inverse: undefined };
  return { rho: scalar(rho, x.dtype), inverse: factorise[solver](x, kernel, scalar(rho, 'float64')) };
}
