/**
 * Convolution and its two gradients: the partial derivatives of one trilinear form,
 *
 *   T(x, w, y) = sum over n, o, c, p, k of y[n, o, p] w[o, c, k] x[n, c, i],
 *
 * where on every spatial axis i * inputDilation + low = p * stride + k * kernelDilation, and o and c are of one group. `conv` is
 * dT/dy, `convInputGradient` dT/dx, `convWeightGradient` dT/dw: each is linear in either operand, and its transposes are the other
 * two with the same parameters. So the three are closed under differentiation without reversed kernels or permuted copies.
 */
import { isFloat } from '../dtype.js';
import { DTypeError, ShapeError } from '../errors.js';
import { definePrimitive, type Params, type Primitive } from '../primitive.js';
import type { Tensor } from '../tensor.js';
import { bind1 } from '../tracing.js';
import { type Shape, showShape, TensorType } from '../types.js';
import { notLinear } from './elementwise.js';
import { primitive, reshape, sumTangents, transpose } from './lax.js';

export interface ConvParams extends Params {
  readonly groups: number;
  readonly stride: Shape;
  /** Zeros in front of x; may be negative. What is behind follows from the sizes. */
  readonly low: Shape;
  readonly inputDilation: Shape;
  readonly kernelDilation: Shape;
  /** Spatial dims of the result: those of the operands leave them open. */
  readonly size: Shape;
}

/** y [n, o, p] of x [n, groups c, i] and w [o, c, k]. */
export const conv = (x: Tensor, w: Tensor, params: ConvParams): Tensor => bind1(primitive('conv'), [x, w], params);
/** x of y and w. */
export const convInputGradient = (y: Tensor, w: Tensor, params: ConvParams): Tensor =>
  bind1(primitive('convInputGradient'), [y, w], params);
/** w of x and y. */
export const convWeightGradient = (x: Tensor, y: Tensor, params: ConvParams): Tensor =>
  bind1(primitive('convWeightGradient'), [x, y], params);

const spatial = (type: TensorType): Shape => type.shape.slice(2);
const dim = (type: TensorType, axis: number): number => type.shape[axis] as number;

/** The result of operands that agree on everything but what `size` says. */
function inferConv(op: string, roles: string, types: readonly TensorType[], params: ConvParams): TensorType {
  const [a, b] = types as [TensorType, TensorType];
  if (!isFloat(a.dtype) || a.dtype !== b.dtype)
    throw new DTypeError(op, `Expected operands of one float dtype, received ${a} and ${b}`);
  const { groups, stride, low, inputDilation, kernelDilation, size } = params;
  const axes = a.rank - 2;
  const lists = [stride, low, inputDilation, kernelDilation, size];
  if (axes < 1 || axes > 3 || b.rank !== a.rank || lists.some((list) => list.length !== axes)) {
    throw new ShapeError(
      op,
      `Expected ${roles} with 1, 2 or 3 spatial axes, and one parameter for each, received ${a} and ${b}`,
    );
  }
  const positive = [[groups], stride, inputDilation, kernelDilation].flat().every((n) => Number.isInteger(n) && n >= 1);
  if (!positive || !low.every(Number.isInteger)) {
    throw new ShapeError(
      op,
      `Expected strides, dilations and groups of at least 1, received stride ${showShape(stride)}, dilations ${showShape(inputDilation)} and ${showShape(kernelDilation)}, ${groups} groups`,
    );
  }
  return a;
}

function mismatch(op: string, expected: string, types: readonly TensorType[], groups: number): ShapeError {
  return new ShapeError(
    op,
    `Expected ${expected}, received ${types.join(' and ')} with ${groups} ${groups === 1 ? 'group' : 'groups'}`,
    { hint: 'operands are x [n, channels, ..] and w [outputs, channels / groups, ..]' },
  );
}

// Reshapes for the batching rules.

/** Cuts an axis in two, the first of `parts`. */
function split(x: Tensor, axis: number, parts: number): Tensor {
  const length = x.shape[axis] as number;
  return reshape(x, [...x.shape.slice(0, axis), parts, length / parts, ...x.shape.slice(axis + 1)]);
}
/** Makes one axis of an axis and the next. */
function merge(x: Tensor, axis: number): Tensor {
  const length = (x.shape[axis] as number) * (x.shape[axis + 1] as number);
  return reshape(x, [...x.shape.slice(0, axis), length, ...x.shape.slice(axis + 2)]);
}
function move(x: Tensor, from: number, to: number): Tensor {
  const axes = [...x.shape.keys()].filter((axis) => axis !== from);
  axes.splice(to, 0, from);
  return transpose(x, axes);
}

/** [lanes, n, groups c, ..] as [n, groups lanes c, ..]: every group holds the channels of all lanes. */
const lanesIntoGroups = (x: Tensor, groups: number): Tensor =>
  merge(merge(move(split(move(x, 0, 1), 2, groups), 1, 2), 1), 1);
/** The way back, where a lane's group has `c` channels. */
const lanesOutOfGroups = (x: Tensor, groups: number, lanes: number): Tensor =>
  merge(move(split(split(x, 1, groups), 2, lanes), 2, 0), 2);
/** [lanes, n, channels, ..] as [n, lanes channels, ..]: every lane has groups of its own. */
const lanesAsGroups = (x: Tensor): Tensor => merge(move(x, 0, 1), 1);
const lanesFromGroups = (x: Tensor, lanes: number): Tensor => move(split(x, 1, lanes), 1, 0);

const encode = ({ groups, stride, low, inputDilation, kernelDilation }: ConvParams): number[] => [
  groups,
  ...stride,
  ...low,
  ...inputDilation,
  ...kernelDilation,
];

export const convPrimitive: Primitive = definePrimitive<ConvParams>({
  name: 'conv',
  infer: (types, params) => {
    const [x, w] = types as [TensorType, TensorType];
    inferConv('conv', 'x [n, c, ..] and w [o, c / groups, ..]', types, params);
    const { groups, size } = params;
    if (dim(x, 1) !== dim(w, 1) * groups || dim(w, 0) % groups !== 0) {
      throw mismatch(
        'conv',
        'channels of x that are groups times those of w, and outputs that the groups divide',
        types,
        groups,
      );
    }
    return [TensorType.of(x.dtype, [dim(x, 0), dim(w, 0), ...size])];
  },
  jvp: ({ inputs: [x, w], tangents: [tx, tw], params }) => [
    sumTangents(tx ? conv(tx, w as Tensor, params) : null, tw ? conv(x as Tensor, tw, params) : null),
  ],
  transpose: ({ cotangents: [ct], operands: [x, w], params }) => {
    if (!ct) return [null, null];
    if (x?.linear && w && !w.linear)
      return [convInputGradient(ct, w.value, { ...params, size: spatial(x.type) }), null];
    if (w?.linear && x && !x.linear)
      return [null, convWeightGradient(x.value, ct, { ...params, size: spatial(w.type) })];
    throw notLinear('conv');
  },
  batch: ({ inputs, batched: [bx, bw], size: lanes, params }) => {
    const [x, w] = inputs as [Tensor, Tensor];
    const { groups } = params;
    if (!bw) return [split(conv(merge(x, 0), w, params), 0, lanes)];
    if (!bx)
      return [lanesOutOfGroups(conv(x, merge(merge(move(split(w, 1, groups), 0, 1), 0), 0), params), groups, lanes)];
    return [lanesFromGroups(conv(lanesAsGroups(x), merge(w, 0), { ...params, groups: groups * lanes }), lanes)];
  },
  encode,
});

export const convInputGradientPrimitive: Primitive = definePrimitive<ConvParams>({
  name: 'convInputGradient',
  infer: (types, params) => {
    const [y, w] = types as [TensorType, TensorType];
    inferConv('convInputGradient', 'y [n, o, ..] and w [o, c / groups, ..]', types, params);
    const { groups, size } = params;
    if (dim(y, 1) !== dim(w, 0) || dim(w, 0) % groups !== 0)
      throw mismatch(
        'convInputGradient',
        'as many channels of y as outputs of w, which the groups divide',
        types,
        groups,
      );
    return [TensorType.of(y.dtype, [dim(y, 0), dim(w, 1) * groups, ...size])];
  },
  jvp: ({ inputs: [y, w], tangents: [ty, tw], params }) => [
    sumTangents(
      ty ? convInputGradient(ty, w as Tensor, params) : null,
      tw ? convInputGradient(y as Tensor, tw, params) : null,
    ),
  ],
  transpose: ({ cotangents: [ct], operands: [y, w], params }) => {
    if (!ct) return [null, null];
    if (y?.linear && w && !w.linear) return [conv(ct, w.value, { ...params, size: spatial(y.type) }), null];
    if (w?.linear && y && !y.linear)
      return [null, convWeightGradient(ct, y.value, { ...params, size: spatial(w.type) })];
    throw notLinear('convInputGradient');
  },
  batch: ({ inputs, batched: [by, bw], size: lanes, params }) => {
    const [y, w] = inputs as [Tensor, Tensor];
    const { groups } = params;
    if (!bw) return [split(convInputGradient(merge(y, 0), w, params), 0, lanes)];
    if (!by) return [lanesOutOfGroups(convInputGradient(y, merge(move(w, 0, 1), 1), params), groups, lanes)];
    const wide = { ...params, groups: groups * lanes };
    return [lanesFromGroups(convInputGradient(lanesAsGroups(y), merge(w, 0), wide), lanes)];
  },
  encode,
});

export const convWeightGradientPrimitive: Primitive = definePrimitive<ConvParams>({
  name: 'convWeightGradient',
  infer: (types, params) => {
    const [x, y] = types as [TensorType, TensorType];
    inferConv('convWeightGradient', 'x [n, c, ..] and y [n, o, ..]', types, params);
    const { groups, size } = params;
    if (dim(x, 0) !== dim(y, 0) || dim(x, 1) % groups !== 0 || dim(y, 1) % groups !== 0)
      throw mismatch('convWeightGradient', 'one batch, and channels that the groups divide', types, groups);
    return [TensorType.of(x.dtype, [dim(y, 1), dim(x, 1) / groups, ...size])];
  },
  jvp: ({ inputs: [x, y], tangents: [tx, ty], params }) => [
    sumTangents(
      tx ? convWeightGradient(tx, y as Tensor, params) : null,
      ty ? convWeightGradient(x as Tensor, ty, params) : null,
    ),
  ],
  transpose: ({ cotangents: [ct], operands: [x, y], params }) => {
    if (!ct) return [null, null];
    if (x?.linear && y && !y.linear)
      return [convInputGradient(y.value, ct, { ...params, size: spatial(x.type) }), null];
    if (y?.linear && x && !x.linear) return [null, conv(x.value, ct, { ...params, size: spatial(y.type) })];
    throw notLinear('convWeightGradient');
  },
  batch: ({ inputs, batched: [bx, by], size: lanes, params }) => {
    const [x, y] = inputs as [Tensor, Tensor];
    const { groups } = params;
    if (!by) return [move(split(convWeightGradient(lanesIntoGroups(x, groups), y, params), 1, lanes), 1, 0)];
    if (!bx) {
      const w = convWeightGradient(x, lanesIntoGroups(y, groups), params);
      return [merge(move(split(split(w, 0, groups), 1, lanes), 1, 0), 1)];
    }
    const wide = { ...params, groups: groups * lanes };
    return [split(convWeightGradient(lanesAsGroups(x), lanesAsGroups(y), wide), 0, lanes)];
  },
  encode,
});
