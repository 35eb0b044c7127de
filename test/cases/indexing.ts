/** Rows of the primitives that read and write at positions given by data. */

import type { Shape, Tensor } from '../../lib/index.js';
import * as ct from '../../lib/index.js';
import { at, build, flatten, indices, isFloat, sizeOf, type Values } from './array.js';
import { everything, example, linear, numbers, type OperandSpec, type Row, usual } from './row.js';

export const positions = (shape: Shape, low: number, high: number): OperandSpec => ({
  shape,
  dtype: 'int32',
  domain: (random) => random.integer(low, high),
});
export const given = (values: readonly number[]): OperandSpec => ({ shape: [values.length], dtype: 'int32', values });

/** What reading outside gives: not a number, or 0 where there is no such thing. */
export const outside = (x: Values): number => (isFloat(x.dtype) ? Number.NaN : 0);

const gatherRow: Row = {
  primitive: 'gather',
  dtypes: everything,
  domain: usual,
  cases: [
    example('vector', [[5], positions([7], 0, 4)], { params: { axis: 0 } }),
    example('one index', [[5], positions([], 0, 4)], { params: { axis: 0 } }),
    example('no index', [[5, 2], positions([0], 0, 4)], { params: { axis: 0 } }),
    example('rows', [[6, 4], positions([3], 0, 5)], { params: { axis: 0 } }),
    example('columns, repeated', [[3, 4], positions([2, 5], 0, 3)], { params: { axis: 1 } }),
    example('middle axis', [[2, 5, 3], positions([4], 0, 4)], { params: { axis: 1 } }),
    example('outside', [[4, 2], given([-1, 0, 3, 4, 2147483647, -2147483648])], {
      params: { axis: 0 },
      differentiate: false,
    }),
    example('large', [[501, 33], positions([1000], 0, 500)], { params: { axis: 0 } }),
  ],
  apply: ([x, index], { axis }) => [ct.take(x as Tensor, index as Tensor, axis as number)],
  reference: ([x, index], params) => {
    const [source, at1] = [x as Values, index as Values];
    const axis = params.axis as number;
    const depth = at1.shape.length;
    const shape = [...source.shape.slice(0, axis), ...at1.shape, ...source.shape.slice(axis + 1)];
    return [
      build(source.dtype, shape, (k) => {
        const row = at(at1, k.slice(axis, axis + depth));
        if (row < 0 || row >= (source.shape[axis] as number)) return outside(source);
        return at(source, [...k.slice(0, axis), row, ...k.slice(axis + depth)]);
      }),
    ];
  },
  budget: () => 0,
  derivative: linear([0]),
  flops: () => 0,
};

const scatterAddRow: Row = {
  primitive: 'scatterAdd',
  dtypes: numbers,
  domain: usual,
  cases: [
    example('vector', [[5], positions([7], 0, 4), [7]], { params: { axis: 0 } }),
    example('one index', [[5], positions([], 0, 4), []], { params: { axis: 0 } }),
    example('no index', [[5, 2], positions([0], 0, 4), [0, 2]], { params: { axis: 0 } }),
    example('columns, repeated', [[3, 4], positions([2, 5], 0, 3), [3, 2, 5]], { params: { axis: 1 } }),
    example('middle axis', [[2, 5, 3], positions([4], 0, 4), [2, 4, 3]], { params: { axis: 1 } }),
    example('outside', [[3], given([-1, 0, 3, 1, 2147483647]), [5]], { params: { axis: 0 } }),
    example('large', [[101, 33], positions([1000], 0, 100), [1000, 33]], { params: { axis: 0 } }),
  ],
  apply: ([base, index, updates], { axis }) => [
    ct.scatterAdd(base as Tensor, index as Tensor, updates as Tensor, axis as number),
  ],
  // The scale is the sum of magnitudes: each addition rounds what has been summed so far.
  reference: ([base, index, updates], params) => {
    const [target, at1, added] = [base as Values, index as Values, updates as Values];
    const axis = params.axis as number;
    const depth = at1.shape.length;
    const values = Float64Array.from(target.values);
    const scale = target.values.map(Math.abs);
    for (const k of indices(added.shape)) {
      const row = at(at1, k.slice(axis, axis + depth));
      if (row < 0 || row >= (target.shape[axis] as number)) continue;
      const position = flatten([...k.slice(0, axis), row, ...k.slice(axis + depth)], target.shape);
      values[position] = (values[position] as number) + at(added, k);
      scale[position] = (scale[position] as number) + Math.abs(at(added, k));
    }
    const wrapped = target.dtype === 'uint32' ? values.map((x) => x >>> 0) : values;
    return [{ dtype: target.dtype, shape: target.shape, values: wrapped, scale }];
  },
  // At most as many roundings as there are updates at one place: a random walk of half units.
  budget: ([, index]) => 2 + 2 * Math.sqrt(sizeOf((index as Values).shape)),
  derivative: linear([0, 2], [[0], [2]]),
  flops: ([, , updates]) => sizeOf(updates?.shape ?? []),
};

/** The corner moved so that a block of `sizes` fits into `shape`. */
function fitted(start: Values, shape: Shape, sizes: Shape): number[] {
  return shape.map((dim, k) => Math.max(0, Math.min(start.values[k] as number, dim - (sizes[k] as number))));
}

const dynamicSliceRow: Row = {
  primitive: 'dynamicSlice',
  dtypes: everything,
  domain: usual,
  cases: [
    example('inside', [[5], given([2])], { params: { sizes: [3] } }),
    example('moved back', [[5], given([4])], { params: { sizes: [3] } }),
    example('moved forward', [[5, 4], given([-7, 1])], { params: { sizes: [2, 2] } }),
    example('whole', [[3, 2], given([1, 1])], { params: { sizes: [3, 2] } }),
    example('empty', [[3, 2], given([1, 1])], { params: { sizes: [0, 2] } }),
    example('rank 0', [[], given([])], { params: { sizes: [] } }),
    example('large', [[201, 99], given([50, 7])], { params: { sizes: [101, 60] } }),
  ],
  apply: ([x, start], { sizes }) => [ct.dynamicSlice(x as Tensor, start as Tensor, sizes as Shape)],
  reference: ([x, start], params) => {
    const source = x as Values;
    const sizes = params.sizes as Shape;
    const corner = fitted(start as Values, source.shape, sizes);
    return [
      build(source.dtype, sizes, (index) =>
        at(
          source,
          index.map((i, k) => i + (corner[k] as number)),
        ),
      ),
    ];
  },
  budget: () => 0,
  derivative: linear([0]),
  flops: () => 0,
};

const dynamicUpdateRow: Row = {
  primitive: 'dynamicUpdate',
  dtypes: everything,
  domain: usual,
  cases: [
    example('inside', [[5], [2], given([1])]),
    example('moved back', [[5], [3], given([4])]),
    example('moved forward', [[5, 4], [2, 2], given([-7, 1])]),
    example('whole', [[3, 2], [3, 2], given([1, 1])]),
    example('empty', [[3, 2], [0, 2], given([1, 1])]),
    example('rank 0', [[], [], given([])]),
    example('large', [[201, 99], [101, 60], given([50, 7])]),
  ],
  apply: ([x, update, start]) => [ct.dynamicUpdate(x as Tensor, update as Tensor, start as Tensor)],
  reference: ([x, update, start]) => {
    const [source, block] = [x as Values, update as Values];
    const corner = fitted(start as Values, source.shape, block.shape);
    const values = Float64Array.from(source.values);
    for (const index of indices(block.shape)) {
      values[
        flatten(
          index.map((i, k) => i + (corner[k] as number)),
          source.shape,
        )
      ] = at(block, index);
    }
    return [{ ...source, values }];
  },
  budget: () => 0,
  derivative: linear([0, 1], [[0], [1]]),
  flops: () => 0,
};

export const indexingRows: readonly Row[] = [gatherRow, scatterAddRow, dynamicSliceRow, dynamicUpdateRow];
