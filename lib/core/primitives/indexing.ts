/** Primitives that read and write at positions known only when they run. */
import { DTypeError, ShapeError } from '../errors.js';
import { definePrimitive, type Params } from '../primitive.js';
import type { Tensor } from '../tensor.js';
import { type Shape, sameShape, showShape, type TensorType } from '../types.js';
import { batchDynamicSlice, batchDynamicUpdate, batchGather, batchScatter } from './batched-indexing.js';
import {
  broadcast,
  dynamicSlice,
  dynamicUpdate,
  gather,
  greaterEqual,
  less,
  type None,
  scatterAdd,
  select,
  zeros,
} from './lax.js';

export function checkIndices(op: string, type: TensorType): void {
  if (type.dtype !== 'int32')
    throw new DTypeError(op, `Expected int32 indices, received ${type.dtype}`, { hint: "cast(indices, 'int32')" });
}

interface AxisParams extends Params {
  readonly axis: number;
}

export const gathered = (x: Shape, indices: Shape, axis: number): Shape => [
  ...x.slice(0, axis),
  ...indices,
  ...x.slice(axis + 1),
];

export const gatherPrimitive = definePrimitive<AxisParams>({
  name: 'gather',
  infer: ([x, indices], { axis }) => {
    const [type, at] = [x as TensorType, indices as TensorType];
    checkIndices('take', at);
    return [type.withShape(gathered(type.shape, at.shape, axis))];
  },
  jvp: ({ inputs: [, indices], tangents: [t], params: { axis } }) => [t && gather(t, indices as Tensor, axis)],
  transpose: ({ cotangents: [ct], operands: [x, indices], params: { axis } }) => {
    if (!ct || !x?.linear || !indices || indices.linear) return [null, null];
    return [scatterAdd(zeros(x.type), indices.value, ct, axis), null];
  },
  batch: batchGather,
  encode: ({ axis }) => [axis],
});

/** gather with zeros for indices outside: what was dropped on the way there has no share in the cotangent. */
export function gatherInside(x: Tensor, indices: Tensor, axis: number): Tensor {
  const taken = gather(x, indices, axis);
  const dims = [...indices.shape.keys()].map((k) => k + axis);
  const where = (test: Tensor, value: Tensor): Tensor => select(broadcast(test, taken.shape, dims), value, 0, x.dtype);
  return where(greaterEqual(indices, 0), where(less(indices, x.shape[axis] as number), taken));
}

export const scatterAddPrimitive = definePrimitive<AxisParams>({
  name: 'scatterAdd',
  infer: (types, { axis }) => {
    const [base, indices, updates] = types as [TensorType, TensorType, TensorType];
    checkIndices('scatterAdd', indices);
    const expected = gathered(base.shape, indices.shape, axis);
    if (!sameShape(updates.shape, expected)) {
      throw new ShapeError(
        'scatterAdd',
        `Expected updates of shape ${showShape(expected)}, received ${showShape(updates.shape)}`,
      );
    }
    if (updates.dtype !== base.dtype || base.dtype === 'bool') {
      throw new DTypeError(
        'scatterAdd',
        `Expected base and updates of one numeric dtype, received ${base.dtype} and ${updates.dtype}`,
      );
    }
    return [base];
  },
  jvp: ({ inputs: [base, indices, updates], tangents: [tb, , tu], params: { axis } }) => {
    if (!tb && !tu) return [null];
    return [
      scatterAdd(tb ?? zeros((base as Tensor).type), indices as Tensor, tu ?? zeros((updates as Tensor).type), axis),
    ];
  },
  transpose: ({ cotangents: [ct], operands: [base, indices, updates], params: { axis } }) => {
    if (!ct || !indices || indices.linear) return [null, null, null];
    return [base?.linear ? ct : null, null, updates?.linear ? gatherInside(ct, indices.value, axis) : null];
  },
  batch: (context) => batchScatter(scatterAdd, context),
  encode: ({ axis }) => [axis],
});

function checkStart(op: string, x: TensorType, start: TensorType): void {
  checkIndices(op, start);
  if (start.rank !== 1 || start.shape[0] !== x.rank) {
    throw new ShapeError(
      op,
      `Expected start of shape [${x.rank}], one index an axis, received ${showShape(start.shape)}`,
    );
  }
}

export const dynamicSlicePrimitive = definePrimitive<Params & { readonly sizes: Shape }>({
  name: 'dynamicSlice',
  infer: ([x, start], { sizes }) => {
    const type = x as TensorType;
    checkStart('dynamicSlice', type, start as TensorType);
    if (sizes.length !== type.rank || sizes.some((size, k) => size > (type.shape[k] as number))) {
      throw new ShapeError(
        'dynamicSlice',
        `Expected sizes within ${showShape(type.shape)}, received ${showShape(sizes)}`,
      );
    }
    return [type.withShape(sizes)];
  },
  jvp: ({ inputs: [, start], tangents: [t], params: { sizes } }) => [t && dynamicSlice(t, start as Tensor, sizes)],
  transpose: ({ cotangents: [ct], operands: [x, start] }) => {
    if (!ct || !x?.linear || !start || start.linear) return [null, null];
    return [dynamicUpdate(zeros(x.type), ct, start.value), null];
  },
  batch: batchDynamicSlice,
  encode: () => [],
});

export const dynamicUpdatePrimitive = definePrimitive<None>({
  name: 'dynamicUpdate',
  infer: (types) => {
    const [x, update, start] = types as [TensorType, TensorType, TensorType];
    checkStart('dynamicUpdate', x, start);
    if (update.rank !== x.rank || update.shape.some((size, k) => size > (x.shape[k] as number))) {
      throw new ShapeError(
        'dynamicUpdate',
        `Expected an update that fits into ${showShape(x.shape)}, received ${showShape(update.shape)}`,
      );
    }
    if (update.dtype !== x.dtype)
      throw new DTypeError('dynamicUpdate', `Expected an update of dtype ${x.dtype}, received ${update.dtype}`);
    return [x];
  },
  jvp: ({ inputs: [x, update, start], tangents: [tx, tu] }) => {
    if (!tx && !tu) return [null];
    return [dynamicUpdate(tx ?? zeros((x as Tensor).type), tu ?? zeros((update as Tensor).type), start as Tensor)];
  },
  transpose: ({ cotangents: [ct], operands: [x, update, start] }) => {
    if (!ct || !x || !update || !start || start.linear) return [null, null, null];
    const type = update.linear ? update.type : update.value.type;
    return [
      x.linear ? dynamicUpdate(ct, zeros(type), start.value) : null,
      update.linear ? dynamicSlice(ct, start.value, type.shape) : null,
      null,
    ];
  },
  batch: batchDynamicUpdate,
});
