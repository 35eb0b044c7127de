/** Rows of sorting, selecting and searching: NaN last, -0 equal to 0, equal elements in their order. */

import { build, flatten, sizeOf, type Values } from './array.js';
import { applyPrimitive } from './movement.js';
import { spaced } from './reduction.js';
import {
  type Case,
  type Domain,
  everything,
  example,
  floats,
  noDerivative,
  type OperandSpec,
  once,
  type Params,
  type Row,
  range,
  usual,
} from './row.js';

/** Negative when x comes first; NaN last in either direction. */
function order(x: number, y: number, descending: boolean): number {
  if (Number.isNaN(x) || Number.isNaN(y)) return Number(Number.isNaN(x)) - Number(Number.isNaN(y));
  return descending ? y - x || 0 : x - y || 0;
}

/** Places of the line through `index` along the axis, in sorted order. */
function sortedPlaces(x: Values, index: readonly number[], axis: number, descending: boolean): number[] {
  const value = (k: number): number =>
    x.values[flatten([...index.slice(0, axis), k, ...index.slice(axis + 1)], x.shape)] as number;
  const places = Array.from({ length: x.shape[axis] as number }, (_, k) => k);
  return places.sort((a, b) => Math.sign(order(value(a), value(b), descending)) || a - b);
}

/** The first `count` elements of every sorted line, and their places. */
function sortedLines(x: Values, { axis, descending }: Params, count: number): Values[] {
  const along = axis as number;
  const shape = x.shape.map((dim, k) => (k === along ? count : dim));
  const lines = new Map<string, number[]>();
  const place = (index: number[]): number => {
    const line = index.map((k, dim) => (dim === along ? 0 : k));
    let places = lines.get(line.join());
    if (!places) {
      places = sortedPlaces(x, line, along, descending as boolean);
      lines.set(line.join(), places);
    }
    return places[index[along] as number] as number;
  };
  const places = build('int32', shape, place);
  const values = build(x.dtype, shape, (index) => {
    const from = index.map((k, dim) => (dim === along ? place(index) : k));
    return x.values[flatten(from, x.shape)] as number;
  });
  return [values, places];
}

const ties: Domain = (random, dtype) => (dtype === 'bool' ? random.bits() & 1 : random.integer(0, 3));
const specials: OperandSpec = {
  shape: [2, 9],
  values: [3, Number.NaN, -0, 0, -1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 3].flatMap((x) => [
    x,
    -x,
  ]),
};
/** Numbers of all sizes: every digit of a key counts. */
const wild: Domain = (random, dtype) => {
  if (dtype === 'int32' || dtype === 'uint32') return random.bits();
  return dtype === 'bool' ? random.bits() & 1 : random.uniform(-1, 1) * 2 ** random.integer(-100, 100);
};

function both(label: string, operand: OperandSpec | number[], axis: number, options: Partial<Case> = {}): Case[] {
  return [false, true].map((descending) => {
    const one = example(`${label}${descending ? ' descending' : ''}`, [operand], { params: { axis, descending } });
    return { ...one, differentiate: false, ...options };
  });
}

const sortCases: Case[] = [
  ...both('[1]', [1], 0),
  ...both('[0]', [0], 0),
  ...both('[7]', [7], 0),
  ...both('[3, 5] axis 0', [3, 5], 0),
  ...both('[3, 5] axis 1', [3, 5], 1),
  ...both('[2, 3, 4] axis 1', [2, 3, 4], 1),
  ...both('[0, 3] axis 1', [0, 3], 1),
  ...both('ties [40]', { shape: [40], domain: ties }, 0),
  ...both('ties [2003]', { shape: [2003], domain: ties }, 0),
  ...both('all equal [700]', { shape: [700], values: Array<number>(700).fill(1) }, 0),
  ...both('wild [383]', { shape: [383], domain: wild }, 0),
  ...both('wild [385]', { shape: [385], domain: wild }, 0),
  ...both('wild [40009]', { shape: [40_009], domain: wild }, 0),
  ...both('wild [600, 3] axis 0', { shape: [600, 3], domain: wild }, 0),
  ...both('NaN, infinity and signed zeros', specials, 1, { dtypes: floats }),
  ...both('distinct [9]', spaced([9]), 0, { dtypes: floats, differentiate: true }),
  ...both('distinct [3, 4, 2]', spaced([3, 4, 2]), 1, { dtypes: floats, differentiate: true }),
];

const comparisons = ([x]: readonly OperandSpec[], { axis }: Params): number =>
  sizeOf(x?.shape ?? []) * Math.log2(2 + ((x?.shape[axis as number] as number) ?? 0));

const sortRow: Row = {
  primitive: 'sort',
  dtypes: everything,
  domain: usual,
  cases: sortCases,
  apply: applyPrimitive('sort'),
  reference: ([x], params) => sortedLines(x as Values, params, (x as Values).shape[params.axis as number] as number),
  budget: () => 0,
  derivative: once([0]),
  flops: comparisons,
};

const topKRow: Row = {
  primitive: 'topK',
  dtypes: everything,
  domain: usual,
  cases: sortCases.flatMap((one) => {
    const size = one.operands[0]?.shape[one.params.axis as number] as number;
    const counts = [...new Set([0, 1, Math.min(size, 5), Math.floor(size / 3), size])].filter((k) => k <= size);
    return counts.map((k) => ({ ...one, label: `${one.label} k ${k}`, params: { ...one.params, k } }));
  }),
  apply: applyPrimitive('topK'),
  reference: ([x], params) => sortedLines(x as Values, params, params.k as number),
  budget: () => 0,
  derivative: once([0]),
  flops: comparisons,
};

/** Ascending lines with ties, NaN at the end of the first. */
const ascending = (shape: number[], withNaN = false): OperandSpec => ({
  shape,
  generate: (random) => {
    const n = shape.at(-1) as number;
    const values = Float64Array.from({ length: sizeOf(shape) }, () => random.integer(0, 9));
    for (let start = 0; start < values.length; start += n) values.subarray(start, start + n).sort();
    if (withNaN) values[n - 1] = Number.NaN;
    return values;
  },
});

const searched: Domain = (random) => random.integer(0, 20) / 2;
const searchCases = (label: string, sorted: OperandSpec, values: OperandSpec, options: Partial<Case> = {}): Case[] =>
  [false, true].map((right) => ({
    ...example(`${label}${right ? ' right' : ''}`, [sorted, values], { params: { right } }),
    ...options,
  }));

const searchRow: Row = {
  primitive: 'searchSorted',
  dtypes: ['float32', 'float64', 'int32', 'uint32'],
  domain: range(0, 10),
  cases: [
    ...searchCases('[12] [9]', ascending([12]), { shape: [9], domain: searched }),
    ...searchCases('[0] [3]', ascending([0]), { shape: [3], domain: searched }),
    ...searchCases('[1] [5]', ascending([1]), { shape: [5], domain: searched }),
    ...searchCases('[4] [0]', ascending([4]), { shape: [0] }),
    ...searchCases('[2, 3, 7] [2, 3, 4]', ascending([2, 3, 7]), { shape: [2, 3, 4], domain: searched }),
    ...searchCases('[1000] [5003]', ascending([1000]), { shape: [5003], domain: searched }),
    ...searchCases(
      'NaN',
      ascending([8], true),
      { shape: [4], values: [Number.NaN, -1, 100, Number.NEGATIVE_INFINITY] },
      { dtypes: floats },
    ),
  ],
  apply: applyPrimitive('searchSorted'),
  reference: ([sorted, values], { right }) => {
    const [line, wanted] = [sorted as Values, values as Values];
    const n = line.shape.at(-1) as number;
    const m = wanted.shape.at(-1) as number;
    const places = wanted.values.map((value, k) => {
      const from = Math.floor(k / m) * n;
      return line.values.subarray(from, from + n).filter((x) => {
        const sign = order(x, value, false);
        return right ? sign <= 0 : sign < 0;
      }).length;
    });
    return [{ dtype: 'int32', shape: wanted.shape, values: places }];
  },
  budget: () => 0,
  derivative: noDerivative,
  flops: ([sorted, values]) => sizeOf(values?.shape ?? []) * Math.log2(2 + sizeOf(sorted?.shape ?? [])),
};

export const sortingRows: readonly Row[] = [sortRow, topKRow, searchRow];
