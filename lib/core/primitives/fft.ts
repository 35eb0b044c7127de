/** The discrete Fourier transform along the last axis, of complex numbers as pairs of real tensors. */
import { isFloat } from '../dtype.js';
import { DTypeError, ShapeError } from '../errors.js';
import { definePrimitive, type Params, type Tangent } from '../primitive.js';
import type { Tensor } from '../tensor.js';
import { bind } from '../tracing.js';
import { sameShape, type TensorType } from '../types.js';
import { batchLeading } from './batching.js';
import { primitive, zeros } from './lax.js';

export interface FftParams extends Params {
  /** exp(+2πi jk/n) instead of exp(-2πi jk/n). */
  readonly inverse: boolean;
  /** What every result is multiplied with. */
  readonly scale: number;
}

type Pair = [Tensor, Tensor];

/** X_k = scale Σ_j x_j exp(∓2πi jk/n) along the last axis: re, im -> re, im. */
export const fft = (re: Tensor, im: Tensor, params: FftParams): Pair =>
  bind(primitive('fft'), [re, im], params) as Pair;

/** The map applied to a tangent or cotangent, of which one part may be zero. */
function applyTo([re, im]: readonly Tangent[], params: FftParams): Tangent[] {
  const known = re ?? im;
  if (!known) return [null, null];
  return fft(re ?? zeros(known.type), im ?? zeros(known.type), params);
}

export const fftPrimitive = definePrimitive<FftParams>({
  name: 'fft',
  infer: (types) => {
    const [re, im] = types as [TensorType, TensorType];
    if (!isFloat(re.dtype) || re.dtype !== im.dtype) {
      throw new DTypeError('fft', `Expected real and imaginary parts of one float dtype, received ${re} and ${im}`);
    }
    if (!sameShape(re.shape, im.shape)) {
      throw new ShapeError('fft', `Expected real and imaginary parts of one shape, received ${re} and ${im}`);
    }
    if (re.rank === 0 || re.shape[re.rank - 1] === 0) {
      throw new ShapeError('fft', `Expected at least one element along the axis, received ${re}`);
    }
    return [re, im];
  },
  jvp: ({ tangents, params }) => applyTo(tangents, params),
  // As a real map of the pairs the transform is [[C, S], [-S, C]] with C and S symmetric: its transpose turns the sign of S.
  transpose: ({ cotangents, params }) => applyTo(cotangents, { ...params, inverse: !params.inverse }),
  batch: batchLeading('fft'),
  encode: ({ inverse, scale }) => [Number(inverse), scale],
});
