/** The linear solvers that implicitDiff brings along: conjugate gradients over trees, inside a Program. */
import { full } from '../../core/ops/arrays.js';
import {
  add,
  cast,
  div,
  greater,
  isFinite,
  lessEqual,
  logicalAnd,
  logicalNot,
  mul,
  sub,
} from '../../core/ops/elementwise.js';
import { sum } from '../../core/ops/reductions.js';
import { primitive } from '../../core/primitives/lax.js';
import type { Tensor } from '../../core/tensor.js';
import { bind1 } from '../../core/tracing.js';
import { whileLoop } from '../loops.js';

type Vector = readonly Tensor[];
type Operator = (v: Vector) => Vector;

/** Relative residual at which a solve stops: some units of the dtype, so that derivatives are as exact as what they are made of. */
const TOLERANCE = { float32: 5e-7, float64: 1e-15 } as const;
/** Relative residual beyond which a derivative counts as failed rather than inexact. */
const FAILED = 1e-3;
const MOST_ITERATIONS = 10_000;

const map = (f: (...entries: Tensor[]) => Tensor, ...vectors: Vector[]): Tensor[] =>
  (vectors[0] as Vector).map((_, k) => f(...vectors.map((vector) => vector[k] as Tensor)));

const inner = (a: Vector, b: Vector): Tensor =>
  map((x, y) => sum(mul(x, y)), a, b).reduce((total, part) => add(total, part));

/**
 * x of A x = b for a symmetric positive definite A (Hestenes and Stiefel, 1952). The result fails, as `cholesky` does, where the
 * residual stays above a thousandth of b.
 */
export function conjugateGradients(apply: Operator, b: Vector): Vector {
  const { dtype } = b[0] as Tensor;
  const tolerance = TOLERANCE[dtype as keyof typeof TOLERANCE];
  const unknowns = b.reduce((count, { size }) => count + size, 0);
  const limit = Math.min(MOST_ITERATIONS, 2 * unknowns + 10);
  const size = inner(b, b);
  const { x, rr } = whileLoop(
    (now) => logicalAnd(now.k.less(limit), greater(now.rr, mul(size, tolerance * tolerance))),
    (now) => {
      const ap = apply(now.p);
      const alpha = div(now.rr, inner(now.p, ap));
      const r = map((old, step) => sub(old, mul(step, alpha)), now.r, ap);
      const next = inner(r, r);
      const beta = div(next, now.rr);
      return {
        x: map((old, p) => add(old, mul(p, alpha)), now.x, now.p),
        r,
        p: map((residual, old) => add(residual, mul(old, beta)), r, now.p),
        rr: next,
        k: now.k.add(1),
      };
    },
    { x: map((entry) => mul(entry, 0), b), r: [...b], p: [...b], rr: size, k: full([], 0, { dtype: 'int32' }) },
  );
  // A residual of NaN is a breakdown, unless b was not finite to begin with: that is passed on as what it is.
  const converged = lessEqual(rr, mul(size, FAILED * FAILED));
  const info = cast(logicalAnd(isFinite(size), logicalNot(converged)), 'int32');
  return x.map((entry) => bind1(primitive('check'), [entry, info], { op: 'implicitDiff' }));
}

/** x of A x = b for any invertible A, by conjugate gradients on the normal equations A^T A x = A^T b. */
export function normalEquations(apply: Operator, b: Vector, applyTranspose: Operator): Vector {
  return conjugateGradients((v) => applyTranspose(apply(v)), applyTranspose(b));
}
