/** Rows of what runs along an axis: sums, products, extrema, recurrences. */

import type { DType } from '../../lib/index.js';
import { build, type Expected, flatten, isFloat, represent, type Values } from './array.js';
import { applyPrimitive } from './movement.js';
import { spaced } from './reduction.js';
import {
  type Case,
  example,
  floats,
  linear,
  numbers,
  type OperandSpec,
  once,
  type Params,
  type Row,
  range,
  smooth,
  usual,
} from './row.js';

type Step = (total: number, x: number, k: number) => number;

/** Folds along the axis from the start (or, reversed, the end) and keeps every step. */
function running(x: Values, params: Params, start: number, step: Step): Float64Array {
  const { axis, reverse } = params as { axis: number; reverse: boolean };
  const size = x.shape[axis] as number;
  const values = new Float64Array(x.values.length);
  build(x.dtype, x.shape, (index) => {
    if (index[axis] !== 0) return 0;
    let total = start;
    for (let k = 0; k < size; k++) {
      index[axis] = reverse ? size - 1 - k : k;
      const place = flatten(index, x.shape);
      total = step(total, x.values[place] as number, place);
      values[place] = total;
    }
    return 0;
  });
  return values;
}

const shapes: readonly [number[], number][] = [
  [[1], 0],
  [[7], 0],
  [[0], 0],
  [[3, 5], 0],
  [[3, 5], 1],
  [[2, 0, 3], 0],
  [[2, 3, 4], 1],
  [[11, 13], 1],
  [[100_003], 0],
  [[257, 131], 0],
  [[257, 131], 1],
  [[3, 4001], 1],
];

const cases = (operands: (shape: number[]) => (OperandSpec | number[])[]): Case[] =>
  shapes.flatMap(([shape, axis]) =>
    [false, true].map((reverse) =>
      example(`[${shape}] axis ${axis}${reverse ? ' reverse' : ''}`, operands(shape), { params: { axis, reverse } }),
    ),
  );

const special: OperandSpec = {
  shape: [3, 4],
  values: [1, Number.NaN, 3, 4, 5, 6, 7, Number.NaN, Number.NEGATIVE_INFINITY, 2, Number.POSITIVE_INFINITY, 0],
};
const specialCases = [0, 1].map((axis) =>
  example(`NaN and infinity, axis ${axis}`, [special], {
    params: { axis, reverse: false },
    dtypes: floats,
    differentiate: false,
  }),
);

const length = ([x]: readonly Values[], { axis }: Params): number => (x as Values).shape[axis as number] as number;
const flops = ([x]: readonly OperandSpec[]): number => (x?.shape ?? []).reduce((count, dim) => count * dim, 1);
const whole = (dtype: DType, values: Float64Array): Float64Array =>
  isFloat(dtype) ? values : values.map((value) => represent(dtype, value));

const cumSumRow: Row = {
  primitive: 'cumSum',
  dtypes: numbers,
  domain: usual,
  cases: [...cases((shape) => [shape]), ...specialCases],
  apply: applyPrimitive('cumSum'),
  reference: ([x], params): Expected[] => {
    const source = x as Values;
    const values = running(source, params, 0, (sum, value) => sum + value);
    const scale = running(source, params, 0, (sum, value) => sum + Math.abs(value));
    return [{ ...source, values: whole(source.dtype, values), scale }];
  },
  // Sums and reference round as many times as there are terms: a random walk of half units.
  budget: (operands, params) => 2 + Math.sqrt(length(operands, params)),
  derivative: linear([0]),
  flops,
};

/** Close to 1, so that products of many stay numbers. */
const factors = range(0.8, 1.2);
const zeros: OperandSpec = { shape: [2, 5], values: [2, 0, 3, 0, 1.5, 0, -2, 1.25, 0.5, 0] };

const cumProdRow: Row = {
  primitive: 'cumProd',
  dtypes: numbers,
  domain: (random, dtype) => (isFloat(dtype) ? factors(random, dtype) : usual(random, dtype)),
  cases: [
    ...cases((shape) => [shape]),
    ...specialCases,
    ...[false, true].map((reverse) =>
      example(`zeros${reverse ? ' reverse' : ''}`, [zeros], { params: { axis: 1, reverse }, dtypes: floats }),
    ),
  ],
  apply: applyPrimitive('cumProd'),
  reference: ([x], params) => {
    const source = x as Values;
    const times: Step = isFloat(source.dtype)
      ? (product, value) => product * value
      : (product, value) => Math.imul(product, value);
    return [{ ...source, values: whole(source.dtype, running(source, params, 1, times)) }];
  },
  // Every factor rounds the product once, here and in the reference.
  budget: (operands, params, dtype) => (dtype === 'float32' ? 1 : 2 + Math.sqrt(length(operands, params))),
  derivative: smooth([0]),
  flops,
};

function extremum(primitive: 'cumMax' | 'cumMin', pick: (a: number, b: number) => number): Row {
  const start = primitive === 'cumMax' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return {
    primitive,
    dtypes: numbers,
    domain: usual,
    cases: [
      ...cases((shape) => [shape]).map((one) => ({ ...one, differentiate: false })),
      ...specialCases,
      ...[false, true].flatMap((reverse) => [
        example(`distinct [9]${reverse ? ' reverse' : ''}`, [spaced([9])], {
          params: { axis: 0, reverse },
          dtypes: floats,
        }),
        example(`distinct [3, 4, 2]${reverse ? ' reverse' : ''}`, [spaced([3, 4, 2])], {
          params: { axis: 1, reverse },
          dtypes: floats,
        }),
      ]),
    ],
    apply: applyPrimitive(primitive),
    reference: ([x], params) => [
      { ...(x as Values), values: running(x as Values, params, start, (best, value) => pick(best, value)) },
    ],
    budget: () => 0,
    derivative: once([0]),
    flops,
  };
}

const recurrenceRow: Row = {
  primitive: 'linearRecurrence',
  dtypes: floats,
  domain: range(-0.9, 0.9),
  cases: [
    ...cases((shape) => [shape, shape]),
    example(
      'an infinite factor before the first element',
      [{ shape: [3], values: [Number.POSITIVE_INFINITY, 2, 3] }, [3]],
      {
        params: { axis: 0, reverse: false },
        differentiate: false,
      },
    ),
  ],
  apply: applyPrimitive('linearRecurrence'),
  reference: ([a, b], params) => {
    const [factor, added] = [a as Values, b as Values];
    const { axis, reverse } = params as { axis: number; reverse: boolean };
    const last = (factor.shape[axis] as number) - 1;
    const first = build('bool', factor.shape, (index) => Number(index[axis] === (reverse ? last : 0)));
    const recur = (absolute: boolean) =>
      running(added, params, 0, (state, value, place) => {
        const multiplier = factor.values[place] as number;
        if (first.values[place]) return absolute ? Math.abs(value) : value;
        return absolute ? Math.abs(multiplier) * state + Math.abs(value) : multiplier * state + value;
      });
    return [{ ...added, values: recur(false), scale: recur(true) }];
  },
  // Factors below 1 forget old roundings: two a step, of the last ten steps.
  budget: () => 20,
  derivative: smooth([0, 1], [[1]]),
  flops: (operands) => 2 * flops(operands),
};

export const cumulativeRows: readonly Row[] = [
  cumSumRow,
  cumProdRow,
  extremum('cumMax', Math.max),
  extremum('cumMin', Math.min),
  recurrenceRow,
];
