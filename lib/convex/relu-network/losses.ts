/**
 * The losses l(t, y) of predictions t against targets y, entry by entry, with what the solvers and their certificates need of each.
 * Classification has targets y = −1 or +1; every loss is summed over rows (`reduction: 'mean'` rescales β and the reports).
 *
 *   squared        ½ (t − y)²
 *   hinge          (1 − y t)₊
 *   cross-entropy  log(1 + exp(−2 y t)): the paper's scale, with 2t as the log-odds of the second class
 */

import {
  add,
  clamp,
  div,
  greater,
  log,
  maximum,
  minimum,
  mul,
  neg,
  onesLike,
  relu,
  sigmoid,
  softplus,
  square,
  sub,
  where,
  zerosLike,
} from '../../core/ops/elementwise.js';
import { max, sum } from '../../core/ops/reductions.js';
import type { Tensor } from '../../core/tensor.js';

export type LossName = 'squared' | 'hinge' | 'cross-entropy';

export interface Loss {
  value(t: Tensor, y: Tensor): Tensor;
  /** Derivative in t; for hinge, a subgradient. */
  slope(t: Tensor, y: Tensor): Tensor;
  /** Second derivative in t, at most 1. Hinge has none. */
  readonly curvature: ((t: Tensor, y: Tensor) => Tensor) | undefined;
  /** argmin_t l(t, y) + ½ (t − p)². */
  prox(p: Tensor, y: Tensor): Tensor;
  /** min_t l(t, y) + z t, which is −l*(−z), for z in its domain: minus the slope of l somewhere. */
  dual(z: Tensor, y: Tensor): Tensor;
  /** For each class (row), the s in [0, limit] for which Σ dual(s z, y) is largest, or a good one. */
  dualScale(z: Tensor, y: Tensor, limit: Tensor): Tensor;
}

/** Newton steps for the prox of cross-entropy: its derivative lies in [1, 2], so that each at least halves the error. */
const NEWTON_STEPS = 12;

/** −q log q, continued by 0. */
const entropy = (q: Tensor): Tensor => where(greater(q, 0), neg(mul(q, log(maximum(q, 1e-300)))), 0);

export const losses: Readonly<Record<LossName, Loss>> = {
  squared: {
    value: (t, y) => mul(square(sub(t, y)), 0.5),
    slope: sub,
    curvature: onesLike,
    prox: (p, y) => mul(add(p, y), 0.5),
    dual: (z, y) => sub(mul(z, y), mul(square(z), 0.5)),
    dualScale: (z, y, limit) => {
      const best = div(sum(mul(z, y), 1), maximum(sum(square(z), 1), 1e-300));
      return minimum(limit, maximum(best, 0));
    },
  },
  hinge: {
    value: (t, y) => relu(sub(1, mul(t, y))),
    slope: (t, y) => where(greater(1, mul(t, y)), neg(y), zerosLike(y)),
    curvature: undefined,
    // In the margin y t: up by 1 where that stays below 1, else to 1 unless already beyond.
    prox: (p, y) => {
      const margin = mul(p, y);
      return mul(y, maximum(margin, minimum(add(margin, 1), 1)));
    },
    dual: (z, y) => mul(z, y),
    // Linear, and finite where 0 <= y z <= 1.
    dualScale: (z, y, limit) => minimum(limit, div(1, maximum(max(mul(z, y), 1), 1e-300))),
  },
  'cross-entropy': {
    value: (t, y) => softplus(mul(mul(t, y), -2)),
    slope: (t, y) => mul(mul(sigmoid(mul(mul(t, y), -2)), -2), y),
    curvature: (t, y) => {
      const q = sigmoid(mul(mul(t, y), -2));
      return mul(mul(q, sub(1, q)), 4);
    },
    // The margin m = y t solves m = y p + 2 σ(−2m), so it lies in [y p, y p + 2].
    prox: (p, y) => {
      const start = mul(p, y);
      const end = add(start, 2);
      let m = clamp(onesLike(p), start, end);
      for (let k = 0; k < NEWTON_STEPS; k++) {
        const q = sigmoid(mul(m, -2));
        const residual = sub(sub(m, start), mul(q, 2));
        m = clamp(sub(m, div(residual, add(mul(mul(q, sub(1, q)), 4), 1))), start, end);
      }
      return mul(m, y);
    },
    // With q = y z / 2, the binary entropy of q.
    dual: (z, y) => {
      const q = mul(mul(z, y), 0.5);
      return add(entropy(q), entropy(sub(1, q)));
    },
    dualScale: (z, _, limit) => minimum(limit, onesLike(max(z, 1))),
  },
};

/** Σ l(t, y). */
export const totalLoss = (name: LossName, t: Tensor, y: Tensor): Tensor => sum(losses[name].value(t, y));

/** One compiled function for each key: jit keeps types apart, this keeps losses and methods apart. */
export function perKey<K, F>(make: (key: K) => F, name: (key: K) => string = String): (key: K) => F {
  const known = new Map<string, F>();
  return (key) => {
    const found = known.get(name(key)) ?? make(key);
    known.set(name(key), found);
    return found;
  };
}
