/** Row of the QR factorisation. */
import type { Shape } from '../../lib/index.js';
import { type Expected, sizeOf, type Values } from './array.js';
import { batchOf, collectScaled, last, type Matrix, matricesOf, solveBudget, transposed } from './matrices.js';
import { applyPrimitive } from './movement.js';
import type { Random } from './random.js';
import { example, floats, type OperandSpec, type Row, smooth, usual } from './row.js';

/** About 2 on the diagonal and small numbers elsewhere: columns that are far from dependent. */
function independent(random: Random, shape: Shape): Float64Array {
  const [m, n] = [last(shape, 2), last(shape, 1)];
  return Float64Array.from({ length: sizeOf(shape) }, (_, position) => {
    const [row, column] = [Math.floor(position / n) % m, position % n];
    if (row === column) return random.uniform(1.5, 2.5) * (random.bits() & 1 ? 1 : -1);
    return random.normal() / Math.sqrt(Math.max(m, n));
  });
}

const matrix = (shape: Shape): OperandSpec => ({ shape, generate: independent });

/** Gram-Schmidt, each column orthogonalised twice, which is enough: the diagonal of R is positive by construction. */
function gramSchmidt(a: Matrix, m: number, n: number): { q: Matrix; r: Matrix } {
  const k = Math.min(m, n);
  const basis: number[][] = [];
  const coefficients: number[][] = [];
  if (a.flat().some((x) => !Number.isFinite(x)))
    return {
      q: a.map(() => new Array<number>(k).fill(Number.NaN)),
      r: Array.from({ length: k }, () => new Array<number>(n).fill(Number.NaN)),
    };
  const inner = (x: number[], y: number[]): number => x.reduce((sum, value, i) => sum + value * (y[i] as number), 0);
  for (let j = 0; j < n; j++) {
    const column = a.map((row) => row[j] as number);
    const r = new Array<number>(k).fill(0);
    for (let pass = 0; pass < 2; pass++) {
      basis.forEach((direction, i) => {
        const part = inner(direction, column);
        r[i] = (r[i] as number) + part;
        direction.forEach((value, row) => {
          column[row] = (column[row] as number) - part * value;
        });
      });
    }
    if (j < k) {
      const length = Math.sqrt(inner(column, column));
      r[j] = length;
      basis.push(column.map((value) => value / length));
    }
    coefficients.push(r);
  }
  return { q: transposed(basis, m), r: transposed(coefficients, k) };
}

const qrRow: Row = {
  primitive: 'qr',
  dtypes: floats,
  domain: usual,
  cases: [
    ...[
      [1, 1],
      [0, 0],
      [3, 0],
      [0, 3],
      [4, 4],
      [6, 3],
      [3, 5],
      [1, 4],
      [4, 1],
      [2, 4, 3],
      [2, 2, 2, 3],
      [0, 4, 3],
    ].map((shape) => example(`[${shape}]`, [matrix(shape)])),
    ...[
      [100, 37],
      [37, 100],
      [129, 129],
      [700, 8, 6],
    ].map((shape) => example(`[${shape}]`, [matrix(shape)], { differentiate: false })),
    example('one of two with NaN', [{ shape: [2, 2, 2], values: [2, 1, 0.5, 3, 1, 2, Number.NaN, 4] }], {
      differentiate: false,
    }),
  ],
  apply: applyPrimitive('qr'),
  reference: ([a]): Expected[] => {
    const source = a as Values;
    const [batch, m, n] = [batchOf(source.shape), last(source.shape, 2), last(source.shape, 1)];
    const found = matricesOf(source).map((one) => gramSchmidt(one, m, n));
    const k = Math.min(m, n);
    return [
      collectScaled(
        source,
        batch,
        [m, k],
        found.map(({ q }) => q),
      ),
      collectScaled(
        source,
        batch,
        [k, n],
        found.map(({ r }) => r),
      ),
    ];
  },
  budget: ([a]) => 2 * solveBudget(Math.max(last((a as Values).shape, 1), last((a as Values).shape, 2))),
  derivative: smooth([0]),
  flops: ([a]) => 4 * sizeOf(a?.shape ?? []) * Math.min(last(a?.shape ?? [1, 1], 1), last(a?.shape ?? [1, 1], 2)),
};

export const qrRows: readonly Row[] = [qrRow];
