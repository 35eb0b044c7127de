/**
 * Limited-memory BFGS: J. Nocedal, Updating Quasi-Newton Matrices with Limited Storage, Math. Comp. 35, 1980; J. Nocedal and
 * S. Wright, Numerical Optimization, 2nd ed., algorithms 7.4 and 7.5.
 */
import { arange, dynamicUpdate, full, reshape, stack, take, zeros } from '../../core/ops/arrays.js';
import {
  add,
  cast,
  div,
  greater,
  less,
  logicalAnd,
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
import { scan } from '../../transforms/loops.js';
import { type DirectionRule, inner, int } from './descent.js';

type State = {
  /** The last `memory` pairs, [memory, n], as a ring. */
  moves: Tensor;
  changes: Tensor;
  /** ρ = 1 / sᵀy of each pair, float64 [memory]; 0 where there is none, which makes its terms vanish. */
  rho: Tensor;
  /** Row for the next pair, int32. */
  head: Tensor;
  /** γ of the initial matrix γ I, float64. */
  gamma: Tensor;
  /** bool: no pair is held. */
  fresh: Tensor;
};

/** @param memory  number of pairs. */
export function lbfgs(memory: number): DirectionRule<State> {
  /** Rows from the newest to the oldest. */
  const order = (head: Tensor): Tensor => {
    const back = sub(sub(head, 1), arange(memory, { dtype: 'int32' }));
    return where(less(back, 0), add(back, memory), back);
  };
  return {
    wolfe: { decrease: 1e-4, curvature: 0.9 },
    init: (gradient) => ({
      moves: zeros([memory, gradient.size], { dtype: gradient.dtype }),
      changes: zeros([memory, gradient.size], { dtype: gradient.dtype }),
      rho: zeros([memory], { dtype: 'float64' }),
      head: int(0),
      gamma: full([], 1, { dtype: 'float64' }),
      fresh: full([], 1, { dtype: 'bool' }),
    }),
    choose: ({ moves, changes, rho, head, gamma, fresh }, _, gradient) => {
      const { dtype } = gradient;
      const rows = order(head);
      // Algorithm 7.4: q runs from the newest pair to the oldest, r back.
      const [q, alphas] = scan(
        (q: Tensor, row: Tensor) => {
          const alpha = mul(take(rho, row), inner(take(moves, row), q));
          return [sub(q, mul(take(changes, row), cast(alpha, dtype))), alpha] as const;
        },
        gradient,
        rows,
      );
      const [r] = scan(
        (r: Tensor, { row, alpha }: { row: Tensor; alpha: Tensor }) => {
          const beta = mul(take(rho, row), inner(take(changes, row), r));
          return [add(r, mul(take(moves, row), cast(sub(alpha, beta), dtype))), null] as const;
        },
        mul(q, cast(gamma, dtype)),
        { row: rows, alpha: alphas },
        { reverse: true },
      );
      const length = sqrt(maximum(inner(gradient, gradient), 1e-300));
      return { direction: r.neg(), step: where(fresh, minimum(div(1, length), 1), 1), products: int(0) };
    },
    learn: (state, { s, y, ok }) => {
      const sy = inner(s, y);
      const yy = inner(y, y);
      // Only pairs of positive curvature keep the matrix positive definite; the line search yields no other, up to rounding.
      const keep = logicalAnd(ok, greater(sy, mul(yy, 1e-12)));
      const row = (x: Tensor): Tensor => reshape(x, [1, x.size]);
      const corner = stack([state.head, int(0)]);
      const rho = dynamicUpdate(state.rho, reshape(where(keep, div(1, sy), 0), [1]), reshape(state.head, [1]));
      const next = add(state.head, 1);
      return {
        moves: dynamicUpdate(state.moves, row(s), corner),
        changes: dynamicUpdate(state.changes, row(y), corner),
        // A failed search forgets all pairs.
        rho: where(ok, rho, 0),
        head: where(keep, where(less(next, memory), next, mul(next, 0)), state.head),
        gamma: where(keep, div(sy, yy), where(ok, state.gamma, 1)),
        fresh: logicalOr(logicalNot(ok), logicalAnd(state.fresh, logicalNot(keep))),
      };
    },
    isFresh: ({ fresh }) => fresh,
  };
}
