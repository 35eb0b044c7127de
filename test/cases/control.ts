/** Rows of the primitives that the interpreter runs: loops, branches, checks, progress and time. */

import type { Tensor } from '../../lib/index.js';
import * as ct from '../../lib/index.js';
import { at, build, type Values } from './array.js';
import { applyPrimitive } from './movement.js';
import {
  bits,
  example,
  floats,
  linear,
  noDerivative,
  type OperandSpec,
  type Row,
  range,
  smooth,
  usual,
} from './row.js';

const steps = (count: number): OperandSpec => ({ shape: [], dtype: 'int32', values: [count] });

/** |a| <= 0.45, so that a step of the loop below contracts by 0.95. */
const amplitude = (shape: readonly number[]): OperandSpec => ({ shape, domain: range(-0.45, 0.45) });

/** x <- sin(x) a + x / 2, `count` times; the count is data. */
const whileRow: Row = {
  primitive: 'while',
  dtypes: floats,
  domain: usual,
  cases: [
    example('no step', [steps(0), [3], amplitude([3])]),
    example('one step', [steps(1), [3], amplitude([3])]),
    example('seven steps', [steps(7), [2, 2], amplitude([2, 2])]),
    example('many steps', [steps(500), [1], amplitude([1])], { differentiate: false }),
    example('large', [steps(3), [10_007], amplitude([10_007])]),
  ],
  apply: ([count, x, a]) => {
    const [result] = ct.whileLoop(
      ([, k]) => ct.less(k as Tensor, count as Tensor),
      ([value, k]) => [
        ct
          .sin(value as Tensor)
          .mul(a as Tensor)
          .add((value as Tensor).mul(0.5)),
        (k as Tensor).add(1),
      ],
      [x as Tensor, (count as Tensor).mul(0)] as Tensor[], // beside the operands, wherever those live
    );
    return [result as Tensor];
  },
  reference: ([count, x, a]) => {
    const values = Float64Array.from((x as Values).values);
    const factor = (a as Values).values;
    for (let k = 0; k < ((count as Values).values[0] as number); k++) {
      values.forEach((value, i) => {
        values[i] = Math.sin(value) * (factor[i] as number) + value / 2;
      });
    }
    return [{ ...(x as Values), values, scale: values.map(() => 4) }];
  },
  // Four roundings of values below 4 a step, damped by 0.95: a geometric series.
  budget: () => 10,
  derivative: smooth([1, 2], [], { reverse: false }),
  flops: ([, x]) => 27 * (x?.shape ?? []).reduce((size, dim) => size * dim, 1),
};

/** carry <- carry w + x, y = carry x, along axis 0 of xs [length, 2]. */
const scanCase = (length: number, reverse: boolean) =>
  example(
    `length ${length}${reverse ? ', reverse' : ''}`,
    [{ shape: [2] }, { shape: [length, 2] }, { shape: [2], domain: range(-0.9, 0.9) }],
    {
      params: { reverse },
      differentiate: length < 100,
    },
  );

const scanRow: Row = {
  primitive: 'scan',
  dtypes: floats,
  domain: usual,
  cases: [
    scanCase(0, false),
    scanCase(1, false),
    scanCase(5, false),
    scanCase(5, true),
    scanCase(300, false),
    scanCase(300, true),
  ],
  apply: ([start, xs, w], { reverse }) => {
    const [carry, ys] = ct.scan(
      (c: Tensor, x: Tensor) => {
        const next = c.mul(w as Tensor).add(x);
        return [next, next.mul(x)] as const;
      },
      start as Tensor,
      xs as Tensor,
      { reverse: reverse as boolean },
    );
    return [carry as Tensor, ys as Tensor];
  },
  reference: ([start, xs, w], { reverse }) => {
    const carry = Float64Array.from((start as Values).values);
    const sequence = xs as Values;
    const length = sequence.shape[0] as number;
    const ys = build(sequence.dtype, sequence.shape, () => 0);
    for (let step = 0; step < length; step++) {
      const t = reverse ? length - 1 - step : step;
      for (let i = 0; i < 2; i++) {
        const x = at(sequence, [t, i]);
        carry[i] = (carry[i] as number) * ((w as Values).values[i] as number) + x;
        ys.values[t * 2 + i] = (carry[i] as number) * x;
      }
    }
    // |carry| <= 3 / (1 - 0.9), |y| <= 3 times that.
    return [
      { ...(start as Values), values: carry, scale: carry.map(() => 30) },
      { ...ys, scale: ys.values.map(() => 90) },
    ];
  },
  // Two roundings a step, damped by |w| < 0.9: a geometric series.
  budget: () => 10,
  derivative: smooth([0, 1, 2]),
  flops: ([, xs]) => 3 * (xs?.shape[0] ?? 0) * 2,
};

const predicate = (value: 0 | 1): OperandSpec => ({ shape: [], dtype: 'bool', values: [value] });

const condRow: Row = {
  primitive: 'cond',
  dtypes: floats,
  domain: usual,
  cases: ([1, 0] as const).flatMap((which) => [
    example(`${which === 1} []`, [predicate(which), [], []]),
    example(`${which === 1} [3, 2]`, [predicate(which), [3, 2], [3, 2]]),
    example(`${which === 1} [0]`, [predicate(which), [0], [0]]),
  ]),
  apply: ([test, x, y]) => {
    const results = ct.cond(
      test as Tensor,
      (a: Tensor, b: Tensor) => [a.mul(b), a.sub(b)],
      (a: Tensor, b: Tensor) => [ct.sin(a), a.square().mul(b)],
      x as Tensor,
      y as Tensor,
    );
    return results as Tensor[];
  },
  reference: ([test, x, y]) => {
    const [a, b] = [x as Values, y as Values];
    const map = (f: (p: number, q: number) => number): Values => ({
      ...a,
      values: a.values.map((p, k) => f(p, b.values[k] as number)),
    });
    return (test as Values).values[0]
      ? [map((p, q) => p * q), map((p, q) => p - q)]
      : [map((p) => Math.sin(p)), map((p, q) => p * p * q)];
  },
  budget: () => 3,
  derivative: smooth([1, 2]),
  flops: ([, x]) => 2 * (x?.shape ?? []).reduce((size, dim) => size * dim, 1),
};

const zeroInfo = (shape: readonly number[]): OperandSpec => ({ shape, dtype: 'int32', domain: () => 0 });

/** Passing checks; failing ones are tested with the errors. */
const checkRow: Row = {
  primitive: 'check',
  dtypes: floats,
  domain: usual,
  cases: [
    example('scalar info', [[3], zeroInfo([])], { params: { op: 'example' } }),
    example('info per matrix', [[2, 3], zeroInfo([2])], { params: { op: 'example' } }),
    example('no info', [[2], zeroInfo([0])], { params: { op: 'example' } }),
  ],
  apply: applyPrimitive('check'),
  reference: ([x]) => [x as Values],
  budget: () => 0,
  derivative: linear([0]),
  flops: () => 0,
};

/** What it reports is tested with the streams; here, that it does not disturb the values around it. */
const emitRow: Row = {
  primitive: 'emit',
  dtypes: floats,
  domain: usual,
  cases: [example('a sum beside the values', [[5]], { differentiate: false })],
  apply: ([x]) => {
    ct.emit('progress', { total: ct.sum(x as Tensor) });
    return [ct.neg(x as Tensor)];
  },
  reference: ([x]) => [{ ...(x as Values), values: (x as Values).values.map((value) => -value) }],
  budget: () => 0,
  derivative: noDerivative,
  flops: () => 0,
};

/** Time does not run backwards, and is that of a stream made in this process. */
const clockRow: Row = {
  primitive: 'clock',
  dtypes: floats,
  domain: bits,
  cases: [example('two readings', [[1000]], { differentiate: false })],
  apply: ([x]) => {
    const first = ct.clock(x as Tensor);
    const second = ct.clock(first.add(ct.cast(ct.sum(ct.exp(x as Tensor)), 'float64').mul(0)));
    return [
      ct.logicalAnd(ct.greaterEqual(second, first), ct.logicalAnd(ct.greaterEqual(first, 0), ct.less(second, 86_400))),
    ];
  },
  reference: () => [{ dtype: 'bool', shape: [], values: Float64Array.of(1) }],
  budget: () => 0,
  derivative: noDerivative,
  flops: () => 0,
};

export const controlRows: readonly Row[] = [whileRow, scanRow, condRow, checkRow, emitRow, clockRow];
