/**
 * Max pooling and the two linear maps of its derivatives. Windows lie in the trailing axes, as many as the params have entries;
 * every axis before is a batch. `maxPool` returns where the winners are; tangents are gathered from there, cotangents scattered back.
 */
import { isFloat } from '../dtype.js';
import { DTypeError, ShapeError } from '../errors.js';
import { definePrimitive, type Params, type Primitive } from '../primitive.js';
import type { Tensor } from '../tensor.js';
import { bind, bind1 } from '../tracing.js';
import { type Shape, sameShape, showShape, TensorType } from '../types.js';
import { broadcast, primitive } from './lax.js';

export interface PoolParams extends Params {
  readonly window: Shape;
  readonly stride: Shape;
  /** Places in front of x that windows reach over; nothing there can win. */
  readonly low: Shape;
  readonly dilation: Shape;
  /** Trailing dims of the result. */
  readonly size: Shape;
}

/** [y, index]: the first largest element of each window (the first NaN, if any), and its int32 place in the trailing axes. */
export const maxPool = (x: Tensor, params: PoolParams): [Tensor, Tensor] =>
  bind(primitive('maxPool'), [x], params) as [Tensor, Tensor];
/** y[.., p] = x[.., index[.., p]], the trailing `axes` seen as one; 0 where index is negative. */
export const poolGather = (x: Tensor, index: Tensor, axes: number): Tensor =>
  bind1(primitive('poolGather'), [x, index], { axes });
/** x[.., q] = sum of the y[.., p] with index[.., p] = q, of trailing dims `size`. */
export const poolScatter = (y: Tensor, index: Tensor, size: Shape): Tensor =>
  bind1(primitive('poolScatter'), [y, index], { size });

const leading = (type: TensorType, axes: number): Shape => type.shape.slice(0, type.rank - axes);

export const maxPoolPrimitive: Primitive = definePrimitive<PoolParams>({
  name: 'maxPool',
  infer: ([x], { window, stride, low, dilation, size }) => {
    const type = x as TensorType;
    if (!isFloat(type.dtype)) throw new DTypeError('maxPool', `Expected float32 or float64, received ${type.dtype}`);
    const axes = size.length;
    if (axes < 1 || axes > 3 || axes > type.rank || [window, stride, low, dilation].some((l) => l.length !== axes)) {
      throw new ShapeError(
        'maxPool',
        `Expected a window over 1, 2 or 3 trailing axes of ${type}, received ${showShape(window)}`,
      );
    }
    const shape = [...leading(type, axes), ...size];
    return [type.withShape(shape), TensorType.of('int32', shape)];
  },
  jvp: ({ tangents: [t], outputs: [, index], params }) => [
    t ? poolGather(t, index as Tensor, params.size.length) : null,
    null,
  ],
  batch: ({ inputs: [x], params }) => maxPool(x as Tensor, params),
  encode: ({ window, stride, low, dilation }) => [...window, ...stride, ...low, ...dilation],
});

/** Types of what is placed and of the places: equal but for the trailing axes of what is not indexed. */
function checkPlaces(op: string, x: TensorType, index: TensorType, axes: number, whole: boolean): void {
  if (!isFloat(x.dtype)) throw new DTypeError(op, `Expected float32 or float64, received ${x.dtype}`);
  if (index.dtype !== 'int32') throw new DTypeError(op, `Expected int32 places, received ${index.dtype}`);
  const fits = axes >= 1 && axes <= 3 && axes <= x.rank && x.rank === index.rank;
  if (!fits || !sameShape(leading(x, whole ? 0 : axes), leading(index, whole ? 0 : axes))) {
    throw new ShapeError(
      op,
      `Expected places that agree in the axes before the last ${axes}, received ${x} and ${index}`,
    );
  }
}

/** An operand with a lane for each, where it has none. */
function everyLane(x: Tensor, batched: boolean | undefined, lanes: number): Tensor {
  if (batched) return x;
  return broadcast(
    x,
    [lanes, ...x.shape],
    [...x.shape.keys()].map((axis) => axis + 1),
  );
}

export const poolGatherPrimitive: Primitive = definePrimitive<Params & { readonly axes: number }>({
  name: 'poolGather',
  infer: ([x, index], { axes }) => {
    const [type, places] = [x as TensorType, index as TensorType];
    checkPlaces('poolGather', type, places, axes, false);
    return [type.withShape(places.shape)];
  },
  jvp: ({ inputs: [, index], tangents: [t], params: { axes } }) => [t ? poolGather(t, index as Tensor, axes) : null],
  transpose: ({ cotangents: [ct], operands: [x, index], params: { axes } }) => {
    if (!ct || !x?.linear || !index || index.linear) return [null, null];
    return [poolScatter(ct, index.value, x.type.shape.slice(x.type.rank - axes)), null];
  },
  batch: ({ inputs, batched, size, params: { axes } }) => {
    const [x, index] = inputs.map((input, k) => everyLane(input, batched[k], size)) as [Tensor, Tensor];
    return [poolGather(x, index, axes)];
  },
  encode: ({ axes }) => [axes],
});

export const poolScatterPrimitive: Primitive = definePrimitive<Params & { readonly size: Shape }>({
  name: 'poolScatter',
  infer: ([y, index], { size }) => {
    const [type, places] = [y as TensorType, index as TensorType];
    checkPlaces('poolScatter', type, places, size.length, true);
    return [type.withShape([...leading(type, size.length), ...size])];
  },
  jvp: ({ inputs: [, index], tangents: [t], params: { size } }) => [t ? poolScatter(t, index as Tensor, size) : null],
  transpose: ({ cotangents: [ct], operands: [y, index], params: { size } }) => {
    if (!ct || !y?.linear || !index || index.linear) return [null, null];
    return [poolGather(ct, index.value, size.length), null];
  },
  batch: ({ inputs, batched, size: lanes, params: { size } }) => {
    const [y, index] = inputs.map((input, k) => everyLane(input, batched[k], lanes)) as [Tensor, Tensor];
    return [poolScatter(y, index, size)];
  },
  encode: ({ size }) => [size.length],
});
