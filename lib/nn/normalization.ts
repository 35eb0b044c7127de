/** Layer, batch and group normalisation. */
import { DomainError, ShapeError } from '../core/errors.js';
import { type CreationOptions, ones, reshape, zeros } from '../core/ops/arrays.js';
import { add, mul, rsqrt, square, sub } from '../core/ops/elementwise.js';
import { mean, stopGradient } from '../core/ops/reductions.js';
import type { Tensor } from '../core/tensor.js';
import { checkAxis, type Shape, sameShape, showShape } from '../core/types.js';
import { checkCount, checkPositive } from '../solvers/options.js';

/** Factors and offsets behind a normalisation; both of one shape. */
export type NormParameters = { scale: Tensor; bias: Tensor };

/** Factors 1 and offsets 0, of the shape that is normalised (layer) or [channels] (batch, group). */
export function initNorm(shape: Shape, options: CreationOptions = {}): NormParameters {
  return { scale: ones(shape, options), bias: zeros(shape, options) };
}

export interface NormOptions {
  /** Added to the variance; > 0. Default: 1e-5. */
  readonly epsilon?: number;
}

/** (x − mean) / sqrt(variance + epsilon) over axes; the variance is the mean square of what is left, by a second pass. */
function whiten(x: Tensor, axes: readonly number[], epsilon: number): { y: Tensor; mean: Tensor; variance: Tensor } {
  const center = mean(x, axes, { keepDims: true });
  const centered = sub(x, center);
  const variance = mean(square(centered), axes, { keepDims: true });
  return { y: mul(centered, rsqrt(add(variance, epsilon))), mean: center, variance };
}

/**
 * Layer normalisation (Ba, Kiros and Hinton, 2016): every example by its own mean and variance over the trailing axes, those of
 * `scale`; then scale and bias.
 *
 * @param x  float [.., ...scale.shape].
 * @throws {ShapeError} x does not end in the shape of scale and bias.  {DomainError} epsilon <= 0.
 */
export function layerNorm({ scale, bias }: NormParameters, x: Tensor, { epsilon = 1e-5 }: NormOptions = {}): Tensor {
  const op = 'layerNorm';
  checkPositive(op, 'epsilon', epsilon);
  const first = x.rank - scale.rank;
  if (
    scale.rank === 0 ||
    !sameShape(scale.shape, bias.shape) ||
    !sameShape(x.shape.slice(Math.max(0, first)), scale.shape)
  ) {
    throw new ShapeError(
      op,
      `Expected x that ends in the shape of scale and bias, received ${x.type}, ${scale.type} and ${bias.type}`,
    );
  }
  const axes = scale.shape.map((_, k) => first + k);
  return add(mul(whiten(x, axes, epsilon).y, scale), bias);
}

export interface ChannelOptions extends NormOptions {
  /** Axis of the channels. Default: 1: [n, channels, ...]. */
  readonly channelAxis?: number;
}

/** Checks parameters [channels] against x. Returns the axis and the shape in which they broadcast against x. */
function channels(op: string, { scale, bias }: NormParameters, x: Tensor, channelAxis: number): [number, Shape] {
  const axis = checkAxis(op, channelAxis, x.rank);
  const expected = [x.shape[axis] as number];
  if (!sameShape(scale.shape, expected) || !sameShape(bias.shape, expected)) {
    throw new ShapeError(
      op,
      `Expected scale and bias of shape ${showShape(expected)} for x ${showShape(x.shape)}, received ${showShape(scale.shape)} and ${showShape(bias.shape)}`,
    );
  }
  return [axis, x.shape.map((dim, k) => (k === axis ? dim : 1))];
}

/** Running statistics of a batch normalisation, [channels] each: not trained, but part of the model. */
export type BatchNormState = { mean: Tensor; variance: Tensor };

/** Mean 0 and variance 1. */
export function initBatchNormState(count: number, options: CreationOptions = {}): BatchNormState {
  return { mean: zeros([count], options), variance: ones([count], options) };
}

export interface BatchNormOptions extends ChannelOptions {
  /** 'train' normalises by the batch and moves the running statistics; 'eval' normalises by these. Required. */
  readonly mode: 'train' | 'eval';
  /** Weight of the batch in the running statistics, in [0, 1]. Default: 0.1. */
  readonly momentum?: number;
}

/**
 * Batch normalisation (Ioffe and Szegedy, 2015, algorithms 1 and 2): every channel by its mean and variance over all other axes.
 * As in PyTorch the running variance takes the unbiased estimate, the normalisation the biased one.
 *
 * @param state  running statistics; 'train' returns the next ones (without derivative), 'eval' the same.
 * @param x  float, channels along `channelAxis`.
 * @returns [y, state]
 * @throws {ShapeError} not one scale, bias and statistic a channel; 'train' with a single value a channel.  {DomainError} epsilon <= 0,
 *   momentum outside [0, 1], or another mode.
 */
export function batchNorm(
  parameters: NormParameters,
  state: BatchNormState,
  x: Tensor,
  { mode, momentum = 0.1, epsilon = 1e-5, channelAxis = 1 }: BatchNormOptions,
): [y: Tensor, state: BatchNormState] {
  const op = 'batchNorm';
  checkPositive(op, 'epsilon', epsilon);
  if (!(momentum >= 0 && momentum <= 1)) {
    throw new DomainError(op, `Expected momentum in [0, 1], received ${momentum}`);
  }
  if (mode !== 'train' && mode !== 'eval') {
    throw new DomainError(op, `Expected mode 'train' or 'eval', received '${String(mode)}'`);
  }
  const [axis, shape] = channels(op, parameters, x, channelAxis);
  if (
    !sameShape(state.mean.shape, parameters.scale.shape) ||
    !sameShape(state.variance.shape, parameters.scale.shape)
  ) {
    throw new ShapeError(
      op,
      `Expected running statistics of shape ${showShape(parameters.scale.shape)}, received ${showShape(state.mean.shape)} and ${showShape(state.variance.shape)}`,
    );
  }
  const affine = (y: Tensor): Tensor => add(mul(y, reshape(parameters.scale, shape)), reshape(parameters.bias, shape));
  if (mode === 'eval') {
    const centered = sub(x, reshape(state.mean, shape));
    return [affine(mul(centered, reshape(rsqrt(add(state.variance, epsilon)), shape))), state];
  }
  const count = x.size / Math.max(1, x.shape[axis] as number);
  if (count < 2) {
    throw new ShapeError(op, `Expected more than one value a channel in mode 'train', received ${showShape(x.shape)}`);
  }
  const axes = [...x.shape.keys()].filter((k) => k !== axis);
  const { y, mean: center, variance } = whiten(x, axes, epsilon);
  const follow = (old: Tensor, now: Tensor): Tensor =>
    add(mul(old, 1 - momentum), mul(stopGradient(reshape(now, old.shape)), momentum));
  return [
    affine(y),
    { mean: follow(state.mean, center), variance: follow(state.variance, mul(variance, count / (count - 1))) },
  ];
}

export interface GroupNormOptions extends ChannelOptions {
  /** Number of groups; divides the channels. 1 normalises all channels together, as many as channels each alone. Required. */
  readonly groups: number;
}

/**
 * Group normalisation (Wu and He, 2018): every example by its mean and variance over each group of channels and all axes behind the
 * batch; then scale and bias per channel.
 *
 * @param x  float [n, ..], channels along `channelAxis` (not 0).
 * @throws {ShapeError} not one scale and bias a channel.  {DomainError} groups do not divide the channels, or epsilon <= 0.
 */
export function groupNorm(
  parameters: NormParameters,
  x: Tensor,
  { groups, epsilon = 1e-5, channelAxis = 1 }: GroupNormOptions,
): Tensor {
  const op = 'groupNorm';
  checkPositive(op, 'epsilon', epsilon);
  checkCount(op, 'groups', groups);
  const [axis, shape] = channels(op, parameters, x, channelAxis);
  const count = x.shape[axis] as number;
  if (axis === 0)
    throw new ShapeError(op, `Expected channels behind the batch axis, received channelAxis ${channelAxis}`);
  if (count % groups !== 0) {
    throw new DomainError(op, `Expected groups that divide the ${count} channels, received ${groups}`);
  }
  const split = [...x.shape.slice(0, axis), groups, count / groups, ...x.shape.slice(axis + 1)];
  const axes = [...split.keys()].filter((k) => k !== 0 && k !== axis);
  const { y } = whiten(reshape(x, split), axes, epsilon);
  return add(mul(reshape(y, x.shape), reshape(parameters.scale, shape)), reshape(parameters.bias, shape));
}
