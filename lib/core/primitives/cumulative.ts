/** Running sums, products and extrema along an axis, the linear recurrence behind their derivatives, and products over axes. */
import { isFloat } from '../dtype.js';
import { DTypeError, ShapeError } from '../errors.js';
import { definePrimitive, type Params, type Primitive } from '../primitive.js';
import type { Tensor } from '../tensor.js';
import { bind1 } from '../tracing.js';
import { sameShape, TensorType } from '../types.js';
import { carryAll } from './batching.js';
import {
  add,
  cumMax,
  cumProd,
  cumSum,
  greaterEqual,
  iota,
  type LineParams,
  lessEqual,
  linearRecurrence,
  mul,
  pad,
  primitive,
  reduceSum,
  reshape,
  select,
  slice,
  takeAlongAxis,
  transpose,
} from './lax.js';

/** Numbers for the addon, of all primitives along lines. */
const encode = ({ axis, reverse }: LineParams): number[] => [axis, Number(reverse)];

const inLanes = (params: LineParams): LineParams => ({ ...params, axis: params.axis + 1 });

/** Each element's predecessor along the axis (in the order of the line); `first` where there is none. */
function predecessor(x: Tensor, { axis, reverse }: LineParams, first: number): Tensor {
  const size = x.shape[axis] as number;
  if (size === 0) return x;
  const at = (edge: number): number[] => x.shape.map((_, k) => (k === axis ? edge : 0));
  const start = at(reverse ? 1 : 0);
  const limit = x.shape.map((dim, k) => (k === axis && !reverse ? dim - 1 : dim));
  const kept = slice(
    x,
    start,
    limit,
    x.shape.map(() => 1),
  );
  return pad(kept, first, at(reverse ? 0 : 1), at(reverse ? 1 : 0), at(0));
}

/** Each element's successor along the axis; 0 where there is none. */
const successor = (x: Tensor, params: LineParams): Tensor => predecessor(x, { ...params, reverse: !params.reverse }, 0);

function inferNumbers(name: string): (types: readonly TensorType[]) => TensorType[] {
  return ([x]) => {
    const type = x as TensorType;
    if (type.dtype === 'bool') {
      throw new DTypeError(name, 'Expected a numeric dtype, received bool', { hint: 'cast to int32 to count' });
    }
    return [type];
  };
}

export const cumSumPrimitive = definePrimitive<LineParams>({
  name: 'cumSum',
  infer: inferNumbers('cumSum'),
  jvp: ({ tangents: [t], params }) => [t && cumSum(t, params)],
  transpose: ({ cotangents: [ct], params }) => [ct ? cumSum(ct, { ...params, reverse: !params.reverse }) : null],
  batch: ({ inputs: [x], params }) => [cumSum(x as Tensor, inLanes(params))],
  encode,
});

export const linearRecurrencePrimitive = definePrimitive<LineParams>({
  name: 'linearRecurrence',
  infer: (types) => {
    const [a, b] = types as [TensorType, TensorType];
    if (!isFloat(a.dtype) || a.dtype !== b.dtype) {
      throw new DTypeError('linearRecurrence', `Expected operands of one float dtype, received ${a} and ${b}`);
    }
    if (!sameShape(a.shape, b.shape)) {
      throw new ShapeError('linearRecurrence', `Expected operands of one shape, received ${a} and ${b}`);
    }
    return [b];
  },
  // dy_k = a_k dy_(k-1) + (da_k y_(k-1) + db_k)
  jvp: ({ inputs: [a], tangents: [ta, tb], outputs: [y], params }) => {
    const moved = ta && mul(ta, predecessor(y as Tensor, params, 0));
    const added = moved && tb ? add(moved, tb) : (moved ?? tb);
    return [added ? linearRecurrence(a as Tensor, added, params) : null];
  },
  // In b: the cotangent runs back, l_k = c_k + a_(k+1) l_(k+1).
  transpose: ({ cotangents: [ct], operands: [a, b], params }) => {
    if (!ct || !b?.linear || !a || a.linear) return [null, null];
    return [null, linearRecurrence(successor(a.value, params), ct, { ...params, reverse: !params.reverse })];
  },
  batch: (context) => {
    const [a, b] = carryAll(context) as [Tensor, Tensor];
    return [linearRecurrence(a, b, inLanes(context.params))];
  },
  encode,
});

export const cumProdPrimitive = definePrimitive<LineParams>({
  name: 'cumProd',
  infer: inferNumbers('cumProd'),
  // dy_k = x_k dy_(k-1) + dx_k y_(k-1): no division, so that zeros do no harm.
  jvp: ({ inputs: [x], tangents: [t], outputs: [y], params }) => [
    t && linearRecurrence(x as Tensor, mul(t, predecessor(y as Tensor, params, 1)), params),
  ],
  batch: ({ inputs: [x], params }) => [cumProd(x as Tensor, inLanes(params))],
  encode,
});

function cumulativeExtremum(name: 'cumMax' | 'cumMin', loses: typeof lessEqual): Primitive {
  return definePrimitive<LineParams>({
    name,
    infer: inferNumbers(name),
    // The first winner of each stretch takes the whole tangent.
    jvp: ({ inputs: [x], tangents: [t], outputs: [y], params }) => {
      if (!t) return [null];
      const value = x as Tensor;
      const places = iota(TensorType.of('int32', value.shape), params.axis);
      const first = name === 'cumMax' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
      const loser = loses(value, predecessor(y as Tensor, params, first));
      // Places of winners grow along the line, or fall when it is walked in reverse.
      const size = value.shape[params.axis] as number;
      const order = params.reverse ? size - 1 : 0;
      const step = params.reverse ? mul(add(places, -order), -1) : places;
      const latest = cumMax(select(loser, 0, step, 'int32'), params);
      return [takeAlongAxis(t, params.reverse ? mul(add(latest, -order), -1) : latest, params.axis)];
    },
    batch: ({ inputs: [x], params }) => [bind1(primitive(name), [x as Tensor], inLanes(params))],
    encode,
  });
}

export const cumMaxPrimitive = cumulativeExtremum('cumMax', lessEqual);
export const cumMinPrimitive = cumulativeExtremum('cumMin', greaterEqual);

interface AxesParams extends Params {
  readonly axes: readonly number[];
}

export const reduceProdPrimitive = definePrimitive<AxesParams>({
  name: 'reduceProd',
  infer: ([x], { axes }) => {
    const type = x as TensorType;
    if (type.dtype === 'bool') throw new DTypeError('prod', 'Expected a numeric dtype, received bool');
    return [type.withShape(type.shape.filter((_, axis) => !axes.includes(axis)))];
  },
  // The product of all others is the one of those before times the one of those behind: right where factors are zero.
  jvp: ({ inputs: [x], tangents: [t], params: { axes } }) => {
    if (!t) return [null];
    const kept = [...t.shape.keys()].filter((axis) => !axes.includes(axis));
    const asLines = (value: Tensor): Tensor => {
      const moved = transpose(value, [...kept, ...axes]);
      const lengths = axes.map((axis) => value.shape[axis] as number);
      return reshape(moved, [
        ...kept.map((axis) => value.shape[axis] as number),
        lengths.reduce((product, length) => product * length, 1),
      ]);
    };
    const lines = asLines(x as Tensor);
    const forward = { axis: kept.length, reverse: false };
    const backward = { axis: kept.length, reverse: true };
    const before = predecessor(cumProd(lines, forward), forward, 1);
    const behind = predecessor(cumProd(lines, backward), backward, 1);
    return [reduceSum(mul(asLines(t), mul(before, behind)), [kept.length])];
  },
  batch: ({ inputs: [x], params: { axes } }) => [
    bind1(primitive('reduceProd'), [x as Tensor], { axes: axes.map((axis) => axis + 1) }),
  ],
  encode: ({ axes }) => [...axes],
});
