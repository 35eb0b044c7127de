/** Primitives that move data or sum it: linear in their operands, and each other's transposes. */
import { isFloat } from '../dtype.js';
import { DTypeError, ShapeError } from '../errors.js';
import { definePrimitive, type Params, type Primitive, type TransposeOperand } from '../primitive.js';
import type { Tensor } from '../tensor.js';
import { bind } from '../tracing.js';
import { type Shape, showShape, sizeOf, TensorType } from '../types.js';
import { batchElementwise, carryAll, carryBatch, shifted } from './batching.js';
import * as lax from './lax.js';
import { broadcast, cast, div, equal, mul, reduceSum, reshape, spread, sub, transpose } from './lax.js';

const linearType = (operand: TransposeOperand | undefined): TensorType | undefined =>
  operand?.linear ? operand.type : undefined;

// broadcast

interface BroadcastParams extends Params {
  readonly shape: Shape;
  /** Result dim of each operand dim. */
  readonly dims: readonly number[];
}

export const broadcastPrimitive = definePrimitive<BroadcastParams>({
  name: 'broadcast',
  infer: ([x], { shape, dims }) => {
    const type = x as TensorType;
    const fits =
      dims.length === type.rank && dims.every((dim, k) => type.shape[k] === 1 || type.shape[k] === shape[dim]);
    if (!fits)
      throw new ShapeError('broadcastTo', `Expected a shape that ${type} broadcasts to, received ${showShape(shape)}`);
    return [type.withShape(shape)];
  },
  jvp: ({ tangents: [t], params }) => [t && broadcast(t, params.shape, params.dims)],
  transpose: ({ cotangents: [ct], operands: [x], params: { shape, dims } }) => {
    const type = linearType(x);
    if (!ct || !type) return [null];
    const kept = (axis: number): boolean => {
      const k = dims.indexOf(axis);
      return k >= 0 && type.shape[k] === shape[axis];
    };
    const axes = [...shape.keys()].filter((axis) => !kept(axis));
    return [reshape(axes.length ? reduceSum(ct, axes) : ct, type.shape)];
  },
  batch: ({ inputs: [x], size, params: { shape, dims } }) => [
    broadcast(x as Tensor, [size, ...shape], [0, ...shifted(dims)]),
  ],
  encode: ({ dims }) => [...dims],
});

// reshape and transpose

interface ReshapeParams extends Params {
  readonly shape: Shape;
}

export const reshapePrimitive = definePrimitive<ReshapeParams>({
  name: 'reshape',
  infer: ([x], { shape }) => {
    const type = x as TensorType;
    if (sizeOf(shape) !== type.size) {
      throw new ShapeError(
        'reshape',
        `Expected a shape of ${type.size} elements for ${type}, received ${showShape(shape)}`,
      );
    }
    return [type.withShape(shape)];
  },
  jvp: ({ tangents: [t], params: { shape } }) => [t && reshape(t, shape)],
  transpose: ({ cotangents: [ct], operands: [x] }) => [ct && x?.linear ? reshape(ct, x.type.shape) : null],
  batch: ({ inputs: [x], size, params: { shape } }) => [reshape(x as Tensor, [size, ...shape])],
  encode: () => [],
});

interface TransposeParams extends Params {
  readonly perm: readonly number[];
}

export const transposePrimitive = definePrimitive<TransposeParams>({
  name: 'transpose',
  infer: ([x], { perm }) => {
    const type = x as TensorType;
    if (perm.length !== type.rank || [...perm].sort((a, b) => a - b).some((axis, k) => axis !== k)) {
      throw new ShapeError('transpose', `Expected a permutation of the ${type.rank} axes, received ${showShape(perm)}`);
    }
    return [type.withShape(perm.map((axis) => type.shape[axis] as number))];
  },
  jvp: ({ tangents: [t], params: { perm } }) => [t && transpose(t, perm)],
  transpose: ({ cotangents: [ct], params: { perm } }) => [
    ct
      ? transpose(
          ct,
          perm.map((_, k) => perm.indexOf(k)),
        )
      : null,
  ],
  batch: ({ inputs: [x], params: { perm } }) => [transpose(x as Tensor, [0, ...shifted(perm)])],
  encode: ({ perm }) => [...perm],
});

// sums and other reductions

interface AxesParams extends Params {
  readonly axes: readonly number[];
}

const without = (shape: Shape, axes: readonly number[]): Shape => shape.filter((_, axis) => !axes.includes(axis));

export const reduceSumPrimitive = definePrimitive<AxesParams>({
  name: 'reduceSum',
  infer: ([x], { axes }) => {
    const type = x as TensorType;
    if (type.dtype === 'bool')
      throw new DTypeError('sum', 'Expected a numeric dtype, received bool', { hint: 'cast to int32 to count' });
    return [type.withShape(without(type.shape, axes))];
  },
  jvp: ({ tangents: [t], params: { axes } }) => [t && reduceSum(t, axes)],
  transpose: ({ cotangents: [ct], operands: [x], params: { axes } }) => [
    ct && x?.linear ? spread(ct, x.type.shape, axes) : null,
  ],
  batch: ({ inputs: [x], params: { axes } }) => [reduceSum(x as Tensor, shifted(axes))],
  encode: ({ axes }) => [...axes],
});

function reduceExtremum(name: 'reduceMax' | 'reduceMin', op: string): Primitive {
  return definePrimitive<AxesParams>({
    name,
    infer: ([x], { axes }) => {
      const type = x as TensorType;
      if (axes.some((axis) => type.shape[axis] === 0)) {
        throw new ShapeError(op, `Expected at least one element along the axes, received ${type}`);
      }
      return [type.withShape(without(type.shape, axes))];
    },
    // Equal winners share the tangent evenly.
    jvp: ({ inputs: [x], tangents: [t], outputs: [y], params: { axes } }) => {
      if (!t || !isFloat(t.dtype)) return [null];
      const value = x as Tensor;
      const winners = cast(equal(value, spread(y as Tensor, value.shape, axes)), value.dtype);
      return [div(reduceSum(mul(t, winners), axes), reduceSum(winners, axes))];
    },
    batch: ({ inputs, params: { axes } }) => bind(lax.primitive(name), inputs, { axes: shifted(axes) }),
    encode: ({ axes }) => [...axes],
  });
}

export const reduceMaxPrimitive = reduceExtremum('reduceMax', 'max');
export const reduceMinPrimitive = reduceExtremum('reduceMin', 'min');

function argExtremum(name: 'argMax' | 'argMin'): Primitive {
  return definePrimitive<Params & { readonly axis: number }>({
    name,
    infer: ([x], { axis }) => {
      const type = x as TensorType;
      if (type.shape[axis] === 0)
        throw new ShapeError(name, `Expected at least one element along axis ${axis}, received ${type}`);
      return [TensorType.of('int32', without(type.shape, [axis]))];
    },
    batch: ({ inputs, params: { axis } }) => bind(lax.primitive(name), inputs, { axis: axis + 1 }),
    encode: ({ axis }) => [axis],
  });
}

export const argMaxPrimitive = argExtremum('argMax');
export const argMinPrimitive = argExtremum('argMin');

// slice and pad

interface SliceParams extends Params {
  readonly start: Shape;
  readonly limit: Shape;
  readonly stride: Shape;
}

export const slicePrimitive = definePrimitive<SliceParams>({
  name: 'slice',
  infer: ([x], { start, limit, stride }) => {
    const type = x as TensorType;
    const fits = type.shape.every((dim, k) => {
      const [low, high, step] = [start[k] as number, limit[k] as number, stride[k] as number];
      return low >= 0 && low <= high && high <= dim && step >= 1;
    });
    if (!fits || start.length !== type.rank || limit.length !== type.rank || stride.length !== type.rank) {
      throw new ShapeError(
        'slice',
        `Expected 0 <= start <= limit <= dim for each axis of ${type}, received start ${showShape(start)}, limit ${showShape(limit)}, strides ${showShape(stride)}`,
      );
    }
    return [type.withShape(start.map((low, k) => Math.ceil(((limit[k] as number) - low) / (stride[k] as number))))];
  },
  jvp: ({ tangents: [t], params }) => [t && lax.slice(t, params.start, params.limit, params.stride)],
  transpose: ({ cotangents: [ct], operands: [x], params: { start, stride } }) => {
    const type = linearType(x);
    if (!ct || !type) return [null];
    const interior = stride.map((step) => step - 1);
    // What the strided slice reached; the rest is padded back behind.
    const reach = ct.shape.map((dim, k) => (dim === 0 ? 0 : (dim - 1) * (stride[k] as number) + 1));
    const high = type.shape.map((dim, k) => dim - (start[k] as number) - (reach[k] as number));
    return [lax.pad(ct, 0, start, high, interior)];
  },
  batch: ({ inputs: [x], size, params: { start, limit, stride } }) => [
    lax.slice(x as Tensor, [0, ...start], [size, ...limit], [1, ...stride]),
  ],
  encode: ({ start, limit, stride }) => [...start, ...limit, ...stride],
});

interface PadParams extends Params {
  readonly low: Shape;
  readonly high: Shape;
  readonly interior: Shape;
}

export const padPrimitive = definePrimitive<PadParams>({
  name: 'pad',
  infer: ([x, value], { low, high, interior }) => {
    const [type, fill] = [x as TensorType, value as TensorType];
    if (fill.rank !== 0 || fill.dtype !== type.dtype)
      throw new DTypeError('pad', `Expected a ${type.dtype} scalar to pad with, received ${fill}`);
    if ([low, high, interior].some((list) => list.length !== type.rank || list.some((count) => count < 0))) {
      throw new ShapeError(
        'pad',
        `Expected counts >= 0 for each axis of ${type}, received low ${showShape(low)}, high ${showShape(high)}`,
      );
    }
    const dims = type.shape.map(
      (dim, k) => (low[k] as number) + (high[k] as number) + dim + Math.max(dim - 1, 0) * (interior[k] as number),
    );
    return [type.withShape(dims)];
  },
  jvp: ({ tangents: [t, tv], outputs: [y], params: { low, high, interior } }) => {
    if (!t && !tv) return [null];
    const type = (y as Tensor).type;
    const inner = type.shape.map((dim, k) => dim - (low[k] as number) - (high[k] as number));
    if (t) return [lax.pad(t, tv ?? 0, low, high, interior)];
    // Only the fill moves: its tangent everywhere but where x sits.
    const hole = lax.pad(
      lax.zeros(type.withShape(inner.map((dim, k) => Math.ceil(dim / ((interior[k] as number) + 1))))),
      1,
      low,
      high,
      interior,
    );
    return [mul(hole, tv as Tensor)];
  },
  transpose: ({ cotangents: [ct], operands: [x, value], params: { low, high, interior } }) => {
    if (!ct) return [null, null];
    const limit = ct.shape.map((dim, k) => dim - (high[k] as number));
    const inner = lax.slice(
      ct,
      low,
      limit,
      interior.map((gap) => gap + 1),
    );
    const all = (t: Tensor): Tensor => reduceSum(t, [...t.shape.keys()]);
    return [x?.linear ? inner : null, value?.linear ? sub(all(ct), all(inner)) : null];
  },
  batch: ({ inputs, batched, size, params: { low, high, interior } }) => {
    const [operand, value] = inputs as [Tensor, Tensor];
    const x = carryBatch(operand, batched[0] as boolean, size);
    const counts = [
      [0, ...low],
      [0, ...high],
      [0, ...interior],
    ] as const;
    if (!batched[1]) return [lax.pad(x, value, ...counts)];
    // A value for each lane: a hole of the form of x says where it goes.
    const hole = lax.pad(lax.full(TensorType.of('bool', x.shape), 1), false, ...counts);
    const filler = cast(lax.full(TensorType.of('bool', []), 0), x.dtype);
    return [lax.select(hole, lax.pad(x, filler, ...counts), broadcast(value, hole.shape, [0]), x.dtype)];
  },
  encode: ({ low, high, interior }) => [...low, ...high, ...interior],
});

// concatenate

export const concatenatePrimitive = definePrimitive<Params & { readonly axis: number }>({
  name: 'concatenate',
  infer: (types, { axis }) => {
    const [first] = types as [TensorType];
    for (const type of types) {
      if (type.dtype !== first.dtype)
        throw new DTypeError('concatenate', `Expected operands of one dtype, received ${types.join(' and ')}`);
      if (type.rank !== first.rank || type.shape.some((dim, k) => k !== axis && dim !== first.shape[k])) {
        throw new ShapeError(
          'concatenate',
          `Expected shapes equal but for axis ${axis}, received ${types.map((t) => showShape(t.shape)).join(' and ')}`,
        );
      }
    }
    const total = types.reduce((sum, type) => sum + (type.shape[axis] as number), 0);
    return [first.withShape(first.shape.map((dim, k) => (k === axis ? total : dim)))];
  },
  jvp: ({ inputs, tangents, params: { axis } }) => {
    if (tangents.every((t) => !t)) return [null];
    return [
      lax.concatenate(
        tangents.map((t, k) => t ?? lax.zeros((inputs[k] as Tensor).type)),
        axis,
      ),
    ];
  },
  transpose: ({ cotangents: [ct], operands, params: { axis } }) => {
    let at = 0;
    return operands.map((operand) => {
      const dim = (operand.linear ? operand.type : operand.value.type).shape[axis] as number;
      const start = at;
      at += dim;
      if (!ct || !operand.linear) return null;
      const bounds = (edge: number, other: (k: number) => number): number[] =>
        ct.shape.map((_, k) => (k === axis ? edge : other(k)));
      return lax.slice(
        ct,
        bounds(start, () => 0),
        bounds(at, (k) => ct.shape[k] as number),
        ct.shape.map(() => 1),
      );
    });
  },
  batch: (context) => [lax.concatenate(carryAll(context), context.params.axis + 1)],
  encode: ({ axis }) => [axis],
});

export const iotaPrimitive = definePrimitive<
  Params & { readonly axis: number; readonly shape: Shape; readonly dtype: TensorType['dtype'] }
>({
  name: 'iota',
  infer: (_, { dtype, shape }) => [TensorType.of(dtype, shape)],
  batch: ({ size, params: { axis, dtype, shape } }) => [lax.iota(TensorType.of(dtype, [size, ...shape]), axis + 1)],
  encode: ({ axis }) => [axis],
});

/** Passes its operand on and has no derivative: a plain alias for the executor. */
export const stopGradientPrimitive = definePrimitive<Params>({
  name: 'stopGradient',
  kernel: 'reshape',
  infer: ([x]) => [x as TensorType],
  batch: batchElementwise('stopGradient'),
});
