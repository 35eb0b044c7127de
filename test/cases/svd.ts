/** Rows of the singular value decomposition and functions of singular values. */
import {
  constant,
  nuclearNorm,
  pseudoInverse,
  type SingularParts,
  type SpectralFunction,
  singularFunction,
  svd,
} from '../../lib/core/primitives/lax-linalg.js';
import type { Shape, Tensor } from '../../lib/index.js';
import { type Expected, sizeOf, type Values } from './array.js';
import { dividedDifference } from './divided-differences.js';
import {
  batchOf,
  collect,
  collectScaled,
  hestenes,
  last,
  type Matrix,
  matricesOf,
  orthogonal,
  times,
  transposed,
} from './matrices.js';
import { applyPrimitive } from './movement.js';
import type { Random } from './random.js';
import { type Case, example, floats, type OperandSpec, type Row, smooth, usual } from './row.js';

/** U diag(s) V^T with random orthogonal factors. */
function withSingularValues(singular: (k: number) => readonly number[]) {
  return (random: Random, shape: Shape): Float64Array => {
    const [m, n] = [last(shape, 2), last(shape, 1)];
    const k = Math.min(m, n);
    const s = singular(k);
    const parts: Matrix[] = [];
    for (let count = k === 0 ? 0 : sizeOf(shape) / (m * n); count > 0; count--) {
      const scaled = orthogonal(random, m).map((row) => row.slice(0, k).map((x, j) => x * (s[j] as number)));
      parts.push(times(scaled, orthogonal(random, n).slice(0, k)));
    }
    return Float64Array.from(parts.flat(2));
  };
}

/** Gaps of 1. */
const spaced = withSingularValues((k) => Array.from({ length: k }, (_, i) => k - i));
/** From 2 to 1. */
const gentle = withSingularValues((k) => Array.from({ length: k }, (_, i) => 2 - i / k));
const matrix = (shape: Shape, generate = spaced): OperandSpec => ({ shape, generate });

interface Decomposition {
  readonly u: Matrix;
  readonly s: number[];
  readonly vt: Matrix;
  readonly info: number;
}

/** In each column of U the first component of nearly the largest magnitude is positive. */
function decompose(a: Matrix, m: number, n: number): Decomposition {
  const k = Math.min(m, n);
  if (a.flat().some((x) => !Number.isFinite(x))) {
    const missing = (rows: number, columns: number): Matrix =>
      Array.from({ length: rows }, () => new Array<number>(columns).fill(Number.NaN));
    return { u: missing(m, k), s: new Array<number>(k).fill(Number.NaN), vt: missing(k, n), info: 1 };
  }
  const { u, s, vt } = hestenes(a, m, n);
  const signs = transposed(u, k).map((column) => {
    const largest = Math.max(...column.map(Math.abs));
    return (column.find((x) => Math.abs(x) >= 0.9 * largest) as number) < 0 ? -1 : 1;
  });
  return {
    u: u.map((row) => row.map((x, j) => x * (signs[j] as number))),
    s,
    vt: vt.map((row, i) => row.map((x) => x * (signs[i] as number))),
    info: 0,
  };
}

const info = { dtype: 'int32', shape: [] } as const;
const dims = (a: Values): [Shape, number, number] => [batchOf(a.shape), last(a.shape, 2), last(a.shape, 1)];

const cases: readonly Case[] = [
  ...[
    [1, 1],
    [0, 0],
    [3, 0],
    [0, 3],
    [4, 4],
    [5, 3],
    [3, 5],
    [1, 4],
    [4, 1],
    [2, 4, 3],
    [2, 1, 3, 3],
    [0, 4, 3],
  ].map((shape) => example(`[${shape}]`, [matrix(shape)])),
  ...[
    [40, 17],
    [17, 40],
    [300, 6, 5],
    [90, 20],
    [170, 170],
    [200, 170],
    [165, 210],
  ].map((shape) => example(`[${shape}]`, [matrix(shape)], { differentiate: false })),
  example('one of two with NaN', [{ shape: [2, 2, 2], values: [2, 1, 1, 3, 1, Number.NaN, 2, 4] }], {
    differentiate: false,
  }),
];

const svdRow: Row = {
  primitive: 'svd',
  dtypes: floats,
  domain: usual,
  cases,
  apply: applyPrimitive('svd'),
  reference: ([a]): Expected[] => {
    const source = a as Values;
    const [batch, m, n] = dims(source);
    const k = Math.min(m, n);
    const found = matricesOf(source).map((one) => decompose(one, m, n));
    return [
      collectScaled(
        source,
        batch,
        [m, k],
        found.map(({ u }) => u),
      ),
      collectScaled(
        source,
        batch,
        [k],
        found.map(({ s }) => s),
      ),
      collectScaled(
        source,
        batch,
        [k, n],
        found.map(({ vt }) => vt),
      ),
      collect(
        info,
        batch,
        [],
        found.map((one) => [one.info]),
      ),
    ];
  },
  // Backward errors of some epsilons of the norm k, over gaps of 1; in float64 the reference's own are as large. QR iteration
  // (gesvd, where divide and conquer is not to be had) leaves up to 25 k.
  budget: ([a]) => 32 + 40 * Math.min(last((a as Values).shape, 1), last((a as Values).shape, 2)),
  derivative: smooth([0]),
  flops: ([a]) => 22 * sizeOf(a?.shape ?? []) * Math.min(last(a?.shape ?? [1, 1], 1), last(a?.shape ?? [1, 1], 2)),
};

const singularValuesRow: Row = {
  ...svdRow,
  primitive: 'singularValues',
  apply: applyPrimitive('singularValues'),
  reference: (operands, params) => svdRow.reference(operands, params).filter((_, k) => k === 1 || k === 3),
};

const partsOf = (a: Tensor): SingularParts => {
  const [u, s, vt] = svd(constant(a));
  return [u, s, vt];
};

/** U diag(f(s)) V^T */
const rebuilt = ({ u, s, vt }: Decomposition, f: (s: number) => number): Matrix =>
  times(
    u.map((row) => row.map((x, j) => x * f(s[j] as number))),
    vt,
  );

const small = (generate: ReturnType<typeof withSingularValues>, label: string, params: Case['params'] = {}): Case[] =>
  [
    [4, 4],
    [5, 3],
    [3, 5],
    [2, 3, 3],
  ].map((shape) => example(`${label} [${shape}]`, [matrix(shape, generate)], { params }));

/** Equal values on both sides of the threshold 1. */
const equal = withSingularValues((k) => [2.5, 2.5, 0.4, 0.4].slice(0, k));
const withZeros = withSingularValues((k) => [2.5, 1.7, 0, 0].slice(0, k));

const singularFunctionRow: Row = {
  primitive: 'singularFunction',
  dtypes: floats,
  domain: usual,
  cases: [
    ...small(equal, 'softThreshold with equal values', { function: 'softThreshold' }),
    ...small(withZeros, 'softThreshold with zeros', { function: 'softThreshold' }),
    ...small(equal, 'sign with equal values', { function: 'sign' }),
    ...[
      [0, 3],
      [3, 0],
      [1, 1],
      [0, 2, 2],
    ].map((shape) =>
      example(`softThreshold [${shape}]`, [matrix(shape, equal)], { params: { function: 'softThreshold' } }),
    ),
    ...[
      [60, 31],
      [170, 170],
      [100, 5, 4],
    ].map((shape) =>
      example(`softThreshold [${shape}]`, [matrix(shape)], {
        params: { function: 'softThreshold' },
        differentiate: false,
      }),
    ),
  ],
  apply: ([a], params) => [singularFunction(params.function as SpectralFunction, a as Tensor, partsOf(a as Tensor))],
  reference: ([a], params): Expected[] => {
    const source = a as Values;
    const [batch, m, n] = dims(source);
    const found = matricesOf(source).map((one) => {
      const parts = decompose(one, m, n);
      const noise = 2 ** -20 * (parts.s[0] ?? 0);
      // Vectors of zero singular values come out as NaN: they do not count.
      const kept = { ...parts, u: parts.u.map((row) => row.map((x, j) => ((parts.s[j] as number) <= noise ? 0 : x))) };
      return rebuilt(kept, (s) => dividedDifference(params.function as SpectralFunction, [s]));
    });
    return [collectScaled(source, batch, [m, n], found)];
  },
  budget: svdRow.budget,
  derivative: smooth([0]),
  flops: ([a]) => 2 * sizeOf(a?.shape ?? []) * last(a?.shape ?? [1, 1], 1),
};

const nuclearNormRow: Row = {
  primitive: 'nuclearNorm',
  dtypes: floats,
  domain: usual,
  cases: [
    ...small(equal, 'equal values'),
    ...[
      [0, 3],
      [3, 0],
      [1, 1],
      [0, 2, 2],
      [7, 7],
    ].map((shape) => example(`[${shape}]`, [matrix(shape)])),
    example('[40, 60]', [matrix([40, 60])], { differentiate: false }),
  ],
  apply: ([a]) => [nuclearNorm(a as Tensor, partsOf(a as Tensor))],
  reference: ([a]): Expected[] => {
    const source = a as Values;
    const [batch, m, n] = dims(source);
    const sums = matricesOf(source).map((one) => [hestenes(one, m, n).s.reduce((sum, s) => sum + s, 0)]);
    return [collect(source, batch, [], sums)];
  },
  budget: svdRow.budget,
  derivative: smooth([0]),
  flops: ([a]) => Math.min(last(a?.shape ?? [1, 1], 1), last(a?.shape ?? [1, 1], 2)),
};

const tolerance = { tolerance: 1e-5 };

const pseudoInverseRow: Row = {
  primitive: 'pseudoInverse',
  dtypes: floats,
  domain: usual,
  cases: [
    ...small(gentle, 'of full rank', tolerance),
    ...small(equal, 'with equal values', tolerance),
    ...[
      [0, 3],
      [3, 0],
      [1, 1],
      [0, 2, 2],
    ].map((shape) => example(`[${shape}]`, [matrix(shape)], { params: tolerance })),
    // Derivatives suppose a constant rank, which differences leave.
    example('with zeros [4,5]', [matrix([4, 5], withZeros)], { params: tolerance, differentiate: false }),
    example('[60,31]', [matrix([60, 31], gentle)], { params: tolerance, differentiate: false }),
  ],
  apply: ([a]) => [pseudoInverse(a as Tensor, partsOf(a as Tensor), tolerance.tolerance)],
  reference: ([a]): Expected[] => {
    const source = a as Values;
    const [batch, m, n] = dims(source);
    const found = matricesOf(source).map((one) => {
      const parts = decompose(one, m, n);
      const noise = 1e-5 * (parts.s[0] ?? 0);
      const kept = { ...parts, u: parts.u.map((row) => row.map((x, j) => ((parts.s[j] as number) <= noise ? 0 : x))) };
      return transposed(
        rebuilt(kept, (s) => (s <= noise ? 0 : 1 / s)),
        n,
      );
    });
    return [collectScaled(source, batch, [n, m], found)];
  },
  budget: svdRow.budget,
  derivative: smooth([0]),
  flops: ([a]) => 2 * sizeOf(a?.shape ?? []) * last(a?.shape ?? [1, 1], 1),
};

export const svdRows: readonly Row[] = [
  svdRow,
  singularValuesRow,
  singularFunctionRow,
  nuclearNormRow,
  pseudoInverseRow,
];
