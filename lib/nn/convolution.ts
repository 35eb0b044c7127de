/** Convolution layers over one, two or three spatial axes. Pooling has no parameters: see `maxPool` and `avgPool`. */
import { beside } from '../core/concrete.js';
import { checkDType, type DType } from '../core/dtype.js';
import { DomainError, ShapeError } from '../core/errors.js';
import { reshape, slice, zeros } from '../core/ops/arrays.js';
import { type ConvOptions, type ConvTransposeOptions, conv, convTranspose } from '../core/ops/convolution.js';
import { mul, sub } from '../core/ops/elementwise.js';
import { normal, uniform } from '../core/ops/random.js';
import type { Tensor } from '../core/tensor.js';

/**
 * Parameters of a convolution layer: weight [outputs, channels / groups, kernel..] and bias [outputs]. A transposed layer has its
 * bias over the channels of its result: weight [inputs, channels / groups, kernel..], bias [channels].
 */
export type ConvParameters = { weight: Tensor; bias: Tensor };

export interface ConvInitOptions {
  /** Default: 1. */
  readonly groups?: number;
  /**
   * How weights are drawn, of variance gain / fan-in, where the fan-in is (channels / groups) times the size of the kernel. 'he':
   * normal, gain 2, for layers before a ReLU (He et al., 2015, eq. 10). 'lecun': normal, gain 1, for tanh and its kin (LeCun et
   * al., Efficient BackProp, 1998, section 4.6). 'uniform': uniform in ±1 / √fan-in, gain 1/3, bias included, as PyTorch's default.
   * Default: 'he'.
   */
  readonly init?: 'he' | 'lecun' | 'uniform';
  /** Default: 'float32'. */
  readonly dtype?: DType;
}

/**
 * Parameters of a layer from `channels` to `outputs` channels; the length of `kernel` says over how many spatial axes.
 * The bias is zero, but for init 'uniform'.
 *
 * @throws {ShapeError} not 1, 2 or 3 kernel lengths of at least 1, or groups that do not divide both channel counts.
 * @throws {DomainError} unknown init.
 */
export function initConv(
  key: Tensor,
  channels: number,
  outputs: number,
  kernel: readonly number[],
  { groups = 1, init = 'he', dtype = 'float32' }: ConvInitOptions = {},
): ConvParameters {
  checkDType('initConv', dtype);
  const whole = [channels, outputs, groups, ...kernel].every((n) => Number.isInteger(n) && n >= 1);
  if (!whole || kernel.length < 1 || kernel.length > 3 || channels % groups !== 0 || outputs % groups !== 0) {
    throw new ShapeError(
      'initConv',
      `Expected channels and outputs that the groups divide and 1, 2 or 3 kernel lengths >= 1, received ${channels} and ${outputs} channels, ${groups} groups, kernel [${kernel.join(', ')}]`,
    );
  }
  const shape = [outputs, channels / groups, ...kernel];
  const fanIn = shape.slice(1).reduce((product, length) => product * length, 1);
  if (init === 'uniform') {
    // One draw for both: a key serves once.
    const count = outputs * fanIn;
    const all = mul(sub(uniform(key, [count + outputs], { dtype }), 0.5), 2 / Math.sqrt(fanIn));
    const part = (from: number, to: number): Tensor => slice(all, [from], [to]);
    return { weight: reshape(part(0, count), shape), bias: part(count, count + outputs) };
  }
  if (init !== 'he' && init !== 'lecun')
    throw new DomainError('initConv', `Expected init 'he', 'lecun' or 'uniform', received ${JSON.stringify(init)}`);
  const gain = init === 'he' ? 2 : 1;
  return {
    weight: mul(normal(key, shape, { dtype }), Math.sqrt(gain / fanIn)),
    bias: beside(key, () => zeros([outputs], { dtype })),
  };
}

/** bias [channels] beside the channels of [batch, channels, spatial..]. */
function overChannels(bias: Tensor, rank: number): Tensor {
  return reshape(bias, [bias.size, ...new Array<number>(rank - 2).fill(1)]);
}

function layer(op: string, axes: number) {
  return ({ weight, bias }: ConvParameters, x: Tensor, options: ConvOptions = {}): Tensor => {
    checkAxes(op, axes, x, weight);
    return conv(x, weight, options).add(overChannels(bias, x.rank));
  };
}

function transposedLayer(op: string, axes: number) {
  return ({ weight, bias }: ConvParameters, x: Tensor, options: ConvTransposeOptions = {}): Tensor => {
    checkAxes(op, axes, x, weight);
    return convTranspose(x, weight, options).add(overChannels(bias, x.rank));
  };
}

function checkAxes(op: string, axes: number, x: Tensor, weight: Tensor): void {
  if (x.rank === axes + 2 && weight.rank === axes + 2) return;
  throw new ShapeError(
    op,
    `Expected x [batch, channels, ..] and a weight with ${axes} spatial ${axes === 1 ? 'axis' : 'axes'}, received ${x.type} and ${weight.type}`,
  );
}

/** conv(x, weight) + bias for x [batch, channels, length]. Options and errors are those of `conv`. */
export const conv1d = layer('conv1d', 1);
/** conv(x, weight) + bias for x [batch, channels, height, width]. Options and errors are those of `conv`. */
export const conv2d = layer('conv2d', 2);
/** conv(x, weight) + bias for x [batch, channels, depth, height, width]. Options and errors are those of `conv`. */
export const conv3d = layer('conv3d', 3);
/** convTranspose(x, weight) + bias for x [batch, inputs, length]. Options and errors are those of `convTranspose`. */
export const convTranspose1d = transposedLayer('convTranspose1d', 1);
/** convTranspose(x, weight) + bias for x [batch, inputs, height, width]. Options and errors are those of `convTranspose`. */
export const convTranspose2d = transposedLayer('convTranspose2d', 2);
/** convTranspose(x, weight) + bias for x [batch, inputs, depth, height, width]. Options and errors are those of `convTranspose`. */
export const convTranspose3d = transposedLayer('convTranspose3d', 3);
