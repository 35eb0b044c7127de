/** Singular value decomposition and what is made of it, batched over leading dimensions. */
import { epsilonOf } from '../dtype.js';
import { DomainError } from '../errors.js';
import * as linalg from '../primitives/lax-linalg.js';
import type { Tensor } from '../tensor.js';
import type { TensorLike } from '../tracing.js';
import { div, greater, mul, where } from './elementwise.js';

/** A reduced singular value decomposition A = U diag(s) Vᵀ, k = min(m, n). */
export interface Svd {
  /** Orthonormal columns, [.., m, k]; in each the first component of nearly the largest magnitude is positive. */
  readonly u: Tensor;
  /** Singular values, descending, [.., k]. */
  readonly s: Tensor;
  /** Orthonormal rows, [.., k, n]. */
  readonly vt: Tensor;
}

/**
 * Reduced singular value decomposition A = U diag(s) Vᵀ of A [.., m, n], float32 or float64, by divide and conquer.
 *
 * At equal singular values, and at zero ones when m ≠ n, the singular vectors do not depend smoothly on A: derivatives that go through
 * `u` or `vt` are not finite there. `svdThreshold` and `nuclearNorm` have derivatives of their own that need no gaps.
 *
 * Reads reject with NumericalError when A holds NaN or infinity, or the iteration does not converge.
 * @throws {ShapeError} not matrices.  {DTypeError} not a float dtype.
 * @see G. H. Golub, C. F. Van Loan, Matrix Computations, 4th ed., section 8.6; derivative: J. Townsend, Differentiating the singular
 *   value decomposition, 2016.
 */
export function svd(a: Tensor): Svd {
  const [u, s, vt, info] = linalg.svd(a);
  const checked = (x: Tensor): Tensor => linalg.checked(x, info, 'svd');
  return { u: checked(u), s: checked(s), vt: checked(vt) };
}

/** The singular values of `svd` alone, [.., k], several times faster. Differentiating decomposes A again, with vectors. */
export function singularValues(a: Tensor): Tensor {
  const [s, info] = linalg.singularValues(a);
  return linalg.checked(s, info, 'singularValues');
}

/** The decomposition of a, as a constant that goes along with a. */
function parts(a: Tensor): { parts: linalg.SingularParts; info: Tensor } {
  const [u, s, vt, info] = linalg.svd(linalg.constant(a));
  return { parts: [u, s, vt], info };
}

export interface PinvOptions {
  /** Singular values up to `tolerance` times the largest count as zero. Default: max(m, n) eps. */
  readonly tolerance?: number;
}

/**
 * Moore-Penrose inverse A⁺ [.., n, m] of A [.., m, n], by singular value decomposition. Its derivative supposes that the rank does not
 * change, and is then right at equal singular values, too.
 *
 * Reads reject with NumericalError when A holds NaN or infinity.
 * @throws {ShapeError} not matrices.  {DTypeError} not a float dtype.  {DomainError} a negative tolerance.
 * @see G. H. Golub, V. Pereyra, The differentiation of pseudo-inverses, SIAM J. Numer. Anal. 1973, eq. (4.12).
 */
export function pinv(a: Tensor, options: PinvOptions = {}): Tensor {
  const { tolerance = Math.max(...a.shape.slice(-2)) * epsilonOf(a.dtype) } = options;
  if (!(tolerance >= 0)) throw new DomainError('pinv', `Expected tolerance >= 0, received ${tolerance}`);
  const found = parts(a);
  return linalg.checked(linalg.pseudoInverse(a, found.parts, tolerance), found.info, 'pinv');
}

/**
 * Nuclear norm of A [.., m, n], the sum of its singular values, one a matrix.
 *
 * Gradient: U Vᵀ over the singular values that are not zero, the subgradient of least norm. It is right at equal singular values, and
 * so are second derivatives where no singular value is zero.
 *
 * Reads reject with NumericalError when A holds NaN or infinity.
 * @throws {ShapeError} not matrices.  {DTypeError} not a float dtype.
 * @see G. A. Watson, Characterization of the subdifferential of some matrix norms, Linear Algebra Appl. 1992.
 */
export function nuclearNorm(a: Tensor): Tensor {
  const found = parts(a);
  return linalg.checked(linalg.nuclearNorm(a, found.parts), found.info, 'nuclearNorm');
}

/**
 * U diag(max(s - τ, 0)) Vᵀ of A [.., m, n] = U diag(s) Vᵀ: the proximal operator of τ times the nuclear norm.
 *
 * Derivatives in A are by divided differences, so that they are right at equal and at zero singular values, up to third order. They cost
 * products of order m + n. A threshold that is a tensor has a derivative, too (0 at τ = 0).
 *
 * Reads reject with NumericalError when A holds NaN or infinity.
 * @param threshold  τ >= 0: a number, or a scalar tensor of the dtype of A.
 * @throws {ShapeError} not matrices.  {DTypeError} not one float dtype.  {DomainError} a negative or non-finite number τ.
 * @see J.-F. Cai, E. J. Candes, Z. Shen, A singular value thresholding algorithm for matrix completion, SIAM J. Optim. 2010,
 *   theorem 2.1.
 */
export function svdThreshold(a: Tensor, threshold: TensorLike): Tensor {
  if (typeof threshold === 'number') {
    if (!(threshold >= 0 && Number.isFinite(threshold)))
      throw new DomainError('svdThreshold', `Expected a finite threshold >= 0, received ${threshold}`);
    return threshold === 0 ? a : thresholded(a, threshold);
  }
  if (typeof threshold === 'boolean') throw new DomainError('svdThreshold', 'Expected a number, received a boolean');
  // A zero is kept out of the division, so that no derivative meets it.
  const positive = greater(threshold, 0);
  return where(positive, thresholded(a, where(positive, threshold, 1)), a);
}

/** The kernel's threshold is 1: S_τ(A) = τ S_1(A / τ). */
function thresholded(a: Tensor, threshold: TensorLike): Tensor {
  const scaled = div(a, threshold);
  const found = parts(scaled);
  const result = linalg.singularFunction('softThreshold', scaled, found.parts);
  return mul(linalg.checked(result, found.info, 'svdThreshold'), threshold);
}
