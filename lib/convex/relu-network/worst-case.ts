/**
 * The worst loss of a network in an l_inf ball around each row, as long as no neuron flips inside it, and the two proximal steps of the
 * robust program (Bai, Gautam and Sojoudi, 2022, section 6). With q_k the gradient of the network at row k and c_k = Σ_j e_j |q_kj|, where
 * e_j is how far feature j may move, an adversary moves the prediction t_k by up to c_k:
 *
 *   squared  ½ (|t − y| + c)²      hinge  (1 − y t + c)₊      cross-entropy  log(1 + exp(−2 (y t − c)))
 *
 * Both proximal steps come down to one unknown λ ≥ 0, the multiplier of c, at the root of a decreasing function.
 */

import { full, reshape, transpose } from '../../core/ops/arrays.js';
import {
  abs,
  add,
  cast,
  div,
  greater,
  greaterEqual,
  less,
  lessEqual,
  logicalAnd,
  logicalNot,
  logicalOr,
  maximum,
  mul,
  neg,
  relu,
  sigmoid,
  sign,
  softplus,
  square,
  sub,
  where,
  zerosLike,
} from '../../core/ops/elementwise.js';
import { any, sum } from '../../core/ops/reductions.js';
import type { Tensor } from '../../core/tensor.js';
import { whileLoop } from '../../transforms/loops.js';
import type { LossName } from './losses.js';

const counter = (): Tensor => full([], 0, { dtype: 'int32' });

/** sign(x) (|x| − threshold)₊. */
const softThreshold = (x: Tensor, threshold: Tensor): Tensor => mul(sign(x), relu(sub(abs(x), threshold)));

/** The loss of predictions t that an adversary moves by up to c ≥ 0. */
export function worstCaseLoss(name: LossName, t: Tensor, c: Tensor, y: Tensor): Tensor {
  if (name === 'squared') return mul(square(add(abs(sub(t, y)), c)), 0.5);
  const margin = sub(mul(y, t), c);
  return name === 'hinge' ? relu(sub(1, margin)) : softplus(mul(margin, -2));
}

/** A value and its derivative. */
type Graph = readonly [value: Tensor, slope: Tensor];

const ROOT_STEPS = 80;
/** float64 resolves no more. */
const ROOT_TOLERANCE = 1e-15;

/** Root in [0, top] of a decreasing function of λ, entry by entry: Newton from 0, bisection where that would leave the bracket. */
function decreasingRoot(graph: (lambda: Tensor) => Graph, top: Tensor): Tensor {
  const zero = zerosLike(top);
  // Entries without a root inside have it at an end.
  const atZero = less(graph(zero)[0], 0);
  const atTop = greater(graph(top)[0], 0);
  const decided = logicalOr(atZero, atTop);
  const open = (lambda: Tensor, low: Tensor, high: Tensor, value: Tensor): Tensor => {
    const wide = greater(sub(high, low), mul(top, ROOT_TOLERANCE));
    return logicalAnd(logicalAnd(wide, greater(abs(value), mul(add(lambda, 1), ROOT_TOLERANCE))), logicalNot(decided));
  };
  const { lambda } = whileLoop(
    ({ k, lambda: now, low, high }) => logicalAnd(k.less(ROOT_STEPS), any(open(now, low, high, graph(now)[0]))),
    ({ k, lambda: now, low, high }) => {
      const [value, slope] = graph(now);
      const left = greater(value, 0);
      const [nextLow, nextHigh] = [where(left, now, low), where(left, high, now)];
      const newton = sub(now, div(value, where(less(slope, 0), slope, -1)));
      const inside = logicalAnd(greaterEqual(newton, nextLow), lessEqual(newton, nextHigh));
      const next = where(inside, newton, mul(add(nextLow, nextHigh), 0.5));
      return { k: k.add(1), lambda: where(open(now, low, high, value), next, now), low: nextLow, high: nextHigh };
    },
    { k: counter(), lambda: zero, low: zero, high: top },
  );
  return where(atZero, 0, where(atTop, top, lambda));
}

/** c(λ) = Σ_j e_j (|x_j| − e_j λ)₊ over the last axis, and its derivative; λ has that axis of length 1. */
function shrunken(x: Tensor, reach: Tensor, lambda: Tensor): Graph {
  const left = relu(sub(abs(x), mul(reach, lambda)));
  const active = cast(greater(left, 0), x.dtype);
  const last = { keepDims: true };
  return [sum(mul(left, reach), x.rank - 1, last), neg(sum(mul(active, square(reach)), x.rank - 1, last))];
}

/**
 * argmin over s, a of τ/2 ‖s − s⁰‖² + ½‖a − a⁰‖² s.t. s_k ≥ Σ_j e_j |a_j| for all k: a is shared by the rows of a block.
 * λ = τ Σ_k (c(λ) − s⁰_k)₊, a = soft(a⁰, eλ), s = max(s⁰, c).
 * @param rows  s⁰ [2, C, P, n].  @param shadow  a⁰ [2, C, P, d].  @param reach  e [d].
 */
export function projectOnCones(
  rows: Tensor,
  shadow: Tensor,
  reach: Tensor,
  tau: Tensor,
): { rows: Tensor; shadow: Tensor } {
  const last = { keepDims: true };
  const graph = (lambda: Tensor): Graph => {
    const [c, slope] = shrunken(shadow, reach, lambda);
    const short = relu(sub(c, rows));
    const count = sum(cast(greater(short, 0), rows.dtype), 3, last);
    return [sub(mul(sum(short, 3, last), tau), lambda), sub(mul(mul(count, slope), tau), 1)];
  };
  const [start] = graph(zerosLike(sum(shadow, 3, last)));
  // The function is at most its value at 0 minus λ.
  const lambda = decreasingRoot(graph, maximum(start, 0));
  const [c] = shrunken(shadow, reach, lambda);
  return { rows: maximum(rows, c), shadow: softThreshold(shadow, mul(reach, lambda)) };
}

/**
 * argmin over t, q of Σ_k worst-case loss(t_k, Σ_j e_j |q_kj|) + θ_t/2 ‖t − t⁰‖² + θ_q/2 ‖q − q⁰‖².
 * With λ the derivative of the loss in c: q = soft(q⁰, eλ/θ_q), and t moves by λ/θ_t against the adversary.
 * @param t  t⁰ [C, n].  @param q  q⁰ [n, C, d].
 */
export function worstCaseProx(
  name: LossName,
  { t, q, y, reach, weights }: { t: Tensor; q: Tensor; y: Tensor; reach: Tensor; weights: { t: Tensor; q: Tensor } },
): { t: Tensor; q: Tensor } {
  const [classes, n] = t.shape as [number, number];
  const perRow = (value: Tensor): Tensor => reshape(transpose(value), [n, classes, 1]);
  const [t0, target] = [perRow(t), perRow(y)];
  const [pull, step] = [div(1, weights.t), div(reach, weights.q)];
  const scaledReach = (lambda: Tensor): Graph => {
    // c(λ/θ_q), by its own variable.
    const [c, slope] = shrunken(q, reach, div(lambda, weights.q));
    return [c, div(slope, weights.q)];
  };
  let graph: (lambda: Tensor) => Graph;
  let top: Tensor;
  if (name === 'squared') {
    const distance = abs(sub(t0, target));
    graph = (lambda) => {
      const [c, slope] = scaledReach(lambda);
      const left = relu(sub(distance, mul(lambda, pull)));
      const moving = mul(cast(greater(left, 0), t.dtype), pull);
      return [sub(add(left, c), lambda), sub(sub(slope, moving), 1)];
    };
    top = add(distance, scaledReach(zerosLike(distance))[0]);
  } else {
    const margin = (lambda: Tensor): Graph => {
      const [c, slope] = scaledReach(lambda);
      return [sub(add(mul(target, t0), mul(lambda, pull)), c), sub(pull, slope)];
    };
    if (name === 'hinge') {
      graph = (lambda) => {
        const [m, slope] = margin(lambda);
        return [sub(1, m), neg(slope)];
      };
      top = add(zerosLike(t0), 1);
    } else {
      graph = (lambda) => {
        const [m, slope] = margin(lambda);
        const p = sigmoid(mul(m, -2));
        return [sub(mul(p, 2), lambda), sub(mul(mul(mul(p, sub(1, p)), slope), -4), 1)];
      };
      top = add(zerosLike(t0), 2);
    }
  }
  const lambda = decreasingRoot(graph, top);
  const moved =
    name === 'squared'
      ? add(target, softThreshold(sub(t0, target), mul(lambda, pull)))
      : add(t0, mul(target, mul(lambda, pull)));
  return { t: transpose(reshape(moved, [n, classes])), q: softThreshold(q, mul(step, lambda)) };
}
