/** All sign patterns of small data: the cells of the arrangement of hyperplanes {g : x_kᵀg = 0}. */
import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { commonDevice, tensor } from '../../core/concrete.js';
import { defaultDevice } from '../../core/device.js';
import { AbortError, DomainError, NumericalError } from '../../core/errors.js';
import type { Tensor } from '../../core/tensor.js';
import { checkCount, checkKeys } from '../../solvers/options.js';
import { checkData, type Matrix } from './targets.js';

/** Cells thinner than this, in the cosine to their nearest hyperplane, count as empty. */
const THINNEST = 1e-10;
/** Separation problems between two turns of the event loop. */
const PER_TURN = 200;

type Row = Float64Array;

const inner = (a: Row, b: Row): number => a.reduce((total, value, k) => total + value * (b[k] as number), 0);
const scaled = (a: Row, factor: number): Row => a.map((value) => value * factor);

export interface EnumerationOptions {
  /** Refuse data that turn out to have more. Default: 20,000. */
  readonly maxPatterns?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * All sign patterns 1[X g ≥ 0] over directions g that lie on no hyperplane x_kᵀg = 0 of a non-zero row: with them the convex program is
 * exact. (Directions on a hyperplane may have further patterns, whose neurons those of the adjacent cells represent.)
 *
 * In the plane by a sweep of angles, O(n log n); otherwise row by row, splitting each cell that the new hyperplane cuts. Whether it does
 * is a linear feasibility problem, solved by Wolfe's algorithm: O(nP) of them, so it is for small n and d.
 *
 * @param x  data [n, d], finite; rows of zero have bit 1 everywhere.
 * @returns bool [P, n], distinct, the empty pattern included, P ≤ `patternBound(n, d)`.
 * @throws {DomainError} more than `maxPatterns`.  {NumericalError} a cell so thin that rounding hides whether it is empty.
 *   {ShapeError | DTypeError} misshapen data.  {AbortError} the signal fired.
 */
export async function enumeratePatterns(x: Matrix, options: EnumerationOptions = {}): Promise<Tensor> {
  const op = 'enumeratePatterns';
  checkKeys(op, options, ['maxPatterns', 'signal']);
  const maxPatterns = checkCount(op, 'maxPatterns', options.maxPatterns ?? 20_000);
  const device = commonDevice(op, [x]) ?? defaultDevice();
  const data = await checkData(op, 'x', x, device);
  const [n, d] = data.shape as [number, number];
  const values = Float64Array.from(await data.data());
  const rows = Array.from({ length: n }, (_, k): Row => {
    const row = values.slice(k * d, (k + 1) * d);
    const length = Math.hypot(...row);
    return length === 0 ? row : scaled(row, 1 / length);
  });
  const nonZero = rows.filter((row) => row.some((value) => value !== 0));
  const check = (count: number): void => {
    if (options.signal?.aborted) {
      throw new AbortError(op, 'Expected to run to the end, received an abort signal', {
        cause: options.signal.reason,
      });
    }
    if (count > maxPatterns) {
      throw new DomainError(op, `Expected at most ${maxPatterns} patterns, received data with more`, {
        hint: 'sample them instead: { patterns: 100 }, or raise maxPatterns',
      });
    }
  };
  const directions = d === 2 ? sweep(nonZero) : await cut(nonZero, d, check);
  check(directions.length);
  const bits = directions.flatMap((g) => rows.map((row) => (inner(row, g) >= 0 ? 1 : 0)));
  return tensor(Uint8Array.from(bits), { dtype: 'bool', shape: [directions.length, n], device });
}

/** One direction in each arc between the normals of rows in the plane. */
export function sweep(rows: readonly Row[]): Row[] {
  if (rows.length === 0) return [Float64Array.of(1, 0)];
  const turn = 2 * Math.PI;
  const edges = rows
    .flatMap(([x = 0, y = 0]) => [0.5, 1.5].map((quarter) => (Math.atan2(y, x) + quarter * Math.PI + turn) % turn))
    .sort((a, b) => a - b);
  const arcs = edges.map((low, k) => [low, edges[k + 1] ?? (edges[0] as number) + turn] as const);
  return arcs
    .filter(([low, high]) => high - low > THINNEST)
    .map(([low, high]) => Float64Array.of(Math.cos((low + high) / 2), Math.sin((low + high) / 2)));
}

/** One direction in each cell of unit rows in any dimension. */
export async function cut(rows: readonly Row[], d: number, check: (count: number) => void): Promise<Row[]> {
  const [first, ...others] = rows;
  if (!first) return [new Float64Array(d).fill(1)];
  // Half of the cells: the others are their opposites.
  let cells: { readonly inside: Row; readonly facing: readonly Row[] }[] = [{ inside: first, facing: [first] }];
  let problems = 0;
  for (const row of others) {
    const next: typeof cells = [];
    for (const { inside, facing } of cells) {
      const along = inner(row, inside);
      for (const side of [1, -1]) {
        const own = scaled(row, side);
        const all = [...facing, own];
        const witness = side * along > THINNEST * Math.hypot(...inside) ? inside : insideOf(all);
        if (witness) next.push({ inside: witness, facing: all });
      }
      check(2 * next.length);
      if (++problems % PER_TURN === 0) await eventLoopTurn();
    }
    cells = next;
  }
  return cells.flatMap(({ inside }) => [inside, scaled(inside, -1)]);
}

/**
 * A vector that has a positive product with every unit row, or undefined when there is none: the point of least norm in the rows' convex
 * hull, unless that is 0 (Gordan's alternative), by P. Wolfe, Finding the nearest point in a polytope, Mathematical Programming, 1976.
 * @throws {NumericalError} rounding hides which: the nearest rows are affinely dependent to it, or the algorithm does not end.
 */
export function insideOf(rows: readonly Row[]): Row | undefined {
  let corral = [rows.length - 1];
  let weights = [1];
  let point = rows.at(-1) as Row;
  // Each major cycle lowers the norm and no corral comes twice; the bound only guards against rounding.
  for (let cycle = 0; cycle < 100 * rows.length; cycle++) {
    const products = rows.map((row) => inner(row, point));
    const least = products.reduce((best, value, k) => (value < (products[best] as number) ? k : best), 0);
    const norm = Math.hypot(...point);
    if ((products[least] as number) > THINNEST * norm) return point;
    if (norm < THINNEST || corral.includes(least)) return undefined;
    corral = [...corral, least];
    weights = [...weights, 0];
    for (;;) {
      const affine = affineMinimiser(corral.map((k) => rows[k] as Row));
      if (!affine) throw undecided();
      const blocked = affine.flatMap((value, k) => (value < 1e-14 ? [k] : []));
      if (blocked.length === 0) {
        weights = affine;
        break;
      }
      // As far towards the affine minimiser as the weights stay positive; what reaches zero leaves.
      const ratio = (k: number): number => (weights[k] as number) / ((weights[k] as number) - (affine[k] as number));
      const leaving = blocked.reduce((best, k) => (ratio(k) < ratio(best) ? k : best));
      const step = Math.min(1, ratio(leaving));
      const moved = weights.map((value, k) => value + step * ((affine[k] as number) - value));
      const kept = corral.map((_, k) => k !== leaving && (moved[k] as number) > 0);
      corral = corral.filter((_, k) => kept[k]);
      weights = moved.filter((_, k) => kept[k]);
    }
    point = new Float64Array(point.length);
    corral.forEach((k, at) => {
      for (const [j, value] of (rows[k] as Row).entries())
        point[j] = (point[j] as number) + (weights[at] as number) * value;
    });
  }
  throw undecided();
}

function undecided(): NumericalError {
  return new NumericalError(
    'enumeratePatterns',
    'Expected cells that are empty or not in float64, received one so thin that rounding hides which',
    { hint: 'sample them instead: { patterns: 100 }' },
  );
}

/** Weights summing to 1 of the point of least norm in the affine hull, or undefined where the points are affinely dependent. */
function affineMinimiser(points: readonly Row[]): number[] | undefined {
  // (11ᵀ + AAᵀ) μ = 1, then μ / Σμ.
  const system = points.map((a) => [...points.map((b) => 1 + inner(a, b)), 1]);
  const size = points.length;
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let row = column + 1; row < size; row++) {
      if (Math.abs(system[row]?.[column] ?? 0) > Math.abs(system[pivot]?.[column] ?? 0)) pivot = row;
    }
    [system[column], system[pivot]] = [system[pivot] as number[], system[column] as number[]];
    const lead = system[column] as number[];
    if (Math.abs(lead[column] as number) < 1e-13) return undefined;
    for (const [at, row] of system.entries()) {
      if (at === column) continue;
      const factor = (row[column] as number) / (lead[column] as number);
      for (let k = column; k <= size; k++) row[k] = (row[k] as number) - factor * (lead[k] as number);
    }
  }
  const solution = system.map((row, k) => (row[size] as number) / (row[k] as number));
  const total = solution.reduce((sum, value) => sum + value, 0);
  return solution.map((value) => value / total);
}
