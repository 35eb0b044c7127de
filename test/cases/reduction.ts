/** Rows of the reductions. */

import type { Shape, Tensor } from '../../lib/index.js';
import * as ct from '../../lib/index.js';
import { build, type Expected, flatten, indices, isFloat, represent, sizeOf, type Values } from './array.js';
import { applyPrimitive } from './movement.js';
import {
  type Domain,
  everything,
  example,
  floats,
  linear,
  noDerivative,
  numbers,
  type OperandSpec,
  once,
  type Params,
  type Row,
  smooth,
  usual,
} from './row.js';

type Combine = (total: number, x: number) => number;

/** Folds the elements that share an index outside `axes`. */
function fold(x: Values, axes: Shape, start: number, combine: Combine): Values {
  const kept = [...x.shape.keys()].filter((axis) => !axes.includes(axis));
  const shape = kept.map((axis) => x.shape[axis] as number);
  const result = build(x.dtype, shape, () => start);
  let position = 0;
  for (const index of indices(x.shape)) {
    const target = flatten(
      kept.map((axis) => index[axis] as number),
      shape,
    );
    result.values[target] = combine(result.values[target] as number, x.values[position++] as number);
  }
  return result;
}

/** Elements that each result combines. */
function folded(shape: Shape, axes: Shape): number {
  return axes.reduce((count, axis) => count * (shape[axis] as number), 1);
}

const axesCases = (allowEmpty: boolean) => [
  example('[1] axis 0', [[1]], { params: { axes: [0] } }),
  example('[7] axis 0', [[7]], { params: { axes: [0] } }),
  example('[3, 5] axis 0', [[3, 5]], { params: { axes: [0] } }),
  example('[3, 5] axis 1', [[3, 5]], { params: { axes: [1] } }),
  example('[3, 5] all', [[3, 5]], { params: { axes: [0, 1] } }),
  example('[2, 3, 4] axis 1', [[2, 3, 4]], { params: { axes: [1] } }),
  example('[2, 3, 4] axes 0, 2', [[2, 3, 4]], { params: { axes: [0, 2] } }),
  example('[2, 1, 3, 2] axes 1, 3', [[2, 1, 3, 2]], { params: { axes: [1, 3] } }),
  example('[0, 3] axis 1', [[0, 3]], { params: { axes: [1] } }),
  ...(allowEmpty ? [example('[0, 3] axis 0', [[0, 3]], { params: { axes: [0] } })] : []),
  example('[100003] axis 0', [[100_003]], { params: { axes: [0] } }),
  example('[257, 131] axis 0', [[257, 131]], { params: { axes: [0] } }),
  example('[257, 131] axis 1', [[257, 131]], { params: { axes: [1] } }),
  example('[31, 17, 29] axes 0, 2', [[31, 17, 29]], { params: { axes: [0, 2] } }),
];

const withNaN: OperandSpec = {
  shape: [3, 4],
  values: [1, Number.NaN, 3, 4, 5, 6, 7, Number.NaN, Number.NEGATIVE_INFINITY, 2, Number.POSITIVE_INFINITY, 0],
};
const nanCases = [0, 1].map((axis) =>
  example(`NaN and infinity, axis ${axis}`, [withNaN], {
    params: { axes: [axis] },
    dtypes: floats,
    differentiate: false,
  }),
);

const flops = ([x]: readonly OperandSpec[]): number => sizeOf(x?.shape ?? []);

const sumRow: Row = {
  primitive: 'reduceSum',
  dtypes: numbers,
  domain: usual,
  cases: [...axesCases(true), ...nanCases],
  apply: ([x], { axes }) => [ct.sum(x as Tensor, axes as Shape)],
  reference: ([x], params): Expected[] => {
    const source = x as Values;
    const axes = params.axes as Shape;
    const total = fold(source, axes, 0, (sum, value) => sum + value);
    const scale = fold({ ...source, values: source.values.map(Math.abs) }, axes, 0, (sum, value) => sum + value).values;
    const whole = source.dtype === 'int32' || source.dtype === 'uint32';
    return [
      { ...total, values: whole ? total.values.map((value) => represent(source.dtype, value)) : total.values, scale },
    ];
  },
  // n roundings of either sign grow like a random walk (Higham and Mary, 2019): sqrt(n) half units, doubled for safety.
  budget: ([x], params) => 1 + Math.sqrt(folded((x as Values).shape, params.axes as Shape)),
  derivative: linear([0]),
  flops,
};

/** Close to 1, so that products of many stay numbers. */
const factors: Domain = (random, dtype) => (isFloat(dtype) ? random.uniform(0.8, 1.2) : usual(random, dtype));

const zeros: OperandSpec = { shape: [3, 4], values: [2, 0, 3, 1.5, 0, -2, 0, 1.25, 0.5, 3, 2, -1] };

const prodRow: Row = {
  primitive: 'reduceProd',
  dtypes: numbers,
  domain: factors,
  cases: [
    ...axesCases(true),
    ...nanCases,
    ...[[0], [1], [0, 1]].map((axes) => example(`zeros, axes ${axes}`, [zeros], { params: { axes }, dtypes: floats })),
  ],
  apply: ([x], { axes }) => [ct.prod(x as Tensor, axes as Shape)],
  reference: ([x], params) => {
    const source = x as Values;
    const times: Combine = isFloat(source.dtype) ? (product, value) => product * value : Math.imul;
    const result = fold(source, params.axes as Shape, 1, times);
    return [
      isFloat(source.dtype)
        ? result
        : { ...result, values: result.values.map((value) => represent(source.dtype, value)) },
    ];
  },
  // One rounding a factor, here and in the reference.
  budget: ([x], params) => 2 + Math.sqrt(folded((x as Values).shape, params.axes as Shape)),
  derivative: smooth([0]),
  flops,
};

/** Values at least a quarter apart, so that no difference step makes another element win. */
const distinct = (random: { integer(low: number, high: number): number }, shape: Shape): Float64Array => {
  const values = Float64Array.from({ length: sizeOf(shape) }, (_, k) => k);
  for (let k = values.length - 1; k > 0; k--) {
    const other = random.integer(0, k);
    [values[k], values[other]] = [values[other] as number, values[k] as number];
  }
  return values.map((value) => value / 4 - 2);
};

export const spaced = (shape: Shape): OperandSpec => ({ shape, generate: distinct });

function extremum(primitive: 'reduceMax' | 'reduceMin', pick: Combine): Row {
  const operation = primitive === 'reduceMax' ? ct.max : ct.min;
  const first = primitive === 'reduceMax' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return {
    primitive,
    dtypes: everything,
    domain: usual,
    cases: [
      ...axesCases(false).map((one) => ({ ...one, differentiate: false })),
      ...nanCases,
      example('distinct [9]', [spaced([9])], { params: { axes: [0] }, dtypes: floats }),
      example('distinct [3, 4] axis 0', [spaced([3, 4])], { params: { axes: [0] }, dtypes: floats }),
      example('distinct [2, 3, 4] axes 0, 2', [spaced([2, 3, 4])], { params: { axes: [0, 2] }, dtypes: floats }),
    ],
    apply: ([x], { axes }) => [operation(x as Tensor, axes as Shape)],
    reference: ([x], params) => [fold(x as Values, params.axes as Shape, first, pick)],
    budget: () => 0,
    derivative: once([0]),
    flops,
  };
}

const axisOf = (axes: readonly number[]) => axes[0] as number;

function argExtremum(primitive: 'argMax' | 'argMin', wins: (x: number, best: number) => boolean): Row {
  const ties: OperandSpec['domain'] = (random, dtype) => (dtype === 'bool' ? random.bits() & 1 : random.integer(0, 3));
  const cases = axesCases(false)
    .filter((one) => (one.params.axes as Shape).length === 1)
    .flatMap((one) => {
      const params = { axis: axisOf(one.params.axes as Shape) };
      const [operand] = one.operands as [OperandSpec];
      return [
        { ...one, params },
        { ...one, label: `${one.label}, ties`, params, operands: [{ ...operand, domain: ties }] },
      ];
    });
  return {
    primitive,
    dtypes: everything,
    domain: usual,
    cases: [...cases, ...nanCases.map((one) => ({ ...one, params: { axis: axisOf(one.params.axes as Shape) } }))],
    apply: applyPrimitive(primitive),
    reference: ([x], params: Params) => {
      const source = x as Values;
      const axis = params.axis as number;
      const shape = source.shape.filter((_, k) => k !== axis);
      return [
        build('int32', shape, (index) => {
          let best = 0;
          const value = (k: number): number =>
            source.values[flatten([...index.slice(0, axis), k, ...index.slice(axis)], source.shape)] as number;
          for (let k = 1; k < (source.shape[axis] as number); k++) {
            if (Number.isNaN(value(best))) break;
            if (Number.isNaN(value(k)) || wins(value(k), value(best))) best = k;
          }
          return best;
        }),
      ];
    },
    budget: () => 0,
    derivative: noDerivative,
    flops,
  };
}

export const reductionRows: readonly Row[] = [
  sumRow,
  prodRow,
  extremum('reduceMax', Math.max),
  extremum('reduceMin', Math.min),
  argExtremum('argMax', (x, best) => x > best),
  argExtremum('argMin', (x, best) => x < best),
];
