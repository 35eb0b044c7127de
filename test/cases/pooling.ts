/** Rows of max pooling and of the maps that its derivatives are made of. */

import type { Shape } from '../../lib/index.js';
import { at, build, type Expected, flatten, indices, sizeOf, unflatten, type Values } from './array.js';
import { applyPrimitive } from './movement.js';
import { example, floats, linear, type OperandSpec, once, type Params, type Row, twoSided, usual } from './row.js';

interface Pool {
  readonly shape: Shape;
  readonly window: Shape;
  readonly size: Shape;
  readonly stride?: Shape;
  readonly low?: Shape;
  readonly dilation?: Shape;
}

const poolParams = ({ window, size, stride = window, low, dilation }: Pool): Params => ({
  window,
  stride,
  low: low ?? window.map(() => 0),
  dilation: dilation ?? window.map(() => 1),
  size,
});

const pools: readonly (readonly [string, Pool])[] = [
  ['one element', { shape: [1], window: [1], size: [1] }],
  ['1d', { shape: [2, 9], window: [3], size: [3] }],
  ['1d, overlapping', { shape: [2, 9], window: [3], size: [7], stride: [1] }],
  ['2d', { shape: [2, 2, 6, 4], window: [2, 2], size: [3, 2] }],
  ['2d, uneven rest', { shape: [3, 7, 5], window: [2, 3], size: [3, 1] }],
  ['2d, padded, stride 2', { shape: [1, 2, 6, 7], window: [3, 3], size: [3, 4], stride: [2, 2], low: [1, 1] }],
  ['2d, stride 3, dilation 2', { shape: [2, 8, 9], window: [2, 3], size: [2, 2], stride: [3, 3], dilation: [2, 2] }],
  ['3d', { shape: [2, 4, 3, 4], window: [2, 3, 2], size: [2, 1, 2] }],
  ['no plane', { shape: [0, 4, 4], window: [2, 2], size: [2, 2] }],
  ['no result', { shape: [2, 4, 1], window: [2, 2], size: [2, 0] }],
  ['windows of padding alone', { shape: [2, 4], window: [2], size: [4], stride: [2], low: [3] }],
  ['large', { shape: [5, 3, 57, 61], window: [3, 2], size: [19, 30] }],
];

/** Values a quarter apart in random order, so that no difference step makes another element win. */
function spaced(shape: Shape): OperandSpec {
  return {
    shape,
    generate: (random) => {
      const values = Float64Array.from({ length: sizeOf(shape) }, (_, k) => k / 4 - 2);
      for (let k = values.length - 1; k > 0; k--) {
        const other = random.integer(0, k);
        [values[k], values[other]] = [values[other] as number, values[k] as number];
      }
      return values;
    },
  };
}

const { NaN: nan, NEGATIVE_INFINITY: low, POSITIVE_INFINITY: high } = Number;

/** The first largest element of each window, or the first NaN, and its place. */
function pooled(x: Values, params: Params): Expected[] {
  const { window, stride, low: before, dilation, size } = params as unknown as Required<Omit<Pool, 'shape'>>;
  const lead = x.shape.slice(0, x.shape.length - size.length);
  const trailing = x.shape.slice(lead.length);
  const shape = [...lead, ...size];
  const places = build('int32', shape, () => -1);
  const values = build(x.dtype, shape, (index) => {
    let best = low;
    let place = -1;
    for (const tap of indices(window)) {
      const position = tap.map((k, axis) => {
        const p = index[lead.length + axis] as number;
        return p * (stride[axis] as number) + k * (dilation[axis] as number) - (before[axis] as number);
      });
      if (position.some((q, axis) => q < 0 || q >= (trailing[axis] as number))) continue;
      const value = at(x, [...index.slice(0, lead.length), ...position]);
      if (place >= 0 && !(value > best) && !(Number.isNaN(value) && !Number.isNaN(best))) continue;
      best = value;
      place = flatten(position, trailing);
    }
    places.values[flatten(index, shape)] = place;
    return best;
  });
  return [values, places];
}

const maxPoolRow: Row = {
  primitive: 'maxPool',
  dtypes: floats,
  domain: usual,
  cases: [
    ...pools.map(([label, pool]) =>
      example(label, [spaced(pool.shape)], {
        params: poolParams(pool),
        // A window that covers nothing gives minus infinity, which has no difference.
        ...(label.startsWith('windows of padding') && { differentiate: false }),
      }),
    ),
    example(
      'ties, NaN and infinities',
      [{ shape: [4, 4], values: [1, 1, nan, 2, 1, 1, 3, nan, low, low, high, 0, low, low, 1, high] }],
      {
        params: poolParams({ shape: [4, 4], window: [2, 2], size: [2, 2] }),
        differentiate: false,
      },
    ),
  ],
  apply: applyPrimitive('maxPool'),
  reference: ([x], params) => pooled(x as Values, params),
  budget: () => 0,
  derivative: once([0]),
  flops: ([x], { window, size }) => sizeOf(x?.shape ?? []) * (sizeOf(size as Shape) ? sizeOf(window as Shape) : 0),
};

const places = (shape: Shape, sources: number): OperandSpec => ({
  shape,
  dtype: 'int32',
  domain: (random) => random.integer(-1, sources - 1),
});

/** Leading axes, trailing axes of what is indexed, trailing axes of the places. */
const placed: readonly (readonly [Shape, Shape, Shape])[] = [
  [[], [5], [7]],
  [[2], [6], [3]],
  [
    [2, 3],
    [3, 2],
    [2, 4],
  ],
  [[2], [2, 3, 2], [1, 2, 2]],
  [[0], [4], [2]],
  [[3], [4], [0]],
  [[31], [40, 20], [20, 10]],
];

/** Where a place of the trailing axes lies, behind the leading part of `index`; undefined for none. */
function resolve(index: readonly number[], place: number, axes: number, trailing: Shape): number[] | undefined {
  if (place < 0 || place >= sizeOf(trailing)) return undefined;
  return [...index.slice(0, index.length - axes), ...unflatten(place, trailing)];
}

const gatherRow: Row = {
  primitive: 'poolGather',
  dtypes: floats,
  domain: usual,
  cases: placed.map(([lead, from, to]) =>
    example(
      `[${[...lead, ...from]}] at [${[...lead, ...to]}], ${from.length} axes`,
      [[...lead, ...from], places([...lead, ...to], sizeOf(from))],
      {
        params: { axes: from.length },
      },
    ),
  ),
  apply: applyPrimitive('poolGather'),
  reference: ([x, index], params) => {
    const [source, where] = [x as Values, index as Values];
    const axes = params.axes as number;
    const trailing = source.shape.slice(source.shape.length - axes);
    return [
      build(source.dtype, where.shape, (k) => {
        const from = resolve(k, at(where, k), axes, trailing);
        return from ? at(source, from) : 0;
      }),
    ];
  },
  budget: () => 0,
  derivative: linear([0]),
  flops: () => 0,
};

const scatterRow: Row = {
  primitive: 'poolScatter',
  dtypes: floats,
  domain: twoSided(0.1, 3),
  cases: placed.map(([lead, to, from]) =>
    example(
      `[${[...lead, ...from]}] to [${[...lead, ...to]}], ${to.length} axes`,
      [[...lead, ...from], places([...lead, ...from], sizeOf(to))],
      {
        params: { size: to },
      },
    ),
  ),
  apply: applyPrimitive('poolScatter'),
  // The scale is the sum of magnitudes: each addition rounds what has been summed so far.
  reference: ([y, index], params): Expected[] => {
    const [source, where] = [y as Values, index as Values];
    const size = params.size as Shape;
    const shape = [...source.shape.slice(0, source.shape.length - size.length), ...size];
    const sum = build(source.dtype, shape, () => 0);
    const scale = new Float64Array(sizeOf(shape));
    for (const k of indices(source.shape)) {
      const to = resolve(k, at(where, k), size.length, size);
      if (!to) continue;
      const place = flatten(to, shape);
      sum.values[place] = (sum.values[place] as number) + at(source, k);
      scale[place] = (scale[place] as number) + Math.abs(at(source, k));
    }
    return [{ ...sum, scale }];
  },
  // At most as many roundings as there are elements at one place: few, drawn at random.
  budget: ([y], params) =>
    2 + sizeOf((y as Values).shape.slice((y as Values).shape.length - (params.size as Shape).length)),
  derivative: linear([0]),
  flops: ([y]) => sizeOf(y?.shape ?? []),
};

export const poolingRows: readonly Row[] = [maxPoolRow, gatherRow, scatterRow];
