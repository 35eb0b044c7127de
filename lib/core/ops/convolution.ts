/** Convolution and pooling over one, two or three spatial axes. Layout: [batch, channels, spatial..]. */
import { beside } from '../concrete.js';
import { isFloat } from '../dtype.js';
import { DTypeError, ShapeError } from '../errors.js';
import * as convolution from '../primitives/convolution.js';
import * as lax from '../primitives/lax.js';
import * as pooling from '../primitives/pooling.js';
import type { Tensor } from '../tensor.js';
import { commonDType } from '../tracing.js';
import { type Shape, showShape, sizeOf, TensorType } from '../types.js';
import { div } from './elementwise.js';

/** One number for all spatial axes, or one for each. */
export type PerAxis = number | readonly number[];

/**
 * Zeros around the spatial axes: the same number on all sides, or for each axis one number or [before, behind]. Negative numbers
 * crop. 'valid': none. 'same': as many as make the result ceil(length / stride) long, the odd one behind.
 */
export type Padding = 'valid' | 'same' | number | readonly (number | readonly [number, number])[];

export interface ConvOptions {
  /** Step of the kernel. Default: 1. */
  readonly stride?: PerAxis;
  /** Default: 'valid'. */
  readonly padding?: Padding;
  /** Distance of the kernel's taps. Default: 1. */
  readonly dilation?: PerAxis;
  /** Distance at which the elements of x are laid out, zeros between them. Default: 1. */
  readonly inputDilation?: PerAxis;
  /** Groups that the channels of x and of the result are cut into; each result sees its own group. Default: 1. */
  readonly groups?: number;
}

export interface ConvTransposeOptions {
  /** Step of the kernel over the result. Default: 1. */
  readonly stride?: PerAxis;
  /** Padding of the convolution that this is the adjoint of: it crops the result. 'same' is refused. Default: 'valid'. */
  readonly padding?: Padding;
  /** Elements added behind each axis of the result, which the stride leaves open; below the stride. Default: 0. */
  readonly outputPadding?: PerAxis;
  /** Distance of the kernel's taps. Default: 1. */
  readonly dilation?: PerAxis;
  /** Default: 1. */
  readonly groups?: number;
}

export interface PoolOptions {
  /** Step of the window. Default: the window. */
  readonly stride?: PerAxis;
  /** Places around the spatial axes that windows may reach over. Default: 'valid'. */
  readonly padding?: Padding;
  /** Distance of the elements of a window. Default: 1. */
  readonly dilation?: PerAxis;
}

export interface AvgPoolOptions extends PoolOptions {
  /** Divide by the size of the window (padding counts as zeros) rather than by the elements that it covers. Default: true. */
  readonly countPadding?: boolean;
}

/** One whole number of at least `least` for each axis. */
function perAxis(op: string, name: string, value: PerAxis, axes: number, least: number): number[] {
  const list = typeof value === 'number' ? new Array<number>(axes).fill(value) : [...value];
  if (list.length !== axes || !list.every((n) => Number.isInteger(n) && n >= least)) {
    throw new ShapeError(
      op,
      `Expected ${name} of whole numbers >= ${least}, one or one for each of ${axes} axes, received ${JSON.stringify(value)}`,
    );
  }
  return list;
}

/** How a kernel or window moves along each axis, and how long the result is. */
interface Walk {
  readonly stride: number[];
  readonly low: number[];
  readonly dilation: number[];
  readonly size: number[];
}

/** The walk of a kernel of `kernel` taps over `lengths` (input dilation included). */
function walk(op: string, lengths: Shape, kernel: Shape, strides: PerAxis, padding: Padding, dilations: PerAxis): Walk {
  const axes = lengths.length;
  const stride = perAxis(op, 'a stride', strides, axes, 1);
  const dilation = perAxis(op, 'a dilation', dilations, axes, 1);
  const reach = kernel.map((taps, k) => (taps - 1) * (dilation[k] as number) + 1);
  const sides = paddings(op, padding, lengths, stride, reach);
  const size = lengths.map((length, k) => {
    const [before, behind] = sides[k] as [number, number];
    return Math.floor((length + before + behind - (reach[k] as number)) / (stride[k] as number)) + 1;
  });
  if (kernel.some((taps) => taps < 1) || size.some((length) => length < 1)) {
    throw new ShapeError(
      op,
      `Expected a kernel of at least 1 that fits into the padded axes, received kernel ${showShape(kernel)} over ${showShape(lengths)}`,
      { hint: 'pad more, or dilate less' },
    );
  }
  return { stride, low: sides.map(([before]) => before), dilation, size };
}

function paddings(op: string, padding: Padding, lengths: Shape, stride: Shape, reach: Shape): [number, number][] {
  if (padding === 'valid') return lengths.map(() => [0, 0]);
  if (padding === 'same') {
    return lengths.map((length, k) => {
      const [step, span] = [stride[k] as number, reach[k] as number];
      const total = Math.max((Math.ceil(length / step) - 1) * step + span - length, 0);
      return [Math.floor(total / 2), Math.ceil(total / 2)];
    });
  }
  const list = typeof padding === 'number' ? lengths.map(() => padding) : padding;
  const sides = Array.isArray(list)
    ? list.map((side): [number, number] => (typeof side === 'number' ? [side, side] : [side[0], side[1]]))
    : [];
  if (sides.length !== lengths.length || !sides.flat().every(Number.isInteger)) {
    throw new ShapeError(
      op,
      `Expected padding 'valid', 'same', a whole number, or one or [before, behind] for each of ${lengths.length} axes, received ${JSON.stringify(padding)}`,
    );
  }
  return sides;
}

function checkImages(op: string, x: Tensor, w: Tensor): number {
  commonDType(op, [x, w]);
  const axes = x.rank - 2;
  if (axes < 1 || axes > 3 || w.rank !== x.rank) {
    throw new ShapeError(
      op,
      `Expected [batch, channels, ..] and a kernel [outputs, channels / groups, ..] with 1, 2 or 3 spatial axes, received ${x.type} and ${w.type}`,
    );
  }
  return axes;
}

/**
 * Convolution as neural networks have it: the cross-correlation of x with a kernel, the kernel not reversed.
 *
 * y[n, o, p] = sum over c and k of w[o, c, k] x[n, c, p stride + k dilation - before], where x is 0 outside, and c runs over the
 * channels of o's group. Differentiable to any order in both operands.
 *
 * @param x  [batch, channels, spatial..] with one, two or three spatial axes, float32 or float64.
 * @param w  [outputs, channels / groups, kernel..] of the same dtype.
 * @returns [batch, outputs, spatial..], each axis floor((length + before + behind - (kernel - 1) dilation - 1) / stride) + 1 long.
 * @throws {ShapeError} channels, groups or kernel do not fit.  {DTypeError} not one float dtype.
 * @see V. Dumoulin and F. Visin, A guide to convolution arithmetic for deep learning, 2016, section 2.
 * @example conv(images, kernels, { padding: 'same' })
 */
export function conv(x: Tensor, w: Tensor, options: ConvOptions = {}): Tensor {
  const { stride = 1, padding = 'valid', dilation = 1, inputDilation = 1, groups = 1 } = options;
  const axes = checkImages('conv', x, w);
  const spread = perAxis('conv', 'an input dilation', inputDilation, axes, 1);
  const lengths = x.shape.slice(2).map((length, k) => (length === 0 ? 0 : (length - 1) * (spread[k] as number) + 1));
  const { dilation: kernelDilation, ...rest } = walk('conv', lengths, w.shape.slice(2), stride, padding, dilation);
  checkGroups('conv', groups);
  return convolution.conv(x, w, { ...rest, kernelDilation, inputDilation: spread, groups });
}

/**
 * The adjoint of `conv` in its first operand ("transposed convolution"): every element of y adds its kernel to the result.
 *
 * x[n, c, i] = sum over o, p and k with p stride + k dilation - before = i of w[o, c, k] y[n, o, p].
 *
 * @param y  [batch, outputs, spatial..], float32 or float64.
 * @param w  [outputs, channels / groups, kernel..], as for the `conv` that this is the adjoint of.
 * @returns [batch, channels, spatial..], each axis (length - 1) stride - before - behind + (kernel - 1) dilation + 1 + outputPadding
 *   long.
 * @throws {ShapeError} channels, groups or kernel do not fit.  {DTypeError} not one float dtype.
 * @see V. Dumoulin and F. Visin, A guide to convolution arithmetic for deep learning, 2016, section 4.
 */
export function convTranspose(y: Tensor, w: Tensor, options: ConvTransposeOptions = {}): Tensor {
  const { stride = 1, padding = 'valid', outputPadding = 0, dilation = 1, groups = 1 } = options;
  const axes = checkImages('convTranspose', y, w);
  const step = perAxis('convTranspose', 'a stride', stride, axes, 1);
  const spacing = perAxis('convTranspose', 'a dilation', dilation, axes, 1);
  const extra = perAxis('convTranspose', 'an output padding', outputPadding, axes, 0);
  if (padding === 'same' || extra.some((n, k) => n >= (step[k] as number))) {
    throw new ShapeError(
      'convTranspose',
      `Expected padding in numbers and output padding below the stride, received ${JSON.stringify(padding)} and ${showShape(extra)} at stride ${showShape(step)}`,
    );
  }
  checkGroups('convTranspose', groups);
  const lengths = y.shape.slice(2);
  const sides = paddings('convTranspose', padding, lengths, step, lengths);
  const size = lengths.map((length, k) => {
    const [before, behind] = sides[k] as [number, number];
    const reach = ((w.shape[k + 2] as number) - 1) * (spacing[k] as number);
    return Math.max(length - 1, 0) * (step[k] as number) - before - behind + reach + 1 + (extra[k] as number);
  });
  if (size.some((length) => length < 0)) {
    throw new ShapeError(
      'convTranspose',
      `Expected padding that leaves a result, received a result of ${showShape(size)}`,
    );
  }
  return convolution.convInputGradient(y, w, {
    groups,
    stride: step,
    low: sides.map(([before]) => before),
    inputDilation: step.map(() => 1),
    kernelDilation: spacing,
    size,
  });
}

function checkGroups(op: string, groups: number): void {
  if (!Number.isInteger(groups) || groups < 1)
    throw new ShapeError(op, `Expected a whole number of groups >= 1, received ${groups}`);
}

/** The axes that a window lies in: as many as it has entries, or all behind batch and channels. */
function windowOf(op: string, x: Tensor, window: PerAxis): number[] {
  const axes = typeof window === 'number' ? x.rank - 2 : window.length;
  if (!isFloat(x.dtype))
    throw new DTypeError(op, `Expected float32 or float64, received ${x.dtype}`, { hint: 'cast first' });
  if (axes < 1 || axes > 3 || axes > x.rank) {
    throw new ShapeError(
      op,
      `Expected a window over 1, 2 or 3 trailing axes, received ${JSON.stringify(window)} for ${x.type}`,
    );
  }
  return perAxis(op, 'a window', window, axes, 1);
}

/** @throws {ShapeError} some window covers padding only. */
function checkCovered(op: string, lengths: Shape, window: Shape, { stride, low, dilation, size }: Walk): void {
  const covered = size.every((count, k) =>
    Array.from({ length: count }, (_, p) => p * (stride[k] as number) - (low[k] as number)).every((start) => {
      const [step, length] = [dilation[k] as number, lengths[k] as number];
      const tap = start >= 0 ? 0 : Math.ceil(-start / step);
      return tap < (window[k] as number) && start + tap * step < length;
    }),
  );
  if (!covered) {
    throw new ShapeError(
      op,
      `Expected every window to cover an element, received window ${showShape(window)} over ${showShape(lengths)}`,
      { hint: 'pad by less than the window' },
    );
  }
}

/**
 * The largest element of each window, over the trailing axes. NaN wins. At ties the first element is taken, and the derivative is
 * its alone (`max` shares it).
 *
 * @param x       [.., spatial..], float32 or float64.
 * @param window  lengths, one for each trailing axis to pool over; one number stands for all axes behind batch and channels.
 * @returns [.., spatial..], each axis floor((length + before + behind - (window - 1) dilation - 1) / stride) + 1 long.
 * @throws {ShapeError} the window does not fit, or covers padding only somewhere.  {DTypeError} not a float dtype.
 */
export function maxPool(x: Tensor, window: PerAxis, options: PoolOptions = {}): Tensor {
  const lengths = windowOf('maxPool', x, window);
  const { stride = lengths, padding = 'valid', dilation = 1 } = options;
  const spatial = x.shape.slice(x.rank - lengths.length);
  const path = walk('maxPool', spatial, lengths, stride, padding, dilation);
  checkCovered('maxPool', spatial, lengths, path);
  return pooling.maxPool(x, { window: lengths, ...path })[0];
}

/**
 * The mean of each window, over the trailing axes.
 *
 * @param x       [.., spatial..], float32 or float64.
 * @param window  lengths, one for each trailing axis to pool over; one number stands for all axes behind batch and channels.
 * @returns the same shape as `maxPool`.
 * @throws {ShapeError} the window does not fit, or covers padding only somewhere.  {DTypeError} not a float dtype.
 */
export function avgPool(x: Tensor, window: PerAxis, options: AvgPoolOptions = {}): Tensor {
  const lengths = windowOf('avgPool', x, window);
  const { stride = lengths, padding = 'valid', dilation = 1, countPadding = true } = options;
  const leading = x.shape.slice(0, x.rank - lengths.length);
  const spatial = x.shape.slice(leading.length);
  const path = walk('avgPool', spatial, lengths, stride, padding, dilation);
  checkCovered('avgPool', spatial, lengths, path);
  // Sums over windows are the convolution with ones, each leading index being an image of its own.
  const { dilation: kernelDilation, ...rest } = path;
  const params = { ...rest, kernelDilation, inputDilation: lengths.map(() => 1), groups: 1 };
  const type = (shape: Shape): TensorType => TensorType.of(x.dtype, [1, 1, ...shape]);
  const constant = (of: TensorType): Tensor => beside(x, () => lax.full(of, 1));
  const sums = (images: Tensor): Tensor => convolution.conv(images, constant(type(lengths)), params);
  const counts = countPadding ? sizeOf(lengths) : sums(constant(type(spatial)));
  const means = div(sums(lax.reshape(x, [sizeOf(leading), 1, ...spatial])), counts);
  return lax.reshape(means, [...leading, ...path.size]);
}
