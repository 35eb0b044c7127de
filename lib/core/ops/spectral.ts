/** Symmetric matrices: eigenvalues and functions of them, batched over leading dimensions. */
import { DomainError } from '../errors.js';
import * as linalg from '../primitives/lax-linalg.js';
import { functionOf } from '../primitives/spectral.js';
import type { Tensor } from '../tensor.js';

/** A symmetric eigen-decomposition A = V diag(w) Vᵀ. */
export interface Eigh {
  /** Eigenvalues, ascending, [.., n]. */
  readonly w: Tensor;
  /** Orthonormal eigenvectors as columns, [.., n, n]; the first component of nearly the largest magnitude is positive. */
  readonly v: Tensor;
}

/**
 * Eigenvalues and eigenvectors of symmetric A [.., n, n], float32 or float64: A = V diag(w) Vᵀ, by divide and conquer. Of a matrix that
 * is not symmetric the symmetric part (A + Aᵀ)/2 counts, in derivatives, too: gradients are symmetric.
 *
 * At equal eigenvalues the eigenvectors are any basis of their space, which does not depend smoothly on A: derivatives that go through
 * `v` are not finite there. Those through `w` are finite (one of the directional derivatives), and exact for sums over equal
 * eigenvalues. Differentiate functions of A through `symmetricFunction`, which needs no gaps.
 *
 * Reads reject with NumericalError when A holds NaN or infinity, or the iteration does not converge.
 * @throws {ShapeError} not square.  {DTypeError} not a float dtype.
 * @see G. H. Golub, C. F. Van Loan, Matrix Computations, 4th ed., section 8.4; derivative: J. R. Magnus, On differentiating
 *   eigenvalues and eigenvectors, Econometric Theory 1985.
 */
export function eigh(a: Tensor): Eigh {
  const [w, v, info] = linalg.eigh(a);
  return { w: linalg.checked(w, info, 'eigh'), v: linalg.checked(v, info, 'eigh') };
}

/** The eigenvalues of `eigh` alone, [.., n], several times faster. Differentiating decomposes A again, with eigenvectors. */
export function eigvalsh(a: Tensor): Tensor {
  const [w, info] = linalg.eigenvalues(a);
  return linalg.checked(w, info, 'eigvalsh');
}

/** What `symmetricFunction` applies to eigenvalues. */
export type SymmetricFunction = 'sqrt' | 'inverseSqrt' | 'log' | 'exp' | 'relu';
const symmetricFunctions: readonly SymmetricFunction[] = ['sqrt', 'inverseSqrt', 'log', 'exp', 'relu'];

/**
 * f(A) = V diag(f(w)) Vᵀ of symmetric A [.., n, n] = V diag(w) Vᵀ, float32 or float64: matrix square root and its inverse, logarithm,
 * exponential, and `relu`, the projection onto positive semidefinite matrices in the Frobenius norm. Of a matrix that is not symmetric
 * the symmetric part (A + Aᵀ)/2 counts, in derivatives, too.
 *
 * Derivatives are right at equal eigenvalues, where those through `eigh` are not: dF = V (D ∘ Vᵀ dA V) Vᵀ with D the first divided
 * differences of f at the eigenvalues, which are f' where two coincide. Second and third order likewise; higher ones throw
 * DomainError. The third order costs O(n⁴). `relu` has the derivative 0 at an eigenvalue 0.
 *
 * Eigenvalues within n eps max|w| of zero count as zero. The roots and `log` of a negative eigenvalue are NaN; at zero `log` and
 * `inverseSqrt` are not finite, nor is the derivative of `sqrt`.
 *
 * Reads reject with NumericalError when A holds NaN or infinity, or the decomposition does not converge.
 * @throws {ShapeError} not square.  {DTypeError} not a float dtype.  {DomainError} unknown function.
 * @see R. Bhatia, Matrix Analysis, 1997, theorem V.3.3 (first order) and section X.4; N. J. Higham, Functions of Matrices, 2008,
 *   section 3.2.
 */
export function symmetricFunction(a: Tensor, name: SymmetricFunction): Tensor {
  if (!symmetricFunctions.includes(name)) {
    throw new DomainError(
      'symmetricFunction',
      `Expected a function out of ${symmetricFunctions.join(', ')}, received ${String(name)}`,
    );
  }
  const [result, info] = functionOf(name, a);
  return linalg.checked(result, info, 'symmetricFunction');
}
