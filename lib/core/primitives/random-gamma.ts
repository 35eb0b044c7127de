/** Gamma variables by rejection, one counter block an element and attempt, and how they move with their shape parameter. */
import { isFloat } from '../dtype.js';
import { DTypeError, ShapeError } from '../errors.js';
import { definePrimitive, type Params } from '../primitive.js';
import type { Tensor } from '../tensor.js';
import { bind1 } from '../tracing.js';
import { sameShape, type TensorType } from '../types.js';
import { batchLeading } from './batching.js';
import { mul, primitive } from './lax.js';

/** keys [B.., 2], shapes [B.., ..]: each lane draws from its own key, as if it were alone. */
export const randomGammaPrimitive = definePrimitive<Params>({
  name: 'randomGamma',
  infer: (types) => {
    const [keys, shapes] = types as [TensorType, TensorType];
    if (!isFloat(shapes.dtype)) {
      throw new DTypeError('randomGamma', `Expected shape parameters of a float dtype, received ${shapes.dtype}`);
    }
    const lanes = keys.shape.slice(0, -1);
    const isKey = keys.dtype === 'uint32' && keys.shape.at(-1) === 2;
    if (!isKey || !sameShape(lanes, shapes.shape.slice(0, lanes.length))) {
      throw new ShapeError('randomGamma', `Expected a key of type uint32[2], received ${keys}`, {
        hint: 'make one with random.key(seed)',
      });
    }
    return [shapes];
  },
  // Of the variable whose probability is held, not of the path that the rejection took: that one is no function of the shape.
  jvp: ({ inputs: [, shapes], tangents: [, t], outputs: [z] }) => [
    t ? mul(t, bind1(primitive('randomGammaGradient'), [shapes as Tensor, z as Tensor], {})) : null,
  ],
  batch: batchLeading('randomGamma'),
  encode: () => [],
});

/** shapes, variables -> dz/dα where the probability P(α, z) is held, elementwise. */
export const randomGammaGradientPrimitive = definePrimitive<Params>({
  name: 'randomGammaGradient',
  infer: (types) => {
    const [shapes, variables] = types as [TensorType, TensorType];
    if (!isFloat(shapes.dtype) || variables.dtype !== shapes.dtype || !sameShape(shapes.shape, variables.shape)) {
      throw new DTypeError(
        'randomGammaGradient',
        `Expected shapes and variables of one float type, received ${shapes} and ${variables}`,
      );
    }
    return [shapes];
  },
  underivable:
    'only first derivatives of random.gamma in its shape parameter exist; stopGradient on alpha leaves it out',
  batch: batchLeading('randomGammaGradient'),
  encode: () => [],
});
