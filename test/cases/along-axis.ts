/** Rows of reading, adding and writing at places along an axis, and of reversing. */

import type { Shape } from '../../lib/index.js';
import { at, build, flatten, indices, sizeOf, type Values } from './array.js';
import { given, outside, positions } from './indexing.js';
import { applyPrimitive } from './movement.js';
import { everything, example, linear, numbers, type OperandSpec, type Row, usual } from './row.js';

const given2 = (shape: Shape, values: readonly number[]): OperandSpec => ({ shape, dtype: 'int32', values });

/** `index` with its place along the axis replaced. */
const moved = (index: readonly number[], axis: number, place: number): number[] =>
  index.map((k, dim) => (dim === axis ? place : k));

const takeAlongRow: Row = {
  primitive: 'takeAlongAxis',
  dtypes: everything,
  domain: usual,
  cases: [
    example('vector', [[5], positions([7], 0, 4)], { params: { axis: 0 } }),
    example('no index', [[5, 2], positions([0, 2], 0, 4)], { params: { axis: 0 } }),
    example('rows', [[6, 4], positions([3, 4], 0, 5)], { params: { axis: 0 } }),
    example('columns, repeated', [[3, 4], positions([3, 6], 0, 3)], { params: { axis: 1 } }),
    example('middle axis', [[2, 5, 3], positions([2, 4, 3], 0, 4)], { params: { axis: 1 } }),
    example('outside', [[2, 3], given2([2, 3], [-1, 0, 3, 2, 2147483647, -2147483648])], {
      params: { axis: 1 },
      differentiate: false,
    }),
    example('large', [[501, 33], positions([1000, 33], 0, 500)], { params: { axis: 0 } }),
  ],
  apply: applyPrimitive('takeAlongAxis'),
  reference: ([x, index], params) => {
    const [source, places] = [x as Values, index as Values];
    const axis = params.axis as number;
    return [
      build(source.dtype, places.shape, (k) => {
        const place = at(places, k);
        return place < 0 || place >= (source.shape[axis] as number)
          ? outside(source)
          : at(source, moved(k, axis, place));
      }),
    ];
  },
  budget: () => 0,
  derivative: linear([0]),
  flops: () => 0,
};

const addAlongRow: Row = {
  primitive: 'addAlongAxis',
  dtypes: numbers,
  domain: usual,
  cases: [
    example('vector', [[5], positions([7], 0, 4), [7]], { params: { axis: 0 } }),
    example('no index', [[5, 2], positions([0, 2], 0, 4), [0, 2]], { params: { axis: 0 } }),
    example('columns, repeated', [[3, 4], positions([3, 6], 0, 3), [3, 6]], { params: { axis: 1 } }),
    example('middle axis', [[2, 5, 3], positions([2, 4, 3], 0, 4), [2, 4, 3]], { params: { axis: 1 } }),
    example('outside', [[3], given([-1, 0, 3, 1, 2147483647]), [5]], { params: { axis: 0 } }),
    example('one long line', [[1001], positions([40_009], 0, 1000), [40_009]], { params: { axis: 0 } }),
    example('large', [[101, 33], positions([1000, 33], 0, 100), [1000, 33]], { params: { axis: 0 } }),
  ],
  apply: applyPrimitive('addAlongAxis'),
  // The scale is the sum of magnitudes: each addition rounds what has been summed so far.
  reference: ([base, index, updates], params) => {
    const [target, places, added] = [base as Values, index as Values, updates as Values];
    const axis = params.axis as number;
    const values = Float64Array.from(target.values);
    const scale = target.values.map(Math.abs);
    for (const k of indices(added.shape)) {
      const place = at(places, k);
      if (place < 0 || place >= (target.shape[axis] as number)) continue;
      const position = flatten(moved(k, axis, place), target.shape);
      values[position] = (values[position] as number) + at(added, k);
      scale[position] = (scale[position] as number) + Math.abs(at(added, k));
    }
    const wrapped = target.dtype === 'uint32' ? values.map((x) => x >>> 0) : values;
    return [{ dtype: target.dtype, shape: target.shape, values: wrapped, scale }];
  },
  // At most as many roundings as there are updates at one place: a random walk of half units.
  budget: ([, index], { axis }) => 2 + 2 * Math.sqrt((index as Values).shape[axis as number] as number),
  derivative: linear([0, 2], [[0], [2]]),
  flops: ([, , updates]) => sizeOf(updates?.shape ?? []),
};

const scatterSetRow: Row = {
  primitive: 'scatterSet',
  dtypes: everything,
  domain: usual,
  cases: [
    example('vector, repeated', [[5], given([1, 4, 1, 0, 1, 4]), [6]], { params: { axis: 0 } }),
    example('one index', [[5], positions([], 0, 4), []], { params: { axis: 0 } }),
    example('no index', [[5, 2], positions([0], 0, 4), [0, 2]], { params: { axis: 0 } }),
    example('columns, repeated', [[3, 4], positions([2, 5], 0, 3), [3, 2, 5]], { params: { axis: 1 } }),
    example('middle axis', [[2, 5, 3], positions([4], 0, 4), [2, 4, 3]], { params: { axis: 1 } }),
    example('outside', [[3], given([-1, 0, 3, 1, 2147483647]), [5]], { params: { axis: 0 } }),
    example('large', [[101, 33], positions([1000], 0, 100), [1000, 33]], { params: { axis: 0 } }),
  ],
  apply: applyPrimitive('scatterSet'),
  reference: ([base, index, updates], params) => {
    const [target, places, written] = [base as Values, index as Values, updates as Values];
    const axis = params.axis as number;
    const depth = places.shape.length;
    const values = Float64Array.from(target.values);
    for (const k of indices(written.shape)) {
      const row = at(places, k.slice(axis, axis + depth));
      if (row < 0 || row >= (target.shape[axis] as number)) continue;
      values[flatten([...k.slice(0, axis), row, ...k.slice(axis + depth)], target.shape)] = at(written, k);
    }
    return [{ ...target, values }];
  },
  budget: () => 0,
  derivative: linear([0, 2], [[0], [2]]),
  flops: () => 0,
};

const reverseCase = (shape: Shape, axes: Shape) => example(`[${shape}] axes ${axes}`, [shape], { params: { axes } });

const reverseRow: Row = {
  primitive: 'reverse',
  dtypes: everything,
  domain: usual,
  cases: [
    reverseCase([], []),
    reverseCase([1], [0]),
    reverseCase([0, 3], [0, 1]),
    reverseCase([7], [0]),
    reverseCase([3, 5], [0]),
    reverseCase([3, 5], [1]),
    reverseCase([3, 5], [0, 1]),
    reverseCase([2, 3, 4], [0, 2]),
    reverseCase([301, 207], [0, 1]),
  ],
  apply: applyPrimitive('reverse'),
  reference: ([x], params) => {
    const source = x as Values;
    const axes = params.axes as Shape;
    return [
      build(source.dtype, source.shape, (index) =>
        at(
          source,
          index.map((k, axis) => (axes.includes(axis) ? (source.shape[axis] as number) - 1 - k : k)),
        ),
      ),
    ];
  },
  budget: () => 0,
  derivative: linear([0]),
  flops: () => 0,
};

export const alongAxisRows: readonly Row[] = [takeAlongRow, addAlongRow, scatterSetRow, reverseRow];
