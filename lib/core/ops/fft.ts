/**
 * Fourier transforms. There is no complex dtype: a complex tensor is a pair `{ re, im }` of real ones, which is a tree like any other,
 * so that transforms of functions (`jit`, `grad`, `vmap`) take and return it.
 */
import { beside } from '../concrete.js';
import { checkDType, isFloat } from '../dtype.js';
import { DomainError, DTypeError, ShapeError } from '../errors.js';
import { fft as transformLines } from '../primitives/fft.js';
import * as lax from '../primitives/lax.js';
import { Tensor } from '../tensor.js';
import { checkAxes, checkAxis, sameShape, TensorType } from '../types.js';
import { arange, type CreationOptions, concatenate, slice } from './arrays.js';
import { add, div, mul, where } from './elementwise.js';
import { roll } from './rearrange.js';

/** Complex numbers: their real and imaginary parts, of one float dtype and shape. */
export type Complex = { readonly re: Tensor; readonly im: Tensor };

function asComplex(op: string, x: Tensor | Complex): Complex {
  const { re, im } = x instanceof Tensor ? { re: x, im: null } : x;
  if (!isFloat(re.dtype) || (im && im.dtype !== re.dtype)) {
    const received = im ? `${re.type} and ${im.type}` : `${re.type}`;
    throw new DTypeError(op, `Expected real and imaginary parts of one float dtype, received ${received}`);
  }
  if (im && !sameShape(re.shape, im.shape)) {
    throw new ShapeError(op, `Expected real and imaginary parts of one shape, received ${re.type} and ${im.type}`);
  }
  return { re, im: im ?? beside(re, () => lax.zeros(re.type)) };
}

function checkLength(op: string, type: TensorType, axis: number): number {
  const length = type.shape[axis] as number;
  if (length > 0) return length;
  throw new ShapeError(op, `Expected at least one element along axis ${axis}, received ${type}`);
}

/** Transforms along one axis (counted from the front); `scale` is what results are multiplied with. */
function alongAxis({ re, im }: Complex, axis: number, inverse: boolean, scale: number): Complex {
  const last = re.rank - 1;
  const [a, b] = transformLines(lax.moveAxis(re, axis, last), lax.moveAxis(im, axis, last), { inverse, scale });
  return { re: lax.moveAxis(a, last, axis), im: lax.moveAxis(b, last, axis) };
}

function overAxes(
  op: string,
  x: Tensor | Complex,
  axes: number | readonly number[] | undefined,
  inverse: boolean,
): Complex {
  const pair = asComplex(op, x);
  // From the last axis on, which lies as the kernel wants it.
  const each = checkAxes(op, axes, pair.re.rank).reverse();
  for (const axis of each) checkLength(op, pair.re.type, axis);
  return each.reduce((y, axis) => alongAxis(y, axis, inverse, inverse ? 1 / (y.re.shape[axis] as number) : 1), pair);
}

/**
 * Discrete Fourier transform along one axis: X_k = Σ_j x_j exp(-2πi jk/n).
 *
 * Cost: O(n log n) for every length n, primes included; lengths whose prime factors are all at most 5 are the fastest. float32 is
 * computed in double and rounded once.
 * @param x  `{ re, im }`, or a tensor whose imaginary part is zero; float32 or float64.
 * @param axis  Default: the last.
 * @returns `{ re, im }` of x's shape.
 * @throws {ShapeError} an axis without elements, no such axis, parts of different shapes.  {DTypeError} not one float dtype.
 * @example  const { re, im } = fft(signal);
 */
export function fft(x: Tensor | Complex, axis = -1): Complex {
  return overAxes('fft', x, [axis], false);
}

/** Inverse of `fft`: x_j = (1/n) Σ_k X_k exp(2πi jk/n). Parameters and errors are those of `fft`. */
export function ifft(x: Tensor | Complex, axis = -1): Complex {
  return overAxes('ifft', x, [axis], true);
}

/**
 * `fft` along several axes.
 * @param axes  Default: all.
 * @throws {ShapeError} an axis without elements, no such axis, an axis twice, parts of different shapes.  {DTypeError} not one float dtype.
 */
export function fftn(x: Tensor | Complex, axes?: readonly number[]): Complex {
  return overAxes('fftn', x, axes, false);
}

/** Inverse of `fftn`. */
export function ifftn(x: Tensor | Complex, axes?: readonly number[]): Complex {
  return overAxes('ifftn', x, axes, true);
}

/** `fftn` along two axes, by default the last two. */
export function fft2(x: Tensor | Complex, axes: readonly [number, number] = [-2, -1]): Complex {
  return overAxes('fft2', x, axes, false);
}

/** Inverse of `fft2`. */
export function ifft2(x: Tensor | Complex, axes: readonly [number, number] = [-2, -1]): Complex {
  return overAxes('ifft2', x, axes, true);
}

/** `size` elements of an axis from its start on, zeros behind the last. */
function resized(x: Tensor, axis: number, size: number): Tensor {
  const length = x.shape[axis] as number;
  const zero = x.shape.map(() => 0);
  const shape = x.shape.map((dim, k) => (k === axis ? Math.min(dim, size) : dim));
  const kept = slice(x, zero, shape);
  const missing = x.shape.map((_, k) => (k === axis ? Math.max(0, size - length) : 0));
  return size > length ? lax.pad(kept, 0, zero, missing, zero) : kept;
}

/**
 * `fft` of real numbers: the first ⌊n/2⌋ + 1 results, of which the others are the conjugates, X_(n-k) = conj X_k.
 * @param x  float32 or float64.
 * @param axis  Default: the last.
 * @throws {ShapeError} an axis without elements, no such axis.  {DTypeError} not a float dtype.
 */
export function rfft(x: Tensor, axis = -1): Complex {
  const pair = asComplex('rfft', x);
  const along = checkAxis('rfft', axis, x.rank);
  const length = checkLength('rfft', x.type, along);
  const { re, im } = alongAxis(pair, along, false, 1);
  const half = Math.floor(length / 2) + 1;
  return { re: resized(re, along, half), im: resized(im, along, half) };
}

export interface InverseRealFftOptions {
  /** Length n of the result, which the spectrum alone does not tell. Default: 2 (m - 1) for m elements along the axis. */
  readonly length?: number;
}

/**
 * Inverse of `rfft`: the real numbers whose spectrum begins with x. Of x only the first ⌊n/2⌋ + 1 elements count (zeros where there are
 * fewer), and of element 0 and, for an even n, of element n/2 only the real part.
 * @param x  `{ re, im }`, or a tensor whose imaginary part is zero; float32 or float64.
 * @param axis  Default: the last.
 * @throws {ShapeError} an axis without elements, no such axis.  {DomainError} a length that is not a whole number of at least 1.
 * {DTypeError} not one float dtype.
 */
export function irfft(x: Tensor | Complex, axis = -1, options: InverseRealFftOptions = {}): Tensor {
  const { re, im } = asComplex('irfft', x);
  const along = checkAxis('irfft', axis, re.rank);
  const size = checkLength('irfft', re.type, along);
  const length = options.length ?? 2 * (size - 1);
  if (!Number.isSafeInteger(length) || length < 1) {
    throw new DomainError('irfft', `Expected a length of at least 1, received ${length}`, {
      hint: 'one element along the axis is the spectrum of length 1 or 2: pass { length: 1 }',
    });
  }
  // The real part of Σ w_k X_k exp(2πi jk/n) over half of the spectrum, where w counts the conjugates that are left out.
  const half = Math.floor(length / 2) + 1;
  const shape = re.shape.map((dim, k) => (k === along ? half : dim));
  const place = beside(re, () => lax.iota(TensorType.of('int32', shape), along));
  const doubled = lax.greater(place, 0);
  const weight = (part: Tensor): Tensor => {
    const kept = resized(part, along, half);
    const inner = length % 2 === 0 ? where(lax.less(place, length / 2), mul(kept, 2), kept) : mul(kept, 2);
    return resized(where(doubled, inner, kept), along, length);
  };
  return alongAxis({ re: weight(re), im: weight(im) }, along, true, 1 / length).re;
}

export interface FrequencyOptions extends CreationOptions {
  /** Distance of two samples. Default: 1. */
  readonly spacing?: number;
}

/** Options with their defaults. @throws as `fftFreq`. */
function checkFrequencies(op: string, n: number, least: number, { spacing = 1, ...made }: FrequencyOptions) {
  if (!Number.isSafeInteger(n) || n < least)
    throw new ShapeError(op, `Expected a whole number n >= ${least}, received ${n}`);
  if (!Number.isFinite(spacing) || spacing === 0)
    throw new DomainError(op, `Expected a finite spacing other than 0, received ${spacing}`);
  const dtype = checkDType(op, made.dtype ?? 'float32');
  if (!isFloat(dtype)) throw new DTypeError(op, `Expected dtype 'float32' or 'float64', received '${dtype}'`);
  return { spacing, made: { ...made, dtype } };
}

/**
 * The frequencies of the results of `fft`, [0, 1, .., -2, -1] / (n spacing): [n], float.
 * @throws {ShapeError} n is not a whole number >= 0.  {DomainError} spacing is 0 or not finite.  {DTypeError} not a float dtype.
 */
export function fftFreq(n: number, options: FrequencyOptions = {}): Tensor {
  const { spacing, made } = checkFrequencies('fftFreq', n, 0, options);
  const positive = Math.ceil(n / 2);
  const order = [arange(positive, made), add(arange(n - positive, made), positive - n)];
  return div(concatenate(order), n * spacing);
}

/**
 * The frequencies of the results of `rfft`, [0, 1, .., ⌊n/2⌋] / (n spacing): [⌊n/2⌋ + 1], float.
 * @throws {ShapeError} n is not a whole number >= 1; otherwise as `fftFreq`.
 */
export function rfftFreq(n: number, options: FrequencyOptions = {}): Tensor {
  const { spacing, made } = checkFrequencies('rfftFreq', n, 1, options);
  return div(arange(Math.floor(n / 2) + 1, made), n * spacing);
}

/** Moves the zero frequency to the middle of the axes (default: all): element 0 goes to ⌊n/2⌋. */
export function fftShift(x: Tensor, axes?: number | readonly number[]): Tensor {
  return checkAxes('fftShift', axes, x.rank).reduce(
    (y, axis) => roll(y, Math.floor((x.shape[axis] as number) / 2), axis),
    x,
  );
}

/** Inverse of `fftShift`. */
export function ifftShift(x: Tensor, axes?: number | readonly number[]): Tensor {
  return checkAxes('ifftShift', axes, x.rank).reduce(
    (y, axis) => roll(y, -Math.floor((x.shape[axis] as number) / 2), axis),
    x,
  );
}
