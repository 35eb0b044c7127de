/** Reading, adding and writing at places along an axis, and reversing axes. */
import { DTypeError, ShapeError } from '../errors.js';
import { definePrimitive, type Params } from '../primitive.js';
import type { Tensor } from '../tensor.js';
import { type Shape, sameShape, showShape, TensorType } from '../types.js';
import { batchScatter } from './batched-indexing.js';
import { carryAll } from './batching.js';
import { checkIndices, gathered, gatherInside } from './indexing.js';
import {
  addAlongAxis,
  broadcast,
  equal,
  full,
  gather,
  greaterEqual,
  iota,
  less,
  reshape,
  reverse,
  scatterSet,
  select,
  takeAlongAxis,
  zeros,
} from './lax.js';

interface AxisParams extends Params {
  readonly axis: number;
}

/** Indices of the rank of x, with its dims but along the axis. */
function checkAlong(op: string, x: TensorType, indices: TensorType, axis: number): void {
  checkIndices(op, indices);
  if (indices.rank !== x.rank || indices.shape.some((dim, k) => k !== axis && dim !== x.shape[k])) {
    throw new ShapeError(
      op,
      `Expected indices of shape ${showShape(x.shape)} but for axis ${axis}, received ${showShape(indices.shape)}`,
    );
  }
}

export const takeAlongAxisPrimitive = definePrimitive<AxisParams>({
  name: 'takeAlongAxis',
  infer: (types, { axis }) => {
    const [x, indices] = types as [TensorType, TensorType];
    checkAlong('takeAlongAxis', x, indices, axis);
    return [x.withShape(indices.shape)];
  },
  jvp: ({ inputs: [, indices], tangents: [t], params: { axis } }) => [t && takeAlongAxis(t, indices as Tensor, axis)],
  transpose: ({ cotangents: [ct], operands: [x, indices], params: { axis } }) => {
    if (!ct || !x?.linear || !indices || indices.linear) return [null, null];
    return [addAlongAxis(zeros(x.type), indices.value, ct, axis), null];
  },
  batch: (context) => {
    const [x, indices] = carryAll(context) as [Tensor, Tensor];
    return [takeAlongAxis(x, indices, context.params.axis + 1)];
  },
  encode: ({ axis }) => [axis],
});

/** takeAlongAxis with zeros for indices outside: what was dropped on the way there has no share in the cotangent. */
function takeInside(x: Tensor, indices: Tensor, axis: number): Tensor {
  const taken = takeAlongAxis(x, indices, axis);
  const inside = select(less(indices, x.shape[axis] as number), taken, 0, x.dtype);
  return select(greaterEqual(indices, 0), inside, 0, x.dtype);
}

export const addAlongAxisPrimitive = definePrimitive<AxisParams>({
  name: 'addAlongAxis',
  infer: (types, { axis }) => {
    const [base, indices, updates] = types as [TensorType, TensorType, TensorType];
    checkAlong('addAlongAxis', base, indices, axis);
    if (!sameShape(updates.shape, indices.shape)) {
      throw new ShapeError(
        'addAlongAxis',
        `Expected updates of shape ${showShape(indices.shape)}, received ${showShape(updates.shape)}`,
      );
    }
    if (updates.dtype !== base.dtype || base.dtype === 'bool') {
      throw new DTypeError(
        'addAlongAxis',
        `Expected base and updates of one numeric dtype, received ${base.dtype} and ${updates.dtype}`,
      );
    }
    return [base];
  },
  jvp: ({ inputs: [base, indices, updates], tangents: [tb, , tu], params: { axis } }) => {
    if (!tb && !tu) return [null];
    const [b, u] = [tb ?? zeros((base as Tensor).type), tu ?? zeros((updates as Tensor).type)];
    return [addAlongAxis(b, indices as Tensor, u, axis)];
  },
  transpose: ({ cotangents: [ct], operands: [base, indices, updates], params: { axis } }) => {
    if (!ct || !indices || indices.linear) return [null, null, null];
    return [base?.linear ? ct : null, null, updates?.linear ? takeInside(ct, indices.value, axis) : null];
  },
  batch: (context) => {
    const [base, indices, updates] = carryAll(context) as [Tensor, Tensor, Tensor];
    return [addAlongAxis(base, indices, updates, context.params.axis + 1)];
  },
  encode: ({ axis }) => [axis],
});

/** 1 where an update is the last one with its index, and so the one that stays, in the shape of the updates. */
function stays(indices: Tensor, size: number, updates: Shape, axis: number): Tensor {
  const order = reshape(iota(TensorType.of('int32', [indices.size]), 0), indices.shape);
  const last = scatterSet(full(TensorType.of('int32', [size]), -1), indices, order, 0);
  const kept = equal(gather(last, indices, 0), order);
  return broadcast(
    kept,
    updates,
    [...indices.shape.keys()].map((k) => k + axis),
  );
}

export const scatterSetPrimitive = definePrimitive<AxisParams>({
  name: 'scatterSet',
  infer: (types, { axis }) => {
    const [base, indices, updates] = types as [TensorType, TensorType, TensorType];
    checkIndices('scatterSet', indices);
    const expected = gathered(base.shape, indices.shape, axis);
    if (!sameShape(updates.shape, expected)) {
      throw new ShapeError(
        'scatterSet',
        `Expected updates of shape ${showShape(expected)}, received ${showShape(updates.shape)}`,
      );
    }
    if (updates.dtype !== base.dtype) {
      throw new DTypeError(
        'scatterSet',
        `Expected base and updates of one dtype, received ${base.dtype} and ${updates.dtype}`,
      );
    }
    return [base];
  },
  jvp: ({ inputs: [base, indices, updates], tangents: [tb, , tu], params: { axis } }) => {
    if (!tb && !tu) return [null];
    const [b, u] = [tb ?? zeros((base as Tensor).type), tu ?? zeros((updates as Tensor).type)];
    return [scatterSet(b, indices as Tensor, u, axis)];
  },
  transpose: ({ cotangents: [ct], operands: [base, indices, updates], params: { axis } }) => {
    if (!ct || !indices || indices.linear || !updates) return [null, null, null];
    const type = updates.linear ? updates.type : updates.value.type;
    const fromUpdates = (): Tensor => {
      const taken = gatherInside(ct, indices.value, axis);
      return select(stays(indices.value, ct.shape[axis] as number, type.shape, axis), taken, 0, ct.dtype);
    };
    return [
      base?.linear ? scatterSet(ct, indices.value, zeros(type), axis) : null,
      null,
      updates.linear ? fromUpdates() : null,
    ];
  },
  batch: (context) => batchScatter(scatterSet, context),
  encode: ({ axis }) => [axis],
});

export const reversePrimitive = definePrimitive<Params & { readonly axes: readonly number[] }>({
  name: 'reverse',
  infer: ([x]) => [x as TensorType],
  jvp: ({ tangents: [t], params: { axes } }) => [t && reverse(t, axes)],
  transpose: ({ cotangents: [ct], params: { axes } }) => [ct ? reverse(ct, axes) : null],
  batch: ({ inputs: [x], params: { axes } }) => [
    reverse(
      x as Tensor,
      axes.map((axis) => axis + 1),
    ),
  ],
  encode: ({ axes }) => [...axes],
});
