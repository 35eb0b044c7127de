/** Rows of the primitives that move data: results are exact. */

import { bind } from '../../lib/core/tracing.js';
import type { Shape, Tensor } from '../../lib/index.js';
import * as ct from '../../lib/index.js';
import { at, build, flatten, indices, type Values } from './array.js';
import { everything, example, linear, noDerivative, numbers, type Params, type Row, usual } from './row.js';

/** Applies a primitive as such, where the public operation covers only part of its parameters. */
export function applyPrimitive(name: string) {
  return (operands: readonly Tensor[], params: Params): Tensor[] => {
    const primitive = ct.primitives.get(name);
    if (!primitive) throw new Error(`there is no primitive ${name}`);
    return bind(primitive, operands, params);
  };
}

const exact = { domain: usual, budget: () => 0, flops: () => 0 } as const;

const broadcastCase = (from: Shape, shape: Shape, dims: Shape) =>
  example(`[${from}] -> [${shape}] dims ${dims}`, [from], { params: { shape, dims } });

const broadcastRow: Row = {
  ...exact,
  primitive: 'broadcast',
  dtypes: everything,
  cases: [
    broadcastCase([], [], []),
    broadcastCase([], [0, 3], []),
    broadcastCase([], [3, 4], []),
    broadcastCase([1], [5], [0]),
    broadcastCase([4], [3, 4], [1]),
    broadcastCase([3], [3, 4], [0]),
    broadcastCase([3, 1], [3, 4], [0, 1]),
    broadcastCase([1, 4], [3, 4], [0, 1]),
    broadcastCase([2, 3], [5, 2, 7, 3], [1, 3]),
    broadcastCase([2, 1, 3], [2, 4, 3], [0, 1, 2]),
    broadcastCase([0], [2, 0], [1]),
    broadcastCase([301], [211, 301], [1]),
    broadcastCase([211], [211, 301], [0]),
  ],
  apply: applyPrimitive('broadcast'),
  reference: ([x], params) => {
    const { shape, dims } = params as { shape: Shape; dims: Shape };
    const source = x as Values;
    return [
      build(source.dtype, shape, (index) =>
        at(
          source,
          dims.map((dim, k) => (source.shape[k] === 1 ? 0 : (index[dim] as number))),
        ),
      ),
    ];
  },
  derivative: linear([0]),
};

const reshapeCase = (from: Shape, shape: Shape) => example(`[${from}] -> [${shape}]`, [from], { params: { shape } });

const reshapeRow: Row = {
  ...exact,
  primitive: 'reshape',
  dtypes: everything,
  cases: [
    reshapeCase([], [1, 1]),
    reshapeCase([1], []),
    reshapeCase([0, 3], [2, 0]),
    reshapeCase([6], [2, 3]),
    reshapeCase([2, 3, 5], [5, 6]),
    reshapeCase([12, 1001], [1001, 12]),
  ],
  apply: ([x], { shape }) => [ct.reshape(x as Tensor, shape as Shape)],
  reference: ([x], { shape }) => [{ ...(x as Values), shape: shape as Shape }],
  derivative: linear([0]),
};

const transposeCase = (shape: Shape, perm: Shape) => example(`[${shape}] perm ${perm}`, [shape], { params: { perm } });

const transposeRow: Row = {
  ...exact,
  primitive: 'transpose',
  dtypes: everything,
  cases: [
    transposeCase([1], [0]),
    transposeCase([3, 4], [1, 0]),
    transposeCase([0, 4], [1, 0]),
    transposeCase([1, 7], [1, 0]),
    transposeCase([2, 3, 4], [2, 0, 1]),
    transposeCase([2, 3, 4], [0, 2, 1]),
    transposeCase([2, 3, 4], [1, 0, 2]),
    transposeCase([2, 1, 3, 4], [3, 1, 0, 2]),
    transposeCase([2, 2, 2, 2, 2], [4, 2, 0, 3, 1]),
    transposeCase([173, 129], [1, 0]),
    transposeCase([5, 67, 71], [0, 2, 1]),
  ],
  apply: ([x], { perm }) => [ct.transpose(x as Tensor, perm as Shape)],
  reference: ([x], params) => {
    const source = x as Values;
    const perm = params.perm as Shape;
    const shape = perm.map((axis) => source.shape[axis] as number);
    return [
      build(source.dtype, shape, (index) =>
        at(
          source,
          perm.map((_, axis) => index[perm.indexOf(axis)] as number),
        ),
      ),
    ];
  },
  derivative: linear([0]),
};

const sliceCase = (from: Shape, start: Shape, limit: Shape, stride: Shape) =>
  example(`[${from}] ${start}:${limit}:${stride}`, [from], { params: { start, limit, stride } });

const sliceRow: Row = {
  ...exact,
  primitive: 'slice',
  dtypes: everything,
  cases: [
    sliceCase([5], [0], [5], [1]),
    sliceCase([5], [2], [2], [1]),
    sliceCase([5], [4], [5], [3]),
    sliceCase([9], [1], [9], [2]),
    sliceCase([9], [1], [8], [3]),
    sliceCase([4, 5], [1, 0], [3, 5], [1, 2]),
    sliceCase([0, 5], [0, 1], [0, 3], [1, 1]),
    sliceCase([3, 4, 5], [0, 1, 2], [3, 4, 5], [2, 2, 2]),
    sliceCase([211, 307], [3, 5], [200, 300], [1, 1]),
    sliceCase([211, 307], [3, 5], [200, 300], [7, 3]),
  ],
  apply: ([x], params) => {
    const { start, limit, stride } = params as { start: Shape; limit: Shape; stride: Shape };
    return [ct.slice(x as Tensor, start, limit, stride)];
  },
  reference: ([x], params) => {
    const { start, limit, stride } = params as { start: Shape; limit: Shape; stride: Shape };
    const source = x as Values;
    const shape = start.map((low, k) => Math.ceil(((limit[k] as number) - low) / (stride[k] as number)));
    return [
      build(source.dtype, shape, (index) =>
        at(
          source,
          index.map((i, k) => (start[k] as number) + i * (stride[k] as number)),
        ),
      ),
    ];
  },
  derivative: linear([0]),
};

const padCase = (from: Shape, low: Shape, high: Shape, interior: Shape) =>
  example(`[${from}] low ${low} high ${high} interior ${interior}`, [from, []], { params: { low, high, interior } });

const padRow: Row = {
  ...exact,
  primitive: 'pad',
  dtypes: everything,
  cases: [
    padCase([], [], [], []),
    padCase([3], [2], [1], [0]),
    padCase([3], [0], [0], [2]),
    padCase([1], [1], [1], [3]),
    padCase([0], [1], [2], [1]),
    padCase([2, 3], [1, 0], [0, 2], [1, 2]),
    padCase([2, 3, 2], [0, 1, 0], [0, 1, 0], [0, 0, 1]),
    padCase([101, 57], [3, 5], [2, 1], [1, 0]),
  ],
  apply: applyPrimitive('pad'),
  reference: ([x, fill], params) => {
    const { low, high, interior } = params as { low: Shape; high: Shape; interior: Shape };
    const source = x as Values;
    const shape = source.shape.map(
      (dim, k) => (low[k] as number) + dim + Math.max(dim - 1, 0) * (interior[k] as number) + (high[k] as number),
    );
    const result = build(source.dtype, shape, () => (fill as Values).values[0] as number);
    for (const index of indices(source.shape)) {
      const target = index.map((i, k) => (low[k] as number) + i * ((interior[k] as number) + 1));
      result.values[flatten(target, shape)] = at(source, index);
    }
    return [result];
  },
  derivative: linear([0, 1], [[0], [1]]),
};

const concatenateRow: Row = {
  ...exact,
  primitive: 'concatenate',
  dtypes: everything,
  cases: [
    example('two vectors', [[3], [2]], { params: { axis: 0 } }),
    example(
      'with an empty one',
      [
        [2, 3],
        [0, 3],
        [1, 3],
      ],
      { params: { axis: 0 } },
    ),
    example(
      'last axis',
      [
        [2, 3],
        [2, 1],
        [2, 4],
      ],
      { params: { axis: 1 } },
    ),
    example(
      'middle axis',
      [
        [2, 1, 3],
        [2, 2, 3],
      ],
      { params: { axis: 1 } },
    ),
    example(
      'large',
      [
        [301, 17],
        [301, 40],
      ],
      { params: { axis: 1 } },
    ),
  ],
  apply: (operands, { axis }) => [ct.concatenate(operands, axis as number)],
  reference: (operands, params) => {
    const axis = params.axis as number;
    const [first] = operands as [Values];
    const starts = operands.map((_, k) =>
      operands.slice(0, k).reduce((sum, operand) => sum + (operand.shape[axis] as number), 0),
    );
    const total = operands.reduce((sum, operand) => sum + (operand.shape[axis] as number), 0);
    const shape = first.shape.map((dim, k) => (k === axis ? total : dim));
    const result = build(first.dtype, shape, () => 0);
    operands.forEach((operand, k) => {
      for (const index of indices(operand.shape)) {
        const target = index.map((i, dim) => (dim === axis ? i + (starts[k] as number) : i));
        result.values[flatten(target, shape)] = at(operand, index);
      }
    });
    return [result];
  },
  derivative: linear([0, 1, 2]),
};

const iotaCase = (shape: Shape, axis: number) =>
  numbers.map((dtype) => example(`${dtype} [${shape}] axis ${axis}`, [], { params: { shape, axis, dtype } }));

const iotaRow: Row = {
  ...exact,
  primitive: 'iota',
  dtypes: ['float32'],
  cases: [
    ...iotaCase([0], 0),
    ...iotaCase([5], 0),
    ...iotaCase([3, 4], 0),
    ...iotaCase([3, 4], 1),
    ...iotaCase([2, 301, 33], 1),
  ],
  apply: applyPrimitive('iota'),
  reference: (_, params) => {
    const { shape, axis, dtype } = params as { shape: Shape; axis: number; dtype: Values['dtype'] };
    return [build(dtype, shape, (index) => index[axis] as number)];
  },
  derivative: noDerivative,
};

const stopGradientRow: Row = {
  ...exact,
  primitive: 'stopGradient',
  dtypes: everything,
  cases: [example('[]', [[]]), example('[0]', [[0]]), example('[3, 5]', [[3, 5]])],
  apply: ([x]) => [ct.stopGradient(x as Tensor)],
  reference: ([x]) => [x as Values],
  derivative: noDerivative,
};

export const movementRows: readonly Row[] = [
  broadcastRow,
  reshapeRow,
  transposeRow,
  sliceRow,
  padRow,
  concatenateRow,
  iotaRow,
  stopGradientRow,
];
