/**
 * Newton's method with its system solved inexactly by conjugate gradients, from Hessian-vector products alone: J. Nocedal and
 * S. Wright, Numerical Optimization, 2nd ed., algorithm 7.1 (line-search Newton-CG).
 */
import { full } from '../../core/ops/arrays.js';
import {
  add,
  cast,
  div,
  greater,
  less,
  lessEqual,
  logicalAnd,
  logicalNot,
  minimum,
  mul,
  sqrt,
  sub,
  where,
  zerosLike,
} from '../../core/ops/elementwise.js';
import { whileLoop } from '../../transforms/loops.js';
import { type DirectionRule, type FlatObjective, inner, int } from './descent.js';

/** @param maxProducts  Hessian-vector products a step. */
export function newtonCg(objective: FlatObjective, maxProducts: number): DirectionRule<Record<string, never>> {
  return {
    wolfe: { decrease: 1e-4, curvature: 0.9 },
    init: () => ({}),
    choose: (_, x, gradient) => {
      const { dtype } = gradient;
      const gg = inner(gradient, gradient);
      // ε = min(1/2, √‖g‖) ‖g‖: superlinear convergence (eq. 7.3).
      const forcing = minimum(sqrt(sqrt(gg)), 0.5);
      const limit = mul(mul(forcing, forcing), gg);
      const { z, j } = whileLoop(
        ({ rr, j, ended }) => logicalAnd(logicalAnd(greater(rr, limit), less(j, maxProducts)), logicalNot(ended)),
        ({ z, r, d, rr, j }) => {
          const product = objective.hvp(x, d);
          const curvature = inner(d, product);
          // Negative curvature ends the iteration: with what there is, or with steepest descent at once.
          const bad = logicalNot(greater(curvature, 0));
          const alpha = div(rr, curvature);
          const first = lessEqual(j, 0);
          const moved = add(z, mul(d, cast(alpha, dtype)));
          const residual = add(r, mul(product, cast(alpha, dtype)));
          const next = inner(residual, residual);
          return {
            z: where(bad, where(first, d, z), moved),
            r: where(bad, r, residual),
            d: sub(mul(d, cast(div(next, rr), dtype)), residual),
            rr: where(bad, rr, next),
            j: j.add(1),
            ended: bad,
          };
        },
        {
          z: zerosLike(gradient),
          r: gradient,
          d: gradient.neg(),
          rr: gg,
          j: int(0),
          ended: full([], 0, { dtype: 'bool' }),
        },
      );
      return { direction: z, step: full([], 1, { dtype: 'float64' }), products: j };
    },
    learn: (state) => state,
    isFresh: () => full([], 1, { dtype: 'bool' }),
  };
}
