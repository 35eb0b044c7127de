/** Sorting, selecting and searching along an axis. Derivatives follow the places that elements came from. */
import { DTypeError, ShapeError } from '../errors.js';
import { definePrimitive, type Params } from '../primitive.js';
import type { Tensor } from '../tensor.js';
import { sameShape, TensorType } from '../types.js';
import { carryAll } from './batching.js';
import { searchSorted, sort, takeAlongAxis, topK } from './lax.js';

interface SortParams extends Params {
  readonly axis: number;
  readonly descending: boolean;
}

export const sortPrimitive = definePrimitive<SortParams>({
  name: 'sort',
  infer: ([x]) => [x as TensorType, (x as TensorType).withDType('int32')],
  jvp: ({ tangents: [t], outputs: [, places], params: { axis } }) => [
    t && takeAlongAxis(t, places as Tensor, axis),
    null,
  ],
  batch: ({ inputs: [x], params: { axis, descending } }) => sort(x as Tensor, axis + 1, descending),
  encode: ({ axis, descending }) => [axis, Number(descending)],
});

export const topKPrimitive = definePrimitive<SortParams & { readonly k: number }>({
  name: 'topK',
  infer: ([x], { axis, k }) => {
    const type = x as TensorType;
    const size = type.shape[axis] as number;
    if (!Number.isInteger(k) || k < 0 || k > size)
      throw new ShapeError('topK', `Expected k from 0 to ${size} for axis ${axis} of ${type}, received ${k}`);
    const result = type.withShape(type.shape.map((dim, at) => (at === axis ? k : dim)));
    return [result, result.withDType('int32')];
  },
  jvp: ({ tangents: [t], outputs: [, places], params: { axis } }) => [
    t && takeAlongAxis(t, places as Tensor, axis),
    null,
  ],
  batch: ({ inputs: [x], params: { axis, k, descending } }) => topK(x as Tensor, axis + 1, k, descending),
  encode: ({ axis, k, descending }) => [axis, k, Number(descending)],
});

export const searchSortedPrimitive = definePrimitive<Params & { readonly right: boolean }>({
  name: 'searchSorted',
  infer: (types) => {
    const [sorted, values] = types as [TensorType, TensorType];
    if (
      sorted.rank < 1 ||
      values.rank !== sorted.rank ||
      !sameShape(sorted.shape.slice(0, -1), values.shape.slice(0, -1))
    ) {
      throw new ShapeError(
        'searchSorted',
        `Expected sorted [.., n] and values [.., m] with equal leading dimensions, received ${sorted} and ${values}`,
      );
    }
    if (sorted.dtype !== values.dtype) {
      throw new DTypeError('searchSorted', `Expected operands of one dtype, received ${sorted} and ${values}`);
    }
    return [TensorType.of('int32', values.shape)];
  },
  batch: (context) => {
    const [sorted, values] = carryAll(context) as [Tensor, Tensor];
    return [searchSorted(sorted, values, context.params.right)];
  },
  encode: ({ right }) => [Number(right)],
});
