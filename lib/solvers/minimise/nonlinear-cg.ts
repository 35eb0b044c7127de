/**
 * Nonlinear conjugate gradients, Polak and Ribière's formula kept non-negative (PR+), with Powell's restarts: J. Nocedal and
 * S. Wright, Numerical Optimization, 2nd ed., section 5.2.
 */
import { full } from '../../core/ops/arrays.js';
import {
  abs,
  add,
  cast,
  div,
  greaterEqual,
  logicalNot,
  logicalOr,
  maximum,
  minimum,
  mul,
  sqrt,
  sub,
  where,
} from '../../core/ops/elementwise.js';
import type { Tensor } from '../../core/tensor.js';
import { type DirectionRule, inner, int } from './descent.js';

type State = {
  direction: Tensor;
  /** First step to try, float64. */
  step: Tensor;
  /** bool: `direction` is steepest descent. */
  fresh: Tensor;
};

const first = (gradient: Tensor): Tensor => minimum(div(1, sqrt(maximum(inner(gradient, gradient), 1e-300))), 1);

export const nonlinearCg: DirectionRule<State> = {
  // A tight curvature condition keeps directions conjugate (section 5.2).
  wolfe: { decrease: 1e-4, curvature: 0.1 },
  init: (gradient) => ({
    direction: gradient.neg(),
    step: first(gradient),
    fresh: full([], 1, { dtype: 'bool' }),
  }),
  choose: ({ direction, step }) => ({ direction, step, products: int(0) }),
  learn: (_, { y, direction, length, slope, gradient, nextGradient, ok }) => {
    const before = inner(gradient, gradient);
    const after = inner(nextGradient, nextGradient);
    // Restart once successive gradients are far from orthogonal (eq. 5.52, ν = 0.2), or after a failed search.
    const parallel = greaterEqual(abs(inner(nextGradient, gradient)), mul(after, 0.2));
    const restart = logicalOr(parallel, logicalNot(ok));
    const beta = where(restart, 0, maximum(div(inner(nextGradient, y), before), 0));
    const next = sub(mul(direction, cast(beta, direction.dtype)), nextGradient);
    // The same first-order change as in the last step (eq. 3.60).
    const slopeNext = inner(next, nextGradient);
    const guess = div(mul(length, slope), slopeNext);
    return {
      direction: next,
      step: where(ok, minimum(guess, mul(add(length, 1e-300), 100)), first(nextGradient)),
      fresh: restart,
    };
  },
  isFresh: ({ fresh }) => fresh,
};
