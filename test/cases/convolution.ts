/** Rows of the convolutions: plain loops over the trilinear form that the three are derivatives of. */

import type { Shape } from '../../lib/index.js';
import { at, build, type Expected, flatten, type Index, indices, sizeOf, type Values } from './array.js';
import { applyPrimitive } from './movement.js';
import { type Case, example, floats, type OperandSpec, type Params, type Row, smooth, usual } from './row.js';

interface Geometry {
  readonly batch?: number;
  readonly groups?: number;
  /** Of all groups. */
  readonly channels: number;
  readonly outputs: number;
  readonly input: Shape;
  readonly kernel: Shape;
  readonly output: Shape;
  readonly stride?: Shape;
  readonly low?: Shape;
  readonly inputDilation?: Shape;
  readonly kernelDilation?: Shape;
}

/** The three shapes and the params that the primitives share. */
function parts(g: Geometry): { x: Shape; w: Shape; y: Shape; params: Params } {
  const { batch = 2, groups = 1, channels, outputs } = g;
  const ones = g.input.map(() => 1);
  return {
    x: [batch, channels, ...g.input],
    w: [outputs, channels / groups, ...g.kernel],
    y: [batch, outputs, ...g.output],
    params: {
      groups,
      stride: g.stride ?? ones,
      low: g.low ?? ones.map(() => 0),
      inputDilation: g.inputDilation ?? ones,
      kernelDilation: g.kernelDilation ?? ones,
    },
  };
}

const geometries: readonly (readonly [string, Geometry])[] = [
  ['one element', { batch: 1, channels: 1, outputs: 1, input: [1], kernel: [1], output: [1] }],
  ['1d', { channels: 2, outputs: 3, input: [9], kernel: [3], output: [7] }],
  ['1d, padded, stride 2', { channels: 2, outputs: 3, input: [9], kernel: [4], output: [5], stride: [2], low: [2] }],
  ['1d, cropped', { channels: 1, outputs: 2, input: [9], kernel: [3], output: [4], low: [-2] }],
  ['2d', { channels: 2, outputs: 3, input: [5, 6], kernel: [3, 2], output: [3, 5] }],
  ['2d, same', { channels: 3, outputs: 2, input: [5, 5], kernel: [3, 3], output: [5, 5], low: [1, 1] }],
  [
    '2d, kernel dilation',
    { channels: 1, outputs: 2, input: [7, 8], kernel: [3, 2], output: [3, 5], kernelDilation: [2, 3] },
  ],
  [
    '2d, strides 2 and 3, uneven rest',
    { channels: 2, outputs: 2, input: [8, 9], kernel: [3, 2], output: [4, 3], stride: [2, 3], low: [1, 0] },
  ],
  [
    '2d, input dilation',
    { channels: 2, outputs: 2, input: [3, 4], kernel: [3, 3], output: [5, 8], inputDilation: [2, 3], low: [1, 0] },
  ],
  [
    '2d, every parameter',
    {
      groups: 2,
      channels: 4,
      outputs: 2,
      input: [5, 4],
      kernel: [2, 3],
      output: [4, 5],
      stride: [2, 4],
      low: [1, 3],
      inputDilation: [2, 6],
      kernelDilation: [3, 2],
    },
  ],
  ['2d, groups', { groups: 2, channels: 4, outputs: 6, input: [4, 5], kernel: [2, 2], output: [3, 4] }],
  ['2d, depthwise', { groups: 3, channels: 3, outputs: 3, input: [5, 5], kernel: [3, 3], output: [3, 3] }],
  ['2d, pointwise', { channels: 3, outputs: 4, input: [4, 3], kernel: [1, 1], output: [4, 3] }],
  ['3d', { batch: 1, channels: 2, outputs: 2, input: [4, 3, 4], kernel: [2, 2, 3], output: [3, 2, 2] }],
  [
    '3d, padded, stride 2',
    {
      batch: 1,
      channels: 1,
      outputs: 2,
      input: [4, 3, 5],
      kernel: [3, 2, 3],
      output: [2, 2, 3],
      stride: [2, 2, 2],
      low: [1, 1, 1],
    },
  ],
  ['no image', { batch: 0, channels: 2, outputs: 3, input: [4, 4], kernel: [2, 2], output: [3, 3] }],
  ['no channel', { channels: 0, outputs: 3, input: [4, 4], kernel: [2, 2], output: [3, 3] }],
  ['no result', { channels: 2, outputs: 3, input: [4, 1], kernel: [2, 2], output: [3, 0] }],
  ['large', { batch: 2, channels: 3, outputs: 17, input: [11, 13], kernel: [3, 3], output: [11, 13], low: [1, 1] }],
  [
    'large, stride 2',
    {
      batch: 3,
      channels: 5,
      outputs: 9,
      input: [31, 30],
      kernel: [3, 3],
      output: [16, 15],
      stride: [2, 2],
      low: [1, 1],
    },
  ],
];

/** f(x, w, y) for every triple of multi-indices that the form sums. */
function triples(x: Shape, w: Shape, y: Shape, params: Params, f: (x: Index, w: Index, y: Index) => void): void {
  const [stride, low, spread, gap] = ['stride', 'low', 'inputDilation', 'kernelDilation'].map(
    (name) => params[name] as Shape,
  ) as [Shape, Shape, Shape, Shape];
  const perGroup = (w[0] as number) / (params.groups as number);
  for (const j of indices(w)) {
    for (const p of indices([y[0] as number, ...y.slice(2)])) {
      const group = Math.floor((j[0] as number) / perGroup);
      const position = p.slice(1).map((at, k) => {
        const [step, before, dilation] = [stride[k] as number, low[k] as number, gap[k] as number];
        return (at * step + (j[k + 2] as number) * dilation - before) / (spread[k] as number);
      });
      if (position.some((i, k) => !Number.isInteger(i) || i < 0 || i >= (x[k + 2] as number))) continue;
      const [n] = p as [number];
      f([n, group * (w[1] as number) + (j[1] as number), ...position], j, [n, j[0] as number, ...p.slice(1)]);
    }
  }
}

/** A row: which two of x, w and y are the operands, and which is the result. */
function convolution(primitive: string, roles: readonly ['x' | 'y', 'w' | 'y', 'x' | 'w' | 'y']): Row {
  const [first, second, result] = roles;
  const cases: Case[] = geometries.map(([label, geometry]) => {
    const shapes = parts(geometry);
    return example(label, [shapes[first], shapes[second]], {
      params: { ...shapes.params, size: shapes[result].slice(2), shape: shapes[result] },
    });
  });
  const terms = (params: Params, operands: readonly { readonly shape: Shape }[]): number => {
    const shapes = { [first]: operands[0]?.shape, [second]: operands[1]?.shape, [result]: params.shape } as {
      [role in 'x' | 'w' | 'y']: Shape;
    };
    const of = {
      y: sizeOf(shapes.w.slice(1)),
      x: sizeOf(shapes.w) / (shapes.w[1] || 1),
      w: sizeOf(shapes.y) / (shapes.y[1] || 1),
    };
    return of[result];
  };
  return {
    primitive,
    dtypes: floats,
    domain: usual,
    cases,
    apply: (operands, { shape: _, ...params }) => applyPrimitive(primitive)(operands, params),
    reference: (operands, params): Expected[] => {
      const shape = params.shape as Shape;
      const { dtype } = operands[0] as Values;
      const sum = build(dtype, shape, () => 0);
      const scale = new Float64Array(sizeOf(shape));
      const [a, b] = operands as [Values, Values];
      const shapes = { [first]: a.shape, [second]: b.shape, [result]: shape } as { [role in 'x' | 'w' | 'y']: Shape };
      triples(shapes.x, shapes.w, shapes.y, params, (x, w, y) => {
        const index = { x, w, y };
        const product = at(a, index[first]) * at(b, index[second]);
        const place = flatten(index[result], shape);
        sum.values[place] = (sum.values[place] as number) + product;
        scale[place] = (scale[place] as number) + Math.abs(product);
      });
      return [{ ...sum, scale }];
    },
    // As for matmul: one rounding for each product and each addition, of either sign.
    budget: (operands, params) => 2 + Math.sqrt(terms(params, operands)),
    derivative: smooth([0, 1], [[0], [1]]),
    flops: (operands: readonly OperandSpec[], params) => 2 * sizeOf(params.shape as Shape) * terms(params, operands),
  };
}

export const convolutionRows: readonly Row[] = [
  convolution('conv', ['x', 'w', 'y']),
  convolution('convInputGradient', ['y', 'w', 'x']),
  convolution('convWeightGradient', ['x', 'y', 'w']),
];
