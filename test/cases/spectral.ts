/** Rows of symmetric eigen-decomposition and functions of symmetric matrices. */
import {
  constant,
  eigh,
  type SpectralFunction,
  spectralFunction,
  spectralFunctions,
} from '../../lib/core/primitives/lax-linalg.js';
import type { Shape, Tensor } from '../../lib/index.js';
import { type Expected, sizeOf, type Values } from './array.js';
import { dividedDifference } from './divided-differences.js';
import {
  batchOf,
  collect,
  collectScaled,
  jacobi,
  last,
  type Matrix,
  matricesOf,
  orthogonal,
  times,
  transposed,
} from './matrices.js';
import { applyPrimitive } from './movement.js';
import type { Random } from './random.js';
import { type Derivative, example, floats, type OperandSpec, type Row, smooth, usual } from './row.js';

/** Q diag(w) Qᵀ with a random orthogonal Q, plus a skew matrix, which must not count. */
function withEigenvalues(eigenvalues: (n: number) => readonly number[]) {
  return (random: Random, shape: Shape): Float64Array => {
    const n = last(shape, 1);
    const w = eigenvalues(n);
    const parts: Matrix[] = [];
    for (let count = n === 0 ? 0 : sizeOf(shape) / (n * n); count > 0; count--) {
      const q = orthogonal(random, n);
      const a = times(
        q.map((row) => row.map((x, j) => x * (w[j] as number))),
        transposed(q, n),
      );
      const skew = a.map((row) => row.map(() => random.uniform(-1, 1)));
      parts.push(a.map((row, i) => row.map((x, j) => x + (skew[i]?.[j] as number) - (skew[j]?.[i] as number))));
    }
    return Float64Array.from(parts.flat(2));
  };
}

/** Gaps of 1 around zero. */
const spaced = withEigenvalues((n) => Array.from({ length: n }, (_, k) => k - n / 2 + 0.25));
const square = (shape: Shape, generate = spaced): OperandSpec => ({ shape, generate });

const symmetric = (a: Matrix): Matrix => a.map((row, i) => row.map((x, j) => (x + (a[j]?.[i] as number)) / 2));

interface Decomposition {
  readonly w: number[];
  readonly v: Matrix;
  readonly info: number;
}

/** Eigenvalues ascending, eigenvectors with the first component of nearly the largest magnitude positive. */
function decompose(a: Matrix): Decomposition {
  const n = a.length;
  if (a.flat().some((x) => !Number.isFinite(x)))
    return { w: new Array(n).fill(Number.NaN), v: a.map((row) => row.map(() => Number.NaN)), info: 1 };
  const { w, v } = jacobi(symmetric(a));
  const columns = transposed(v, n).map((column) => {
    const largest = Math.max(...column.map(Math.abs));
    const first = column.find((x) => Math.abs(x) >= 0.9 * largest) as number;
    return first < 0 ? column.map((x) => -x) : column;
  });
  return { w, v: transposed(columns, n), info: 0 };
}

const info = { dtype: 'int32', shape: [] } as const;

/** Backward errors of some epsilons of the norm n / 2, over gaps of 1; in float64 the reference's own are as large. */
const eigenBudget = ([a]: readonly Values[]): number => 16 + 10 * last((a as Values).shape, 1);

const broken = (values: readonly number[]) =>
  example('one of two with NaN', [{ shape: [2, 2, 2], values }], { differentiate: false });

const eighCases = [
  ...[
    [1, 1],
    [0, 0],
    [2, 2],
    [5, 5],
    [2, 4, 4],
    [2, 1, 3, 3],
    [0, 3, 3],
  ].map((shape) => example(`[${shape}]`, [square(shape)])),
  ...[
    [33, 33],
    [300, 6, 6],
    [170, 170],
  ].map((shape) => example(`[${shape}]`, [square(shape)], { differentiate: false })),
  broken([2, 1, 1, 3, 1, Number.NaN, 2, 1]),
];

const eighRow: Row = {
  primitive: 'eigh',
  dtypes: floats,
  domain: usual,
  cases: eighCases,
  apply: applyPrimitive('eigh'),
  reference: ([a]): Expected[] => {
    const source = a as Values;
    const [batch, n] = [batchOf(source.shape), last(source.shape, 1)];
    const found = matricesOf(source).map(decompose);
    return [
      collectScaled(
        source,
        batch,
        [n],
        found.map(({ w }) => w),
      ),
      collectScaled(
        source,
        batch,
        [n, n],
        found.map(({ v }) => v),
      ),
      collect(
        info,
        batch,
        [],
        found.map((one) => [one.info]),
      ),
    ];
  },
  budget: eigenBudget,
  derivative: smooth([0]),
  flops: ([a]) => 9 * sizeOf(a?.shape ?? []) * last(a?.shape ?? [1, 1], 1),
};

const eigenvaluesRow: Row = {
  ...eighRow,
  primitive: 'eigenvalues',
  cases: [
    ...eighCases.filter(({ label }) => !label.startsWith('[170')),
    example('[200]', [square([200, 200])], { differentiate: false }),
  ],
  apply: applyPrimitive('eigenvalues'),
  reference: (operands, params) => eighRow.reference(operands, params).filter((_, k) => k !== 1),
};

/** D^r f(A)[H1, .., Hr] in the eigenbasis, by the sum over paths, for r <= 3. */
function derivative(name: SpectralFunction, a: Matrix, directions: readonly Matrix[]): Matrix {
  const n = a.length;
  const { w, v } = jacobi(symmetric(a));
  const noise = n * 2 ** -50 * Math.max(0, ...w.map(Math.abs));
  const points = w.map((x) => (Math.abs(x) <= noise ? 0 : x));
  const s = directions.map((h) => times(transposed(v, n), times(symmetric(h), v)));
  const f = (...at: number[]): number =>
    dividedDifference(
      name,
      at.map((k) => points[k] as number),
    );
  const r = Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (_, j) => {
      const paths = (at: readonly number[], rest: readonly Matrix[]): number => {
        const from = at[at.length - 1] as number;
        if (rest.length === 0) return from === j ? f(...at) : 0;
        let sum = 0;
        rest.forEach((matrix, which) => {
          const others = rest.filter((_, k) => k !== which);
          for (let to = 0; to < n; to++) {
            if (others.length === 0 && to !== j) continue;
            sum += (matrix[from]?.[to] as number) * paths([...at, to], others);
          }
        });
        return sum;
      };
      return paths([i], s);
    }),
  );
  return times(v, times(r, transposed(v, n)));
}

/** Positive eigenvalues with one of multiplicity two and one nearby. */
const double = withEigenvalues((n) => [0.7, 0.7, 0.7 + 1e-6, 1.9, 3.2, 5].slice(0, n));
const one = withEigenvalues((n) => new Array(n).fill(1));
const positive = withEigenvalues((n) => Array.from({ length: n }, (_, k) => 0.5 + (3 * k) / n));
/** For functions with kinks at 0 and 1: away from them, some equal. */
const bothSigns = withEigenvalues((n) => [-2.5, -2.5, 0.4, 1.8, 3, 3].slice(0, n));

const isSmooth = (name: SpectralFunction): boolean => spectralFunctions.indexOf(name) < 4;

function functionCases(order: number) {
  const make = (label: string, name: SpectralFunction, shape: Shape, generate: typeof one, differentiate = true) =>
    example(`${name} ${label} [${shape}]`, [square(shape, generate), ...Array.from({ length: order }, () => shape)], {
      params: { function: name },
      differentiate,
    });
  return spectralFunctions.flatMap((name) => [
    ...(isSmooth(name)
      ? [make('at the identity', name, [3, 3], one), make('with a double eigenvalue', name, [5, 5], double)]
      : [make('with double eigenvalues', name, [6, 6], bothSigns), make('of a batch', name, [2, 4, 4], bothSigns)]),
    ...(name === 'sqrt'
      ? [
          make('small', name, [1, 1], positive),
          make('empty', name, [0, 0], positive),
          make('of a batch', name, [2, 3, 3], positive),
          make('of an empty batch', name, [0, 3, 3], positive),
          ...(order < 2
            ? [make('large', name, [150, 150], positive, false), make('of many', name, [200, 5, 5], positive, false)]
            : []),
        ]
      : []),
    // Diagonal, so that the eigenvalues are exact: the exponential of one and of the gap are out of range.
    ...(name === 'exp'
      ? [
          example(
            'exp with eigenvalues 1000 apart',
            [{ shape: [2, 2], values: [0, 0, 0, -1000] }, ...Array.from({ length: order }, () => [2, 2])],
            { params: { function: name }, differentiate: false, rotate: false },
          ),
        ]
      : []),
    ...(order === 2 && name === 'log' ? [make('large', name, [33, 33], positive, false)] : []),
  ]);
}

function functionRow(order: number, tested: Derivative): Row {
  return {
    primitive: 'spectralFunction',
    dtypes: floats,
    domain: usual,
    cases: functionCases(order),
    apply: ([a, ...directions], params) => {
      const matrix = a as Tensor;
      const [w, v] = eigh(constant(matrix));
      return [spectralFunction(params.function as SpectralFunction, matrix, w, v, directions)];
    },
    reference: ([a, ...directions], params): Expected[] => {
      const source = a as Values;
      const parts = directions.map(matricesOf);
      const found = matricesOf(source).map((matrix, k) =>
        derivative(
          params.function as SpectralFunction,
          matrix,
          parts.map((list) => list[k] as Matrix),
        ),
      );
      const result = collectScaled(source, batchOf(source.shape), source.shape.slice(-2), found);
      return [{ ...result, ...(result.scale && { scale: result.scale.map((size) => Math.max(1, size)) }) }];
    },
    // Errors are those of eigenvalues of size 1: f may be zero there. They are off by some epsilons of the norm, here up to ten times the smallest; each order divides by it once more.
    budget: ([a]) => (16 + 8 * last((a as Values).shape, 1)) * 4 ** order,
    derivative: tested,
    flops: ([a]) => 2 * (2 + 2 * order) * sizeOf(a?.shape ?? []) * last(a?.shape ?? [1, 1], 1),
  };
}

export const spectralRows: readonly Row[] = [
  eighRow,
  eigenvaluesRow,
  functionRow(0, smooth([0])),
  functionRow(1, smooth([0, 1], [[1]])),
  // Its second derivatives would be of fourth order.
  functionRow(2, { kind: 'once', active: [0, 1, 2], linear: [[1], [2]], reverse: true, forward: true }),
];
