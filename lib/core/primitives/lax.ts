/**
 * The primitives as functions, without broadcasting or option checks: what derivative rules and the public operations are
 * written in. They look their primitive up when called, so rules may use each other freely.
 */
import type { DType } from '../dtype.js';
import { InternalError } from '../errors.js';
import { type Params, type Primitive, primitives, type Tangent } from '../primitive.js';
import { Tensor } from '../tensor.js';
import { bind, bind1, type TensorLike } from '../tracing.js';
import { type Shape, sameShape, TensorType } from '../types.js';

export type None = Record<string, never>;
const none: None = {};

export function primitive(name: string): Primitive {
  const found = primitives.get(name);
  if (!found) throw new InternalError(name, 'Expected the name of a primitive');
  return found;
}

function apply(name: string, inputs: readonly TensorLike[], params: Params = none): Tensor {
  const typed = inputs.find((input): input is Tensor => input instanceof Tensor);
  return bind1(primitive(name), inputs, params, typed?.dtype);
}

const unary =
  (name: string) =>
  (x: Tensor): Tensor =>
    apply(name, [x]);
const binary =
  (name: string) =>
  (a: TensorLike, b: TensorLike): Tensor =>
    apply(name, [a, b]);

export const neg = unary('neg');
export const sign = unary('sign');
export const exp = unary('exp');
export const log = unary('log');
export const sin = unary('sin');
export const cos = unary('cos');
export const logistic = unary('logistic');
export const square = unary('square');
export const reciprocal = unary('reciprocal');
export const digamma = unary('digamma');
export const trigamma = unary('trigamma');
export const add = binary('add');
export const sub = binary('sub');
export const mul = binary('mul');
export const div = binary('div');
export const pow = binary('pow');
export const greater = binary('gt');
export const greaterEqual = binary('ge');
export const less = binary('lt');
export const lessEqual = binary('le');
export const equal = binary('eq');

/** condition ? a : b; numbers take the dtype `numbers`. */
export function select(condition: Tensor, a: TensorLike, b: TensorLike, numbers: DType): Tensor {
  return bind1(primitive('select'), [condition, a, b], none, numbers);
}

export function cast(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : apply('cast', [x], { dtype });
}

/** @param dims  result dim of each operand dim. */
export function broadcast(x: TensorLike, shape: Shape, dims: readonly number[], numbers?: DType): Tensor {
  if (x instanceof Tensor && sameShape(x.shape, shape)) return x;
  return bind1(primitive('broadcast'), [x], { shape, dims }, numbers);
}

export function full(type: TensorType, value: number): Tensor {
  return bind1(primitive('broadcast'), [value], { shape: type.shape, dims: [] }, type.dtype);
}

export function zeros(type: TensorType): Tensor {
  return full(type, 0);
}

export function reshape(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : apply('reshape', [x], { shape });
}

/** Axes in another order. Where only dimensions of 1 change places nothing moves, and a reshape does. */
export function transpose(x: Tensor, perm: readonly number[]): Tensor {
  const each = perm.length === x.rank && new Set(perm).size === x.rank;
  const moving = perm.filter((axis) => x.shape[axis] !== 1);
  if (!each || moving.some((axis, k) => k > 0 && axis < (moving[k - 1] as number))) {
    return apply('transpose', [x], { perm });
  }
  return reshape(
    x,
    perm.map((axis) => x.shape[axis] as number),
  );
}

/** `x` with axis `from` put at `to`, the others in their order. */
export function moveAxis(x: Tensor, from: number, to: number): Tensor {
  const perm = [...x.shape.keys()].filter((axis) => axis !== from);
  perm.splice(to, 0, from);
  return transpose(x, perm);
}

export function slice(x: Tensor, start: Shape, limit: Shape, stride: Shape): Tensor {
  const whole = stride.every((s, k) => s === 1 && start[k] === 0 && limit[k] === x.shape[k]);
  return whole ? x : apply('slice', [x], { start, limit, stride });
}

export function pad(x: Tensor, value: TensorLike, low: Shape, high: Shape, interior: Shape): Tensor {
  return apply('pad', [x, value], { low, high, interior });
}

export function concatenate(xs: readonly Tensor[], axis: number): Tensor {
  return xs.length === 1 ? (xs[0] as Tensor) : apply('concatenate', xs, { axis });
}

export function gather(x: Tensor, indices: Tensor, axis: number): Tensor {
  return apply('gather', [x, indices], { axis });
}

export function scatterAdd(base: Tensor, indices: Tensor, updates: Tensor, axis: number): Tensor {
  return apply('scatterAdd', [base, indices, updates], { axis });
}

export function scatterSet(base: Tensor, indices: Tensor, updates: Tensor, axis: number): Tensor {
  return apply('scatterSet', [base, indices, updates], { axis });
}

export function takeAlongAxis(x: Tensor, indices: Tensor, axis: number): Tensor {
  return apply('takeAlongAxis', [x, indices], { axis });
}

export function addAlongAxis(base: Tensor, indices: Tensor, updates: Tensor, axis: number): Tensor {
  return apply('addAlongAxis', [base, indices, updates], { axis });
}

/** @param axes  ascending. */
export function reverse(x: Tensor, axes: readonly number[]): Tensor {
  return axes.length === 0 ? x : apply('reverse', [x], { axes });
}

export function dynamicSlice(x: Tensor, start: Tensor, sizes: Shape): Tensor {
  return apply('dynamicSlice', [x, start], { sizes });
}

export function dynamicUpdate(x: Tensor, update: Tensor, start: Tensor): Tensor {
  return apply('dynamicUpdate', [x, update, start]);
}

/** Counts along `axis`: one row of them, spread over the rest, so that a chain that reads it never stores more than the row. */
export function iota(type: TensorType, axis: number): Tensor {
  const shape = [type.shape[axis] as number];
  const row = apply('iota', [], { dtype: type.dtype, shape, axis: 0 });
  return type.rank === 1 ? row : broadcast(row, type.shape, [axis]);
}

/** Whether any element is true, of a bool tensor. */
export function any(x: Tensor): Tensor {
  return x.size === 0 ? full(TensorType.of('bool', []), 0) : apply('reduceMax', [x], { axes: [...x.shape.keys()] });
}

export const and = binary('and');

export function not(x: Tensor): Tensor {
  return apply('not', [x]);
}

export function reduceSum(x: Tensor, axes: readonly number[]): Tensor {
  return axes.length === 0 ? x : apply('reduceSum', [x], { axes });
}

/** Along `axis`, from its start or (reverse) from its end. */
export interface LineParams extends Params {
  readonly axis: number;
  readonly reverse: boolean;
}

export function cumSum(x: Tensor, params: LineParams): Tensor {
  return apply('cumSum', [x], params);
}

export function cumProd(x: Tensor, params: LineParams): Tensor {
  return apply('cumProd', [x], params);
}

export function cumMax(x: Tensor, params: LineParams): Tensor {
  return apply('cumMax', [x], params);
}

/** y_k = a_k y_(k-1) + b_k. */
export function linearRecurrence(a: Tensor, b: Tensor, params: LineParams): Tensor {
  return apply('linearRecurrence', [a, b], params);
}

/** [sorted, places]. */
export function sort(x: Tensor, axis: number, descending: boolean): [Tensor, Tensor] {
  return bind(primitive('sort'), [x], { axis, descending }) as [Tensor, Tensor];
}

/** The k first elements in sorted order, and their places. */
export function topK(x: Tensor, axis: number, k: number, descending: boolean): [Tensor, Tensor] {
  return bind(primitive('topK'), [x], { axis, k, descending }) as [Tensor, Tensor];
}

/** How many elements of each sorted line come before (right: not behind) a value. */
export function searchSorted(sorted: Tensor, values: Tensor, right: boolean): Tensor {
  return apply('searchSorted', [sorted, values], { right });
}

/** Which operands of a product are transposed first. */
export interface MatmulFlags {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

export function matmul(a: Tensor, b: Tensor, { transposeA = false, transposeB = false }: MatmulFlags = {}): Tensor {
  return apply('matmul', [a, b], { transposeA, transposeB });
}

export interface TriangularFlags extends Params {
  readonly left: boolean;
  readonly lower: boolean;
  readonly transpose: boolean;
  readonly unitDiagonal: boolean;
}

export function triangularSolve(a: Tensor, b: Tensor, flags: TriangularFlags): Tensor {
  return apply('triangularSolve', [a, b], flags);
}

export function cholesky(a: Tensor): [Tensor, Tensor] {
  return bind(primitive('cholesky'), [a], none) as [Tensor, Tensor];
}

/** Puts a reduced tensor back over the axes that it lost. */
export function spread(x: Tensor, shape: Shape, axes: readonly number[]): Tensor {
  return broadcast(
    x,
    shape,
    [...shape.keys()].filter((axis) => !axes.includes(axis)),
  );
}

/** The sum of what there is; null stands for zero. */
export function sumTangents(...tangents: Tangent[]): Tangent {
  return tangents.reduce<Tangent>((total, t) => (total && t ? add(total, t) : (total ?? t)), null);
}
