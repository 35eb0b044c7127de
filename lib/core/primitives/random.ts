/**
 * Counter-based random numbers (Philox 4x32-10): pure functions of an explicit key. They have no derivative.
 * Keys [.., 2] give a stream of numbers each: the result begins with the leading dimensions of the keys.
 */
import type { DType } from '../dtype.js';
import { DTypeError, ShapeError } from '../errors.js';
import { definePrimitive, type Params, type Primitive } from '../primitive.js';
import { type Shape, sameShape, TensorType } from '../types.js';
import { batchLeading } from './batching.js';

interface RandomParams extends Params {
  readonly shape: Shape;
  readonly dtype: DType;
}

function randomPrimitive(name: string, dtypes: readonly DType[]): Primitive {
  return definePrimitive<RandomParams>({
    name,
    infer: ([key], { shape, dtype }) => {
      const type = key as TensorType;
      const keys = type.shape.slice(0, -1);
      const fits = type.shape[type.rank - 1] === 2 && sameShape(keys, shape.slice(0, keys.length));
      if (type.dtype !== 'uint32' || !fits) {
        throw new ShapeError(name, `Expected a key of type uint32[2], received ${type}`, {
          hint: 'make one with random.key(seed)',
        });
      }
      if (!dtypes.includes(dtype))
        throw new DTypeError(name, `Expected a dtype out of ${dtypes.join(', ')}, received ${dtype}`);
      return [TensorType.of(dtype, shape)];
    },
    batch: batchLeading<RandomParams>(name, ({ shape, dtype }, size) => ({ shape: [size, ...shape], dtype })),
    encode: () => [],
  });
}

export const randomBitsPrimitive = randomPrimitive('randomBits', ['uint32']);
export const randomUniformPrimitive = randomPrimitive('randomUniform', ['float32', 'float64']);
export const randomNormalPrimitive = randomPrimitive('randomNormal', ['float32', 'float64']);
