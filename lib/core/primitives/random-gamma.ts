/** Gamma variables by rejection: one counter block an element and attempt. No derivative. */
import { isFloat } from '../dtype.js';
import { DTypeError, ShapeError } from '../errors.js';
import { definePrimitive, type Params } from '../primitive.js';
import { sameShape, type TensorType } from '../types.js';
import { batchLeading } from './batching.js';

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
  batch: batchLeading('randomGamma'),
  encode: () => [],
});
