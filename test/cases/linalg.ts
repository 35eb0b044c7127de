/** Rows of the linear algebra primitives. Inputs are well conditioned, so that errors are those of the arithmetic. */

import type { Shape, Tensor } from '../../lib/index.js';
import * as ct from '../../lib/index.js';
import { build, type Expected, flatten, indices, sizeOf, type Values } from './array.js';
import {
  batchOf,
  collectScaled,
  entry,
  last,
  matricesOf,
  matrixScale,
  solveBudget,
  spd,
  times,
  transposed,
  wellConditioned,
} from './matrices.js';
import { applyPrimitive } from './movement.js';
import { example, floats, type OperandSpec, type Row, smooth, usual } from './row.js';

const product = (a: Shape, b: Shape, transposeA = false, transposeB = false) =>
  example(`[${a}]${transposeA ? 'ᵀ' : ''} [${b}]${transposeB ? 'ᵀ' : ''}`, [a, b], {
    params: { transposeA, transposeB },
  });

const matmulRow: Row = {
  primitive: 'matmul',
  dtypes: floats,
  domain: usual,
  cases: [
    product([1, 1], [1, 1]),
    product([3, 4], [4, 5]),
    product([4, 3], [4, 5], true),
    product([3, 4], [5, 4], false, true),
    product([4, 3], [5, 4], true, true),
    product([1, 9], [9, 1]),
    product([9, 1], [1, 7]),
    product([1, 6], [6, 8]),
    product([8, 6], [6, 1]),
    product([0, 3], [3, 2]),
    product([2, 0], [0, 3]),
    product([2, 3], [3, 0]),
    product([3, 4, 5], [3, 5, 2]),
    product([2, 3, 4, 5], [2, 3, 6, 5], false, true),
    product([0, 2, 3], [0, 3, 2]),
    product([129, 67], [67, 131]),
    product([130, 33], [130, 65], true),
    product([1, 1000], [1000, 33]),
    product([300, 200], [300, 200], false, true),
  ],
  apply: applyPrimitive('matmul'),
  reference: ([a, b], { transposeA, transposeB }): Expected[] => {
    const [left, right] = [a as Values, b as Values];
    const [m, inner] = transposeA
      ? [last(left.shape, 1), last(left.shape, 2)]
      : [last(left.shape, 2), last(left.shape, 1)];
    const n = last(right.shape, transposeB ? 2 : 1);
    const shape = [...batchOf(left.shape), m, n];
    const scale = new Float64Array(sizeOf(shape));
    let position = 0;
    const values = build(left.dtype, shape, (index) => {
      const batch = index.slice(0, -2);
      const [i, j] = index.slice(-2) as [number, number];
      let sum = 0;
      let magnitude = 0;
      for (let k = 0; k < inner; k++) {
        const x = transposeA ? entry(left, batch, k, i) : entry(left, batch, i, k);
        const y = transposeB ? entry(right, batch, j, k) : entry(right, batch, k, j);
        sum += x * y;
        magnitude += Math.abs(x * y);
      }
      scale[position++] = magnitude;
      return sum;
    });
    return [{ ...values, scale }];
  },
  // As for sums: one rounding for each product and each addition.
  budget: ([a], { transposeA }) => 2 + Math.sqrt(last((a as Values).shape, transposeA ? 2 : 1)),
  derivative: smooth([0, 1], [[0], [1]]),
  flops: ([a, b], { transposeB }) => 2 * sizeOf(a?.shape ?? []) * last(b?.shape ?? [1, 1], transposeB ? 2 : 1),
};

const choleskyRow: Row = {
  primitive: 'cholesky',
  dtypes: floats,
  domain: usual,
  cases: [
    ...[
      [1, 1],
      [0, 0],
      [2, 2],
      [5, 5],
      [3, 4, 4],
      [0, 3, 3],
      [2, 2, 3, 3],
      [65, 65],
      [300, 300],
    ].map((shape) => example(`[${shape}]`, [spd(shape)], { differentiate: sizeOf(shape) <= 60 })),
    example(
      'fails at minors 2 and 1, and at NaN',
      [
        {
          shape: [4, 2, 2],
          values: [4, 9, 2, 1, 1, 9, 0, 4, -1, 0, 0, 1, Number.NaN, 0, 0, 1],
        },
      ],
      { differentiate: false },
    ),
  ],
  apply: ([a]) => ct.choleskyInfo(a as Tensor),
  reference: ([a]): Expected[] => {
    const source = a as Values;
    const n = last(source.shape, 1);
    const batches = batchOf(source.shape);
    const l = build(source.dtype, source.shape, () => 0);
    const info = build('int32', batches, () => 0);
    let which = 0;
    for (const batch of indices(batches)) {
      const set = (i: number, j: number, value: number): void => {
        l.values[flatten([...batch, i, j], l.shape)] = value;
      };
      let failed = 0;
      for (let j = 0; j < n && failed === 0; j++) {
        for (let i = j; i < n; i++) {
          let rest = entry(source, batch, i, j);
          for (let k = 0; k < j; k++) rest -= entry(l, batch, i, k) * entry(l, batch, j, k);
          if (i === j && !(rest > 0)) failed = j + 1;
          set(i, j, i === j ? Math.sqrt(rest) : rest / entry(l, batch, j, j));
        }
      }
      if (failed > 0) for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) set(i, j, Number.NaN);
      info.values[which++] = failed;
    }
    return [{ ...l, scale: matrixScale(l) }, info];
  },
  budget: ([a]) => solveBudget(last((a as Values).shape, 1)),
  derivative: smooth([0]),
  flops: ([a]) => (sizeOf(a?.shape ?? []) * last(a?.shape ?? [1, 1], 1)) / 3,
};

interface TriangularFlags {
  readonly left: boolean;
  readonly lower: boolean;
  readonly transpose: boolean;
  readonly unitDiagonal: boolean;
}

const solveCase = (a: Shape, b: Shape, flags: TriangularFlags) => {
  const names = Object.entries(flags)
    .filter(([, on]) => on)
    .map(([name]) => name);
  return example(`[${a}] [${b}] ${names.join(' ')}`, [{ shape: a, generate: wellConditioned }, b], {
    params: { ...flags },
    differentiate: sizeOf(a) <= 60 && sizeOf(b) <= 60,
  });
};

const allFlags: TriangularFlags[] = [...Array(16).keys()].map((k) => ({
  left: (k & 1) === 0,
  lower: (k & 2) === 0,
  transpose: (k & 4) !== 0,
  unitDiagonal: (k & 8) !== 0,
}));
const [plain] = allFlags as [TriangularFlags];

const triangularSolveRow: Row = {
  primitive: 'triangularSolve',
  dtypes: floats,
  domain: usual,
  cases: [
    ...allFlags.map((flags) => solveCase([4, 4], flags.left ? [4, 3] : [3, 4], flags)),
    solveCase([1, 1], [1, 1], plain),
    solveCase([0, 0], [0, 3], plain),
    solveCase([3, 3], [3, 0], plain),
    solveCase([2, 3, 3], [2, 3, 2], plain),
    solveCase([2, 3, 3], [2, 2, 3], { ...plain, left: false, transpose: true }),
    solveCase([0, 3, 3], [0, 3, 2], plain),
    solveCase([129, 129], [129, 37], plain),
    solveCase([129, 129], [37, 129], { ...plain, left: false }),
  ],
  apply: applyPrimitive('triangularSolve'),
  reference: ([a, b], params): Expected[] => {
    const [matrix, right] = [a as Values, b as Values];
    const { left, lower, transpose, unitDiagonal } = params as unknown as TriangularFlags;
    const n = last(matrix.shape, 1);
    const columns = last(right.shape, left ? 1 : 2);
    const x = build(right.dtype, right.shape, () => 0);
    // x op(A) = b is op(A)ᵀ xᵀ = bᵀ: one substitution serves both sides.
    const flipped = transpose !== !left;
    const forward = lower !== flipped;
    for (const batch of indices(batchOf(matrix.shape))) {
      const coefficient = (i: number, j: number): number => {
        if (i === j && unitDiagonal) return 1;
        return flipped ? entry(matrix, batch, j, i) : entry(matrix, batch, i, j);
      };
      const place = (i: number, c: number): number => flatten([...batch, ...(left ? [i, c] : [c, i])], right.shape);
      for (let c = 0; c < columns; c++) {
        for (let step = 0; step < n; step++) {
          const i = forward ? step : n - 1 - step;
          let rest = right.values[place(i, c)] as number;
          for (let done = 0; done < step; done++) {
            const j = forward ? done : n - 1 - done;
            rest -= coefficient(i, j) * (x.values[place(j, c)] as number);
          }
          x.values[place(i, c)] = rest / coefficient(i, i);
        }
      }
    }
    return [{ ...x, scale: matrixScale(x) }];
  },
  budget: ([a]) => solveBudget(last((a as Values).shape, 1)),
  derivative: smooth([0, 1], [[1]]),
  flops: ([a, b]) => sizeOf(b?.shape ?? []) * last(a?.shape ?? [1, 1], 1),
};

/** Lower triangle of a factor with a condition number of order 1; noise above it, which must not be read. */
const lowerFactor = (shape: Shape): OperandSpec => ({ shape, generate: wellConditioned });

const choleskyInverseRow: Row = {
  primitive: 'choleskyInverse',
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
    ].map((shape) => example(`[${shape}]`, [lowerFactor(shape)])),
    ...[
      [33, 33],
      [300, 7, 7],
      [131, 131],
      [259, 259],
    ].map((shape) => example(`[${shape}]`, [lowerFactor(shape)], { differentiate: false })),
  ],
  apply: applyPrimitive('choleskyInverse'),
  reference: ([l]): Expected[] => {
    const source = l as Values;
    const n = last(source.shape, 1);
    const found = matricesOf(source).map((one) => {
      // Columns of L⁻¹ by substitution.
      const inverse = one.map((row) => row.map(() => 0));
      for (let c = 0; c < n; c++) {
        for (let i = c; i < n; i++) {
          let rest = Number(i === c);
          for (let j = c; j < i; j++) rest -= (one[i]?.[j] as number) * (inverse[j]?.[c] as number);
          (inverse[i] as number[])[c] = rest / (one[i]?.[i] as number);
        }
      }
      return times(transposed(inverse, n), inverse);
    });
    return [collectScaled(source, batchOf(source.shape), [n, n], found)];
  },
  budget: ([l]) => 2 * solveBudget(last((l as Values).shape, 1)),
  derivative: smooth([0]),
  flops: ([l]) => (2 / 3) * sizeOf(l?.shape ?? []) * last(l?.shape ?? [1, 1], 1),
};

export const linalgRows: readonly Row[] = [matmulRow, choleskyRow, choleskyInverseRow, triangularSolveRow];
