/** Rows of the LU family. */
import { constant, lu, luSolve } from '../../lib/core/primitives/lax-linalg.js';
import type { Shape, Tensor } from '../../lib/index.js';
import { type Expected, sizeOf, type Values } from './array.js';
import {
  batchOf,
  collect,
  collectScaled,
  last,
  type Matrix,
  matricesOf,
  solveBudget,
  wellConditioned,
} from './matrices.js';
import { applyPrimitive } from './movement.js';
import type { Random } from './random.js';
import { example, floats, type OperandSpec, type Row, smooth, usual } from './row.js';

/** A well-conditioned matrix whose rows are turned by one, so that every pivot is clear and none is in place. */
function turned(random: Random, shape: Shape): Float64Array {
  const n = last(shape, 1);
  const values = wellConditioned(random, shape);
  return values.map((_, position) => {
    const [matrix, row, column] = [Math.floor(position / (n * n)), Math.floor(position / n) % n, position % n];
    return values[(matrix * n + ((row + 1) % n)) * n + column] as number;
  });
}

const square = (shape: Shape): OperandSpec => ({ shape, generate: turned });
const given = (shape: Shape, values: readonly number[]): OperandSpec => ({ shape, values });

/** LU with row pivoting, by the book: factors in one matrix, permutation, its sign, the first zero pivot. */
function factor(a: Matrix): { factors: Matrix; permutation: number[]; sign: number; info: number } {
  const n = a.length;
  const factors = a.map((row) => [...row]);
  const permutation = [...factors.keys()];
  if (a.flat().some((x) => !Number.isFinite(x)))
    return { factors: a.map((row) => row.map(() => Number.NaN)), permutation, sign: 1, info: n };
  const row = (i: number): number[] => factors[i] as number[];
  let [sign, info] = [1, 0];
  for (let k = 0; k < n; k++) {
    let best = k;
    for (let i = k + 1; i < n; i++) {
      if (Math.abs(row(i)[k] as number) > Math.abs(row(best)[k] as number)) best = i;
    }
    if (best !== k) {
      [factors[k], factors[best]] = [row(best), row(k)];
      [permutation[k], permutation[best]] = [permutation[best] as number, permutation[k] as number];
      sign = -sign;
    }
    const pivot = row(k)[k] as number;
    if (pivot === 0) {
      if (info === 0) info = k + 1;
      continue;
    }
    for (let i = k + 1; i < n; i++) {
      const multiplier = (row(i)[k] as number) / pivot;
      row(i)[k] = multiplier;
      for (let j = k + 1; j < n; j++) row(i)[j] = (row(i)[j] as number) - multiplier * (row(k)[j] as number);
    }
  }
  return { factors, permutation, sign, info };
}

const luRow: Row = {
  primitive: 'lu',
  dtypes: floats,
  domain: usual,
  cases: [
    ...[
      [1, 1],
      [0, 0],
      [2, 2],
      [5, 5],
      [3, 4, 4],
      [2, 2, 3, 3],
      [0, 3, 3],
    ].map((shape) => example(`[${shape}]`, [square(shape)])),
    ...[
      [33, 33],
      [600, 9, 9],
      [130, 130],
      [390, 390],
    ].map((shape) => example(`[${shape}]`, [square(shape)], { differentiate: false })),
    example('singular', [given([2, 2], [1, 2, 2, 4])], { differentiate: false }),
    example('zero', [given([3, 3], new Array(9).fill(0))], { differentiate: false }),
    example('one of two with NaN', [given([2, 2, 2], [4, 1, 2, 3, 1, 2, Number.NaN, 4])], { differentiate: false }),
    example('infinity', [given([2, 2], [1, Number.POSITIVE_INFINITY, 3, 4])], { differentiate: false }),
  ],
  apply: applyPrimitive('lu'),
  reference: ([a]): Expected[] => {
    const source = a as Values;
    const [batch, n] = [batchOf(source.shape), last(source.shape, 1)];
    const found = matricesOf(source).map(factor);
    const integers = { dtype: 'int32', shape: [] } as const;
    return [
      collectScaled(
        source,
        batch,
        [n, n],
        found.map(({ factors }) => factors),
      ),
      collect(
        integers,
        batch,
        [n],
        found.map(({ permutation }) => permutation),
      ),
      collect(
        integers,
        batch,
        [],
        found.map(({ sign }) => [sign]),
      ),
      collect(
        integers,
        batch,
        [],
        found.map(({ info }) => [info]),
      ),
    ];
  },
  budget: ([a]) => solveBudget(last((a as Values).shape, 1)),
  derivative: smooth([0]),
  flops: ([a]) => (2 / 3) * sizeOf(a?.shape ?? []) * last(a?.shape ?? [1, 1], 1),
};

/** op(A) x = b by elimination, in place of copies. */
function eliminate(a: Matrix, b: Matrix, transpose: boolean): Matrix {
  const n = a.length;
  const rows = a.map((row, i) => [
    ...row.map((value, j) => (transpose ? ((a[j] as number[])[i] as number) : value)),
    ...(b[i] as number[]),
  ]);
  for (let k = 0; k < n; k++) {
    let best = k;
    for (let i = k + 1; i < n; i++) {
      if (Math.abs(rows[i]?.[k] as number) > Math.abs(rows[best]?.[k] as number)) best = i;
    }
    [rows[k], rows[best]] = [rows[best] as number[], rows[k] as number[]];
    const pivotRow = rows[k] as number[];
    rows.forEach((row, i) => {
      if (i === k) return;
      const multiplier = (row[k] as number) / (pivotRow[k] as number);
      for (let j = k; j < row.length; j++) row[j] = (row[j] as number) - multiplier * (pivotRow[j] as number);
    });
  }
  return rows.map((row, i) => row.slice(n).map((value) => value / (row[i] as number)));
}

const solveCase = (a: Shape, b: Shape, transpose = false) =>
  example(`[${a}]${transpose ? 'ᵀ' : ''} [${b}]`, [square(a), b], {
    params: { transpose },
    differentiate: sizeOf(a) <= 60 && sizeOf(b) <= 60,
  });

const luSolveRow: Row = {
  primitive: 'luSolve',
  dtypes: floats,
  domain: usual,
  cases: [
    solveCase([4, 4], [4, 3]),
    solveCase([4, 4], [4, 3], true),
    solveCase([1, 1], [1, 1]),
    solveCase([5, 5], [5, 1]),
    solveCase([5, 5], [5, 1], true),
    solveCase([0, 0], [0, 3]),
    solveCase([3, 3], [3, 0]),
    solveCase([2, 3, 3], [2, 3, 2]),
    solveCase([2, 2, 3, 3], [2, 2, 3, 2], true),
    solveCase([0, 3, 3], [0, 3, 2]),
    solveCase([129, 129], [129, 37]),
    solveCase([129, 129], [129, 37], true),
    solveCase([300, 300], [300, 5], true),
    solveCase([40, 17, 17], [40, 17, 3]),
  ],
  apply: ([a, b], { transpose }) => {
    const matrix = a as Tensor;
    const [factors, permutation] = lu(constant(matrix));
    return [luSolve(matrix, factors, permutation, b as Tensor, transpose as boolean)];
  },
  reference: ([a, b], { transpose }): Expected[] => {
    const [matrix, right] = [a as Values, b as Values];
    const sides = matricesOf(right);
    const solved = matricesOf(matrix).map((one, k) => eliminate(one, sides[k] as Matrix, transpose as boolean));
    return [collectScaled(right, batchOf(right.shape), right.shape.slice(-2), solved)];
  },
  budget: ([a]) => 2 * solveBudget(last((a as Values).shape, 1)),
  derivative: smooth([0, 1], [[1]]),
  flops: ([a, b]) => 2 * sizeOf(b?.shape ?? []) * last(a?.shape ?? [1, 1], 1),
};

export const solveRows: readonly Row[] = [luRow, luSolveRow];
