/**
 * A step length that meets the strong Wolfe conditions: J. J. Moré and D. J. Thuente, Line Search Algorithms with Guaranteed
 * Sufficient Decrease, ACM TOMS 20(3), 1994. As one native loop of scalars around the evaluation.
 */
import { full } from '../../core/ops/arrays.js';
import {
  abs,
  add,
  div,
  equal,
  greater,
  greaterEqual,
  isFinite,
  less,
  lessEqual,
  logicalAnd,
  logicalNot,
  logicalOr,
  maximum,
  minimum,
  mul,
  sqrt,
  square,
  sub,
  where,
} from '../../core/ops/elementwise.js';
import type { Tensor } from '../../core/tensor.js';
import { whileLoop } from '../../transforms/loops.js';

/** φ(t) = f(x + t d) and φ'(t), float64 scalars, and the gradient there. */
export interface Trial {
  readonly value: Tensor;
  readonly slope: Tensor;
  readonly gradient: Tensor;
}

export interface WolfeConstants {
  /** μ: φ(t) <= φ(0) + μ t φ'(0). */
  readonly decrease: number;
  /** η: |φ'(t)| <= η |φ'(0)|. */
  readonly curvature: number;
  readonly maxEvaluations: number;
  /** Relative rounding error of φ: differences below it count as none. */
  readonly noise: number;
}

export interface LineSearchResult extends Trial {
  readonly step: Tensor;
  /** bool: `step` is an acceptable one. */
  readonly ok: Tensor;
  /** int32. */
  readonly evaluations: Tensor;
}

/** A step with φ and φ' there. */
type Point = { step: Tensor; value: Tensor; slope: Tensor };

const f64 = (value: number): Tensor => full([], value, { dtype: 'float64' });
const pick = (condition: Tensor, a: Point, b: Point): Point => ({
  step: where(condition, a.step, b.step),
  value: where(condition, a.value, b.value),
  slope: where(condition, a.slope, b.slope),
});
const either = (a: Tensor, b: Tensor): Tensor => logicalOr(a, b);
const all = (first: Tensor, ...rest: Tensor[]): Tensor => rest.reduce(logicalAnd, first);

/** Fraction of the way from a to b where the cubic through both, with their slopes, has its minimum (section 4, eq. for α_c). */
function cubic(a: Point, b: Point): { fraction: Tensor; root: Tensor } {
  const gap = sub(b.step, a.step);
  const theta = add(add(div(mul(sub(a.value, b.value), 3), gap), a.slope), b.slope);
  const size = sqrt(maximum(sub(square(theta), mul(a.slope, b.slope)), 0));
  const root = where(less(gap, 0), size.neg(), size);
  const fraction = div(add(sub(root, a.slope), theta), add(add(sub(root, a.slope), root), b.slope));
  return { fraction, root };
}

/** The next step and the next interval [best, other] from a trial (section 4, cases 1 to 4). */
function interpolate(
  best: Point,
  other: Point,
  trial: Point,
  bracketed: Tensor,
  low: Tensor,
  high: Tensor,
): { step: Tensor; bracketed: Tensor; best: Point; other: Point } {
  const t = trial.step;
  const back = sub(best.step, t);
  const opposite = less(mul(trial.slope, best.slope), 0);
  const higher = greater(trial.value, best.value);
  const flatter = less(abs(trial.slope), abs(best.slope));
  const ahead = greater(t, best.step);

  const inner = cubic(trial, best);
  const byCubic = add(t, mul(inner.fraction, back));
  const bySecant = add(t, mul(div(trial.slope, sub(trial.slope, best.slope)), back));
  const closerTo = (anchor: Tensor, a: Tensor, b: Tensor): Tensor => less(abs(sub(a, anchor)), abs(sub(b, anchor)));

  // Case 1: a higher value. The minimum is bracketed; halfway between cubic and parabola unless the cubic is closer to the best.
  const parabola = div(best.slope, add(div(sub(best.value, trial.value), sub(t, best.step)), best.slope));
  const byParabola = add(best.step, mul(div(parabola, 2), sub(t, best.step)));
  const case1 = where(closerTo(best.step, byCubic, byParabola), byCubic, div(add(byCubic, byParabola), 2));
  // Case 2: lower, slopes of opposite sign. Bracketed; the farther of cubic and secant.
  const case2 = where(closerTo(t, byCubic, bySecant), bySecant, byCubic);
  // Case 3: lower, same sign, flatter. The cubic may have its minimum on the wrong side, or none.
  const beyond = all(less(inner.fraction, 0), logicalNot(equal(inner.root, 0)));
  const extrapolated = where(beyond, byCubic, where(ahead, high, low));
  const cubicCloser = closerTo(t, extrapolated, bySecant);
  const cautious = where(cubicCloser, extrapolated, bySecant);
  const most = add(t, mul(sub(other.step, t), 0.66));
  const inside = where(ahead, minimum(most, cautious), maximum(most, cautious));
  const bold = minimum(maximum(where(cubicCloser, bySecant, extrapolated), low), high);
  const case3 = where(bracketed, inside, bold);
  // Case 4: lower, same sign, not flatter. The cubic with the other end, or as far as allowed.
  const outer = cubic(trial, other);
  const case4 = where(bracketed, add(t, mul(outer.fraction, sub(other.step, t))), where(ahead, high, low));

  return {
    step: where(higher, case1, where(opposite, case2, where(flatter, case3, case4))),
    bracketed: either(bracketed, either(higher, opposite)),
    best: pick(higher, best, trial),
    other: pick(higher, trial, pick(opposite, best, other)),
  };
}

/**
 * Searches t > 0 with φ(t) <= φ(0) + μ t φ'(0) and |φ'(t)| <= η |φ'(0)|, from the first step given. A trial that is not finite
 * shortens the step. Where φ differs by less than its rounding error, the decrease is judged by slopes instead (the approximate
 * Wolfe condition of W. W. Hager and H. Zhang, SIAM J. Optim. 16, 2005, eq. 4.1).
 *
 * The gradient of the result is that at its step. When nothing acceptable is found `ok` is false, and the step is the best one seen.
 */
export function strongWolfe(
  evaluate: (step: Tensor) => Trial,
  start: { readonly value: Tensor; readonly slope: Tensor; readonly gradient: Tensor },
  firstStep: Tensor,
  { decrease, curvature, maxEvaluations, noise }: WolfeConstants,
): LineSearchResult {
  const origin: Point = { step: f64(0), value: start.value, slope: start.slope };
  const floor = add(start.value, mul(abs(start.value), noise));
  const isEnough = ({ step, value, slope }: Point): Tensor => {
    // A strict decrease: at a tiny step both sides of the condition round to the same number.
    const armijo = all(
      less(value, start.value),
      lessEqual(value, add(start.value, mul(mul(step, decrease), start.slope))),
    );
    const approximate = all(
      lessEqual(value, floor),
      lessEqual(slope, mul(start.slope, 2 * decrease - 1)),
      greaterEqual(slope, mul(start.slope, curvature)),
    );
    return all(either(armijo, approximate), greater(step, 0));
  };
  const result = whileLoop(
    ({ done, evaluations }) => all(logicalNot(done), less(evaluations, maxEvaluations)),
    (now) => {
      const trial = evaluate(now.step);
      const here: Point = { step: now.step, value: trial.value, slope: trial.slope };
      const usable = all(isFinite(trial.value), isFinite(trial.slope));
      const enough = all(isEnough(here), usable);
      const flat = lessEqual(abs(here.slope), mul(abs(start.slope), curvature));
      // Rounding leaves no room inside the interval, or the interval is as small as it gets.
      const stuck = all(
        now.bracketed,
        either(
          either(lessEqual(now.step, now.low), greaterEqual(now.step, now.high)),
          lessEqual(sub(now.high, now.low), mul(now.high, 1e-10)),
        ),
      );
      const done = either(all(enough, flat), all(stuck, usable));

      // Stage 1 works on ψ(t) = φ(t) − φ(0) − μ t φ'(0) while that is what separates the ends (section 2).
      const stage1 = all(now.stage1, logicalNot(all(enough, greaterEqual(here.slope, 0))));
      const lift = mul(start.slope, decrease);
      const auxiliary = all(stage1, lessEqual(here.value, now.best.value), logicalNot(enough));
      const tilt = where(auxiliary, lift, 0);
      const lower = (p: Point): Point => ({
        step: p.step,
        value: sub(p.value, mul(p.step, tilt)),
        slope: sub(p.slope, tilt),
      });
      const raise = (p: Point): Point => ({
        step: p.step,
        value: add(p.value, mul(p.step, tilt)),
        slope: add(p.slope, tilt),
      });
      const next = interpolate(lower(now.best), lower(now.other), lower(here), now.bracketed, now.low, now.high);
      const [best, other] = [raise(next.best), raise(next.other)];

      // A bracket that does not shrink by a third in two steps is halved.
      const width = abs(sub(other.step, best.step));
      const slow = all(next.bracketed, greaterEqual(width, mul(now.wideBefore, 0.66)));
      let step = where(slow, div(add(best.step, other.step), 2), next.step);
      const ends = [minimum(best.step, other.step), maximum(best.step, other.step)] as const;
      const gap = sub(step, best.step);
      const low = where(next.bracketed, ends[0], add(step, mul(gap, 1.1)));
      const high = where(next.bracketed, ends[1], minimum(add(step, mul(gap, 4)), now.limit));
      step = minimum(maximum(step, 0), now.limit);
      const exhausted = all(
        next.bracketed,
        either(either(lessEqual(step, low), greaterEqual(step, high)), lessEqual(sub(high, low), mul(high, 1e-10))),
      );
      step = where(exhausted, best.step, step);

      // A trial beyond the domain of f becomes the limit, and tells nothing else.
      const shortened = add(now.best.step, mul(sub(now.step, now.best.step), 0.25));
      const proceed = (value: Tensor, otherwise: Tensor): Tensor => where(usable, value, otherwise);
      return {
        tried: now.step,
        step: proceed(step, shortened),
        value: trial.value,
        slope: trial.slope,
        gradient: trial.gradient,
        done,
        enough,
        evaluations: now.evaluations.add(1),
        best: pick(usable, best, now.best),
        other: pick(usable, other, now.other),
        bracketed: either(all(usable, next.bracketed), all(logicalNot(usable), now.bracketed)),
        stage1: either(all(usable, stage1), all(logicalNot(usable), now.stage1)),
        low: proceed(low, now.low),
        high: proceed(high, now.step),
        limit: proceed(now.limit, now.step),
        wide: proceed(where(next.bracketed, width, now.wide), now.wide),
        wideBefore: proceed(where(next.bracketed, now.wide, now.wideBefore), now.wideBefore),
      };
    },
    {
      tried: f64(0),
      step: firstStep,
      value: start.value,
      slope: start.slope,
      gradient: start.gradient,
      done: truth(false),
      enough: truth(false),
      evaluations: full([], 0, { dtype: 'int32' }),
      best: origin,
      other: origin,
      bracketed: truth(false),
      stage1: truth(true),
      low: f64(0),
      high: mul(firstStep, 5),
      limit: f64(1e20),
      wide: f64(Number.POSITIVE_INFINITY),
      wideBefore: f64(Number.POSITIVE_INFINITY),
    },
  );
  const { tried, value, slope, gradient, evaluations } = result;
  return { step: tried, value, slope, gradient, evaluations, ok: result.enough };
}

function truth(value: boolean): Tensor {
  return full([], value ? 1 : 0, { dtype: 'bool' });
}
