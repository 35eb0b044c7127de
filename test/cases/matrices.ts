/** Matrices for the linear algebra rows: how they are drawn, read and compared, and plain algorithms on them. */
import type { Shape } from '../../lib/index.js';
import { type Expected, flatten, indices, sizeOf, type Values } from './array.js';
import type { Random } from './random.js';
import type { OperandSpec } from './row.js';

export const batchOf = (shape: Shape): Shape => shape.slice(0, -2);
export const last = (shape: Shape, fromEnd: number): number => shape[shape.length - fromEnd] as number;

/** The element [row, column] of matrix `batch`. */
export function entry(a: Values, batch: readonly number[], row: number, column: number): number {
  return a.values[flatten([...batch, row, column], a.shape)] as number;
}

/** B Bᵀ + I with B of variance 1/n: eigenvalues from 1 to about 5. What lies above the diagonal is noise: it must not be read. */
export function positiveDefinite(random: Random, shape: Shape): Float64Array {
  const n = last(shape, 1);
  const values = new Float64Array(sizeOf(shape));
  for (let start = 0; start < values.length; start += n * n) {
    const b = Float64Array.from({ length: n * n }, () => random.normal() / Math.sqrt(n));
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        let sum = i === j ? 1 : 0;
        for (let k = 0; k < n; k++) sum += (b[i * n + k] as number) * (b[j * n + k] as number);
        values[start + i * n + j] = j > i ? random.normal() : sum;
      }
    }
  }
  return values;
}

export const spd = (shape: Shape): OperandSpec => ({ shape, generate: positiveDefinite });

/** Forward error of a well-conditioned solve or factorisation of order n, relative to the largest element. */
export const solveBudget = (n: number): number => 4 + 2 * Math.sqrt(n);

/** The largest magnitude in each matrix, for each of its elements. */
export function matrixScale(x: Values): Float64Array {
  const size = Math.max(1, last(x.shape, 1) * last(x.shape, 2));
  const scale = new Float64Array(x.values.length);
  for (let start = 0; start < scale.length; start += size) {
    const part = x.values.subarray(start, start + size);
    scale.fill(
      part.reduce((most, value) => Math.max(most, Math.abs(value)), 0),
      start,
      start + size,
    );
  }
  return scale;
}

/** Diagonal in [1, 2), the rest small: condition number of order 1. Both triangles are filled; only one may be read. */
export function wellConditioned(random: Random, shape: Shape): Float64Array {
  const n = last(shape, 1);
  return Float64Array.from({ length: sizeOf(shape) }, (_, position) => {
    const [row, column] = [Math.floor(position / n) % n, position % n];
    const value = row === column ? random.uniform(1, 2) : random.uniform(-1, 1) / Math.sqrt(n);
    return random.bits() & 1 ? value : -value;
  });
}

/** A matrix as rows of numbers. */
export type Matrix = number[][];

export const zeroMatrix = (rows: number, columns: number): Matrix =>
  Array.from({ length: rows }, () => new Array<number>(columns).fill(0));

export function identityMatrix(n: number): Matrix {
  return zeroMatrix(n, n).map((row, i) => row.map((_, j) => Number(i === j)));
}

export function times(a: Matrix, b: Matrix): Matrix {
  const columns = b[0]?.length ?? 0;
  return a.map((row) => {
    const sums = new Array<number>(columns).fill(0);
    row.forEach((x, k) => {
      (b[k] as number[]).forEach((y, j) => {
        sums[j] = (sums[j] as number) + x * y;
      });
    });
    return sums;
  });
}

export function transposed(a: Matrix, columns = a[0]?.length ?? 0): Matrix {
  return Array.from({ length: columns }, (_, j) => a.map((row) => row[j] as number));
}

/** The matrices of a batch, in order. */
export function matricesOf(a: Values): Matrix[] {
  const [rows, columns] = a.shape.slice(-2) as [number, number];
  return [...indices(batchOf(a.shape))].map((batch) =>
    Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => entry(a, batch, i, j))),
  );
}

/** A batch of matrices (or vectors, numbers) put together, with the shape batch + inner. */
export function collect(
  like: { dtype: Values['dtype']; shape: Shape },
  batch: Shape,
  inner: Shape,
  parts: readonly (Matrix | readonly number[])[],
): Values {
  const shape = [...batch, ...inner];
  return { dtype: like.dtype, shape, values: Float64Array.from(parts.flat(2)) };
}

/** The same, with rounding errors of the size of each matrix's largest element. */
export function collectScaled(...args: Parameters<typeof collect>): Expected {
  const values = collect(...args);
  const inner = args[2].length === 2 ? values : { ...values, shape: [...args[1], 1, ...args[2]] };
  return { ...values, scale: matrixScale(inner) };
}

/** Eigenvalues, ascending, and eigenvectors (columns) of a symmetric matrix by cyclic Jacobi rotations. */
export function jacobi(symmetric: Matrix): { w: number[]; v: Matrix } {
  const n = symmetric.length;
  const a = symmetric.map((row) => [...row]);
  const rows = identityMatrix(n); // eigenvectors
  const rotate = (x: number[], y: number[], c: number, s: number): void => {
    for (let k = 0; k < n; k++) {
      const [p, q] = [x[k] as number, y[k] as number];
      x[k] = c * p - s * q;
      y[k] = s * p + c * q;
    }
  };
  const size = Math.max(0, ...a.flat().map(Math.abs));
  for (let sweep = 0; sweep < 40; sweep++) {
    let moved = false;
    for (let i = 0; i < n; i++) {
      for (let j = i + 1; j < n; j++) {
        const [p, q] = [a[i] as number[], a[j] as number[]];
        if (Math.abs(p[j] as number) <= 1e-18 * size) continue;
        moved = true;
        const theta = ((q[j] as number) - (p[i] as number)) / (2 * (p[j] as number));
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
        const c = 1 / Math.sqrt(t * t + 1);
        rotate(p, q, c, t * c);
        for (const row of a) {
          const [x, y] = [row[i] as number, row[j] as number];
          row[i] = c * x - t * c * y;
          row[j] = t * c * x + c * y;
        }
        rotate(rows[i] as number[], rows[j] as number[], c, t * c);
      }
    }
    if (!moved) break;
  }
  const order = [...rows.keys()].sort((i, j) => (a[i]?.[i] as number) - (a[j]?.[j] as number));
  return {
    w: order.map((i) => a[i]?.[i] as number),
    v: transposed(
      order.map((i) => rows[i] as number[]),
      n,
    ),
  };
}

/** A random orthogonal matrix: Householder reflections, orthogonal to the last digit. */
export function orthogonal(random: Random, n: number): Matrix {
  let q = identityMatrix(n);
  for (let step = 0; step < 3; step++) {
    const u = Array.from({ length: n }, () => random.normal());
    const norm = u.reduce((sum, x) => sum + x * x, 0);
    const product = times([u], q)[0] ?? [];
    q = q.map((row, i) => row.map((x, j) => x - (2 * (u[i] as number) * (product[j] as number)) / norm));
  }
  return q;
}

/** A [m, n] = U diag(s) V^T, reduced, by one-sided Jacobi rotations: columns are turned until they are orthogonal. */
export function hestenes(a: Matrix, m: number, n: number): { u: Matrix; s: number[]; vt: Matrix } {
  if (m < n) {
    const flipped = hestenes(transposed(a, n), n, m);
    return { u: transposed(flipped.vt, m), s: flipped.s, vt: transposed(flipped.u, m) };
  }
  const columns = transposed(a, n);
  const basis = identityMatrix(n);
  const inner = (x: number[], y: number[]): number => x.reduce((sum, value, i) => sum + value * (y[i] as number), 0);
  const turn = (list: Matrix, i: number, j: number, c: number, s: number): void => {
    const [x, y] = [list[i] as number[], list[j] as number[]];
    list[i] = x.map((value, k) => c * value - s * (y[k] as number));
    list[j] = x.map((value, k) => s * value + c * (y[k] as number));
  };
  for (let sweep = 0; sweep < 60; sweep++) {
    let moved = false;
    for (let i = 0; i < n; i++) {
      for (let j = i + 1; j < n; j++) {
        const [x, y] = [columns[i] as number[], columns[j] as number[]];
        const [p, q, r] = [inner(x, x), inner(y, y), inner(x, y)];
        if (Math.abs(r) <= 1e-16 * Math.sqrt(p * q) || r === 0) continue;
        moved = true;
        const theta = (q - p) / (2 * r);
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
        const c = 1 / Math.sqrt(t * t + 1);
        turn(columns, i, j, c, t * c);
        turn(basis, i, j, c, t * c);
      }
    }
    if (!moved) break;
  }
  const lengths = columns.map((column) => Math.sqrt(inner(column, column)));
  const order = [...lengths.keys()].sort((i, j) => (lengths[j] as number) - (lengths[i] as number));
  const unit = order.map((i) => (columns[i] as number[]).map((x) => x / (lengths[i] as number)));
  return {
    u: transposed(unit, m),
    s: order.map((i) => lengths[i] as number),
    vt: order.map((i) => basis[i] as number[]),
  };
}
