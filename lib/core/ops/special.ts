/** Special functions, elementwise. */
import { isFloat } from '../dtype.js';
import { DomainError, DTypeError } from '../errors.js';
import { polygammaSeries } from '../primitives/special.js';
import type { Tensor } from '../tensor.js';
import { binary, unary } from './broadcasting.js';
import { notEqual } from './elementwise.js';

/** The error function, 2/√π times the integral of exp(-t²) from 0 to x. float32, float64. */
export const erf = unary('erf');
/** x of erf(x): infinite at -1 and 1, NaN beyond. float32, float64. */
export const erfinv = unary('erfinv');
/** log |Γ(x)|: infinite at 0, -1, -2, ... float32, float64. */
export const lgamma = unary('lgamma');
/** ψ(x) = Γ'(x) / Γ(x): NaN at -1, -2, ... float32, float64. */
export const digamma = unary('digamma');
/** The angle of the point (x, y) from the x axis, in [-π, π]; signs of zero count, as in C. float32, float64. */
export const atan2 = binary('atan2');

/** The angle in (-π/2, π/2) whose tangent is x. */
export function atan(x: Tensor): Tensor {
  return atan2(x, 1);
}

/**
 * The n-th derivative of digamma.
 *
 * @param n  whole number >= 0. 0 is digamma and 1 trigamma, for any x.
 * @param x  float32 or float64. For n >= 2 the result is NaN where x <= 0.
 * @throws {DomainError} n is not a whole number >= 0.  {DTypeError} x is not of a float dtype.
 * @see M. Abramowitz and I. A. Stegun, Handbook of Mathematical Functions, section 6.4.
 */
export function polygamma(n: number, x: Tensor): Tensor {
  if (!Number.isInteger(n) || n < 0)
    throw new DomainError('polygamma', `Expected an order that is a whole number >= 0, received ${n}`);
  if (!isFloat(x.dtype))
    throw new DTypeError('polygamma', `Expected float32 or float64, received ${x.dtype}`, { hint: 'cast first' });
  if (n === 0) return digamma(x);
  return n === 1 ? trigamma(x) : polygammaSeries(n, x);
}

const trigamma = unary('trigamma', 'polygamma');

/** bool: NaN. False for integers and bools. */
export function isNaN(x: Tensor): Tensor {
  return notEqual(x, x);
}
