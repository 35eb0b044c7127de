/** Batching rules of the primitives that read and write at positions given by data: lanes joined, indices counted across them. */
import type { BatchContext, Params } from '../primitive.js';
import type { Tensor } from '../tensor.js';
import { bind1 } from '../tracing.js';
import { type Shape, sizeOf, TensorType } from '../types.js';
import { carryBatch, flatIndices, shifted } from './batching.js';
import {
  add,
  and,
  broadcast,
  concatenate,
  dynamicSlice,
  dynamicUpdate,
  full,
  gather,
  greaterEqual,
  iota,
  less,
  moveAxis,
  mul,
  primitive,
  reshape,
  type scatterAdd,
  select,
  sub,
} from './lax.js';

type Axis = Params & { readonly axis: number };

/** x [size, .., n, ..] as [size .. n, ..]: everything before axis (of a lane) and the axis itself become rows. */
function joinRows(x: Tensor, axis: number): Tensor {
  return reshape(x, [sizeOf(x.shape.slice(0, axis + 2)), ...x.shape.slice(axis + 2)]);
}

/** Indices [size, ..] into n places as indices [size, ...before, ..] into the rows that `joinRows` makes of x [size, ...before, n, ..]. */
function joinIndices(indices: Tensor, batched: boolean, size: number, before: Shape, n: number): Tensor {
  const lanes = carryBatch(indices, batched, size);
  const repeats = sizeOf(before);
  const shape = [size, repeats, ...lanes.shape.slice(1)];
  const spread = broadcast(lanes, shape, [0, ...shifted(shifted([...lanes.shape.slice(1).keys()]))]);
  return flatIndices(reshape(spread, [size * repeats, ...shape.slice(2)]), true, size * repeats, n);
}

export function batchGather({ inputs, batched, size, params: { axis } }: BatchContext<Axis>): Tensor[] {
  const [x, indices] = inputs as [Tensor, Tensor];
  if (!batched[1]) return [gather(x, indices, axis + 1)];
  // The same rows for all lanes: read them once for all.
  if (!batched[0]) return [moveAxis(gather(x, indices, axis), axis, 0)];
  const [before, n, after] = [x.shape.slice(1, axis + 1), x.shape[axis + 1] as number, x.shape.slice(axis + 2)];
  const taken = gather(joinRows(x, axis), joinIndices(indices, true, size, before, n), 0);
  return [reshape(taken, [size, ...before, ...indices.shape.slice(1), ...after])];
}

/** The rule of scatterAdd and scatterSet. */
export function batchScatter(
  scatter: typeof scatterAdd,
  { inputs, batched, size, params: { axis } }: BatchContext<Axis>,
): Tensor[] {
  const [base, indices, updates] = inputs.map((x, k) => (k === 1 ? x : carryBatch(x, batched[k] as boolean, size))) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  if (!batched[1]) return [scatter(base, indices, updates, axis + 1)];
  const [before, n, after] = [
    base.shape.slice(1, axis + 1),
    base.shape[axis + 1] as number,
    base.shape.slice(axis + 2),
  ];
  const flat = joinIndices(indices, true, size, before, n);
  return [reshape(scatter(joinRows(base, axis), flat, reshape(updates, [...flat.shape, ...after]), 0), base.shape)];
}

/** Start of a block in each lane: column k of starts [size, rank], moved so that the block fits. */
function column(starts: Tensor, k: number, room: number): Tensor {
  const [size] = starts.shape as [number];
  const one = reshape(bind1(primitive('slice'), [starts], { start: [0, k], limit: [size, k + 1], stride: [1, 1] }), [
    size,
  ]);
  const low = bind1(primitive('max'), [one, 0], {}, 'int32');
  return bind1(primitive('min'), [low, room], {}, 'int32');
}

/** How many leading axes a block does not fill: the rest is copied in one piece. */
function partialAxes(whole: Shape, block: Shape): number {
  let count = whole.length;
  while (count > 0 && block[count - 1] === whole[count - 1]) count--;
  return count;
}

/** Positions along one axis of [size, ...dims], int32. */
const along = (dims: Shape, size: number, axis: number): Tensor => iota(TensorType.of('int32', [size, ...dims]), axis);
const perLane = (x: Tensor, dims: Shape): Tensor => broadcast(x, [x.shape[0] as number, ...dims], [0]);

export function batchDynamicSlice({
  inputs,
  batched,
  size,
  params: { sizes },
}: BatchContext<Params & { readonly sizes: Shape }>): Tensor[] {
  const [x, start] = inputs as [Tensor, Tensor];
  if (!batched[1]) {
    return [dynamicSlice(x, concatenate([full(TensorType.of('int32', [1]), 0), start], 0), [size, ...sizes])];
  }
  const lane = batched[0] ? x.shape.slice(1) : x.shape;
  const count = partialAxes(lane, sizes);
  const [dims, block, rest] = [lane.slice(0, count), sizes.slice(0, count), lane.slice(count)];
  // Row of each element of the block among the rows of its lane.
  let rows = full(TensorType.of('int32', [size, ...block]), 0);
  dims.forEach((dim, k) => {
    const position = add(perLane(column(start, k, dim - (block[k] as number)), block), along(block, size, k + 1));
    rows = add(mul(rows, dim), position);
  });
  const perRow = sizeOf(dims);
  const source = reshape(x, [(batched[0] ? size : 1) * perRow, ...rest]);
  return [gather(source, batched[0] ? flatIndices(rows, true, size, perRow) : rows, 0)];
}

export function batchDynamicUpdate({ inputs, batched, size }: BatchContext<Params>): Tensor[] {
  const [x, update, start] = inputs as [Tensor, Tensor, Tensor];
  if (!batched[2]) {
    const corner = concatenate([full(TensorType.of('int32', [1]), 0), start], 0);
    const [whole, block] = [x, update].map((value, k) => carryBatch(value, batched[k] as boolean, size));
    return [dynamicUpdate(whole as Tensor, block as Tensor, corner)];
  }
  // Each element of the result says which element of the update it is, if it is one.
  const lane = batched[0] ? x.shape.slice(1) : x.shape;
  const sizes = batched[1] ? update.shape.slice(1) : update.shape;
  const count = partialAxes(lane, sizes);
  const [dims, block, rest] = [lane.slice(0, count), sizes.slice(0, count), lane.slice(count)];
  const type = TensorType.of('int32', [size, ...dims]);
  let rows = full(type, 0);
  let inside = full(type.withDType('bool'), 1);
  dims.forEach((dim, k) => {
    const length = block[k] as number;
    const offset = sub(along(dims, size, k + 1), perLane(column(start, k, dim - length), dims));
    inside = and(inside, and(greaterEqual(offset, 0), less(offset, length)));
    rows = add(mul(rows, length), offset);
  });
  const perRow = sizeOf(block);
  const source = reshape(update, [(batched[1] ? size : 1) * perRow, ...rest]);
  const index = select(inside, batched[1] ? add(rows, mul(iota(type, 0), perRow)) : rows, -1, 'int32');
  const written = gather(source, index, 0);
  const everywhere = broadcast(inside, written.shape, [...inside.shape.keys()]);
  return [select(everywhere, written, carryBatch(x, batched[0] as boolean, size), x.dtype)];
}
