/** Adversarial training to a certified optimum: robust ADMM in native chunks, penalties balanced between them. */
import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { scalar, tensor } from '../../core/concrete.js';
import { NumericalError } from '../../core/errors.js';
import { mean, sum } from '../../core/ops/reductions.js';
import type { Tensor } from '../../core/tensor.js';
import { disposeTree } from '../../core/tree.js';
import type { SolverOptions } from '../../solvers/options.js';
import type { Work } from '../../solvers/work.js';
import { penaltyChange } from './admm.js';
import { countActive } from './blocks.js';
import type { LossName } from './losses.js';
import { type AdmmHistoryPoint, type Certificate, progressOf } from './report.js';
import {
  initialRobustState,
  rescaleRobust,
  robustAdvance,
  robustFactor,
  robustFeasible,
  robustInterior,
  robustLowerBound,
  robustProblem,
} from './robust.js';

export interface RobustSettings {
  readonly loss: LossName;
  readonly beta: number;
  readonly epsilon: number;
  readonly bias: boolean;
  readonly tolerance: number;
  readonly maxIterations: number;
  readonly rho: number | undefined;
  readonly onProgress: SolverOptions['onProgress'];
}

export interface RobustSolution {
  /** [2, C, P, d], feasible. */
  readonly v: Tensor;
  readonly objective: number;
  /** Its loss part: the sum over rows of the worst loss in the ball. */
  readonly worstCaseLoss: number;
  readonly iterations: number;
  readonly converged: boolean;
  readonly history: AdmmHistoryPoint[];
  readonly certificate: Certificate;
}

/** Where the loop looks up: 10, 20, 40, ..., then every so often. */
const LONGEST_CHUNK = 500;

/** Solves the robust program for float64 data. @param masks  [P, n]; the last feature is not perturbed when it is a bias. */
export async function solveRobust(
  here: Work,
  { x, y, masks }: { x: Tensor; y: Tensor; masks: Tensor },
  settings: RobustSettings,
): Promise<RobustSolution> {
  const { loss, beta, epsilon, tolerance, maxIterations, onProgress } = settings;
  const started = performance.now();
  const [n, d] = x.shape as [number, number];
  const on = async <T>(f: () => T): Promise<T> => {
    const result = here.run(f);
    // Tracing and compiling take some milliseconds of the event loop: never two of them in one turn.
    await eventLoopTurn();
    return result;
  };
  const readAll = (values: readonly Tensor[]): Promise<number[]> => Promise.all(values.map((value) => value.item()));
  const [scale, meanSquare] = await readAll(await on(() => [sum(x.square()).div(n), mean(y.square())]));
  const sigma2 = (scale as number) > 0 ? (scale as number) : 1;
  const movable = Float64Array.from({ length: d }, (_, j) => (settings.bias && j === d - 1 ? 0 : epsilon));
  // Scaling the data leaves the iterates as they are; a gradient's entry weighs as a prediction does through a feature.
  const problem = await on(() =>
    robustProblem(x, y, masks, tensor(movable), {
      beta,
      tau: 3 / sigma2,
      weights: { t: 1, q: sigma2 / d },
    }),
  );
  let rho =
    settings.rho ?? (beta * Math.sqrt(sigma2)) / Math.sqrt((meanSquare as number) > 0 ? (meanSquare as number) : 1);
  let factor = await on(() => robustFactor(problem, scalar(rho, 'float64')));
  let state = await on(() => initialRobustState(problem));
  const directions = await on(() => robustInterior(problem, scalar(30 / sigma2, 'float64')));

  const history: AdmmHistoryPoint[] = [];
  let best: { v: Tensor; primal: number; worst: number } | undefined;
  let bound = 0;
  let [iteration, chunk, relativeGap, kktResidual] = [0, 10, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  const report = progressOf(onProgress, maxIterations);
  if (onProgress) here.onEmit((_, { iteration: inner }) => report(inner as number, best?.primal ?? Number.NaN));
  while (iteration < maxIterations) {
    const count = Math.min(chunk, maxIterations - iteration);
    const [before, done] = [state, iteration];
    const step = await on(() =>
      robustAdvance(loss)(problem, factor, before, scalar(count, 'int32'), scalar(done, 'int32')),
    );
    state = step.state;
    const inside = await on(() => robustFeasible(loss)(problem, step.state.copies.value, directions));
    const dual = await on(() => robustLowerBound(loss)(problem, factor, step.state));
    const [primalResidual, dualResidual, primal, worst, lower, violation] = (await readAll([
      ...[step.primal, step.dual, inside.objective, inside.worst, dual.value, dual.violation],
    ])) as [number, number, number, number, number, number];
    disposeTree([before, step.primal, step.dual, inside.objective, inside.worst, dual]);
    iteration += count;
    if (!Number.isFinite(primal)) {
      throw new NumericalError(
        'ReluNetwork.fit',
        `Expected a finite objective, received ${primal} after ${iteration} iterations`,
        { hint: 'scale the features to order one' },
      );
    }
    if (!best || primal < best.primal) {
      best?.v.dispose();
      best = { v: inside.v, primal, worst };
    } else inside.v.dispose();
    bound = Math.max(bound, lower);
    relativeGap = best.primal === 0 ? 0 : (best.primal - bound) / best.primal;
    kktResidual = Math.max(primalResidual, dualResidual, violation);
    history.push({
      iteration,
      time: (performance.now() - started) / 1000,
      objective: best.primal,
      ...{ primalResidual, dualResidual, rho },
    });
    report(iteration, best.primal);
    if (relativeGap <= tolerance) break;
    if (settings.rho === undefined && chunk < LONGEST_CHUNK) {
      const change = penaltyChange(primalResidual, dualResidual);
      if (change !== 1) {
        const [old, oldFactor] = [state, factor];
        rho *= change;
        state = await on(() => rescaleRobust(old, scalar(change, 'float64')));
        factor = await on(() => robustFactor(problem, scalar(rho, 'float64')));
        disposeTree([old, oldFactor]);
      }
    }
    chunk = Math.min(LONGEST_CHUNK, iteration);
  }
  const { v, primal, worst } = best as NonNullable<typeof best>;
  const activeNeurons = await countActive(here, v);
  return {
    v,
    objective: primal,
    worstCaseLoss: worst,
    iterations: iteration,
    converged: relativeGap <= tolerance,
    history,
    certificate: {
      ...{ primal, lowerBound: bound, gap: primal - bound, relativeGap, kktResidual, scope: 'sampled' },
      ...{ patterns: masks.shape[0] as number, activeNeurons },
    },
  };
}
