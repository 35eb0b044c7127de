/** What batching rules share: putting the batch where the lanes of all operands meet. */
import type { BatchContext, Params } from '../primitive.js';
import type { Tensor } from '../tensor.js';
import { bind } from '../tracing.js';
import type { Shape } from '../types.js';
import {
  add,
  and,
  broadcast,
  greaterEqual,
  iota,
  less,
  matmul,
  mul,
  primitive,
  reshape,
  select,
  transpose,
} from './lax.js';
import { transposeLast } from './matrices.js';

/** The axes of a lane, in a tensor that carries the batch as axis 0. */
export const shifted = (axes: readonly number[]): number[] => axes.map((axis) => axis + 1);

/** `x` with the batch as axis 0: stretched where it has none. */
export function carryBatch(x: Tensor, batched: boolean, size: number): Tensor {
  return batched ? x : broadcast(x, [size, ...x.shape], shifted([...x.shape.keys()]));
}

/** All operands with the batch as axis 0. */
export function carryAll({ inputs, batched, size }: BatchContext<Params>): Tensor[] {
  return inputs.map((x, k) => carryBatch(x, batched[k] as boolean, size));
}

/** Operands of an elementwise primitive in one shape; those of rank 0 that are the same for all lanes stay as they are. */
export function alignLanes(inputs: readonly Tensor[], batched: readonly boolean[], size: number): Tensor[] {
  let lane: Shape = [];
  inputs.forEach((x, k) => {
    const own = batched[k] ? x.shape.slice(1) : x.shape;
    if (own.length > 0) lane = own;
  });
  const shape = [size, ...lane];
  return inputs.map((x, k) => {
    if (batched[k]) return x.rank === 1 ? broadcast(x, shape, [0]) : x;
    return x.rank === 0 ? x : broadcast(x, shape, shifted([...x.shape.keys()]));
  });
}

/** The rule of an elementwise primitive. */
export function batchElementwise<P extends Params>(name: string): (context: BatchContext<P>) => Tensor[] {
  return ({ inputs, batched, size, params }) => bind(primitive(name), alignLanes(inputs, batched, size), params);
}

/** The rule of a primitive that takes leading dimensions as they come: linear algebra, random numbers. */
export function batchLeading<P extends Params>(
  name: string,
  paramsFor: (params: P, size: number) => Params = (params) => params,
): (context: BatchContext<P>) => Tensor[] {
  return (context) => bind(primitive(name), carryAll(context), paramsFor(context.params, context.size));
}

/** condition ? a : b for each lane: a bool [size], and values that may carry the batch or not. */
export function selectLanes(
  condition: Tensor,
  a: { readonly value: Tensor; readonly batched: boolean },
  b: { readonly value: Tensor; readonly batched: boolean },
): Tensor {
  const [size] = condition.shape as [number];
  const [test, x, y] = alignLanes([condition, a.value, b.value], [true, a.batched, b.batched], size);
  return select(test as Tensor, x as Tensor, y as Tensor, a.value.dtype);
}

/** `indices` of lanes as indices into all lanes joined: lane b counts from b n. Indices outside of 0 .. n - 1 become -1, which is outside. */
export function flatIndices(indices: Tensor, batched: boolean, size: number, n: number): Tensor {
  const lanes = carryBatch(indices, batched, size);
  const offset = mul(iota(lanes.type, 0), n);
  return select(and(greaterEqual(lanes, 0), less(lanes, n)), add(lanes, offset), -1, 'int32');
}

/**
 * x -> f(x) for a map f that treats the rows of x [.., m, k] alike, with x [size, .., m, k] batched and f not: the batch joins the
 * rows, [.., size m, k], and comes out as axis 0. Free where the matrices have no dimensions before them.
 */
export function foldRows(x: Tensor, f: (rows: Tensor) => Tensor): Tensor {
  const [size] = x.shape as [number];
  const [m, k] = x.shape.slice(-2) as [number, number];
  const outer = x.shape.slice(1, -2);
  const axes = [...outer.keys()];
  const inward = [...shifted(axes), 0, x.rank - 2, x.rank - 1];
  const y = f(reshape(transpose(x, inward), [...outer, size * m, k]));
  const n = y.shape[y.rank - 1] as number;
  const apart = reshape(y, [...outer, size, m, n]);
  return transpose(apart, [outer.length, ...axes, outer.length + 1, outer.length + 2]);
}

interface Flags {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

const isCopied = (x: Tensor): boolean => Math.min(...x.shape.slice(-2)) > 1;

/**
 * a b (or its transpose, `turned`) with `a` batched and `b` the same for all lanes: one product with the batch in its rows.
 * Undefined where putting it there moves more elements than repeating `b` for each lane would.
 */
function foldedProduct(a: Tensor, b: Tensor, { transposeA, transposeB }: Flags, turned: boolean): Tensor | undefined {
  const [size] = a.shape as [number];
  const left = transposeA ? [a.shape[a.rank - 1], a.shape[a.rank - 2]] : a.shape.slice(-2);
  const [rows, inner] = left as [number, number];
  const columns = b.shape[b.rank - (transposeB ? 2 : 1)] as number;
  const result = inner === 0 ? 0 : (a.size / inner) * columns;
  const outer = b.rank > 2 ? a.size + result : 0;
  const moved = outer + (transposeA && isCopied(a) ? a.size : 0) + (turned && rows > 1 && columns > 1 ? result : 0);
  if (moved > size * b.size) return undefined;
  const product = foldRows(transposeA ? transposeLast(a) : a, (x) => matmul(x, b, { transposeB }));
  return turned ? transposeLast(product) : product;
}

/** The batching rule of matmul. */
export function batchMatmul({ inputs, batched, size, params }: BatchContext<Params & Flags>): Tensor[] {
  const [a, b] = inputs as [Tensor, Tensor];
  const { transposeA, transposeB } = params;
  if (!batched[0] || !batched[1]) {
    // (a b)^T = b^T a^T, whose rows are the columns of b.
    const folded = batched[0]
      ? foldedProduct(a, b, params, false)
      : foldedProduct(b, a, { transposeA: !transposeB, transposeB: !transposeA }, true);
    if (folded) return [folded];
  }
  const [x, y] = [carryBatch(a, batched[0] as boolean, size), carryBatch(b, batched[1] as boolean, size)];
  const inner = x.shape[x.rank - (transposeA ? 2 : 1)] as number;
  if (inner !== 1) return [matmul(x, y, params)];
  // An outer product in each lane only writes: elementwise kernels do that at the speed of memory.
  const left = transposeA ? transposeLast(x) : x;
  const right = transposeB ? transposeLast(y) : y;
  const shape = [...left.shape.slice(0, -1), right.shape[right.rank - 1] as number];
  const axes = [...shape.keys()];
  return [mul(broadcast(left, shape, axes), broadcast(right, shape, axes))];
}
