/** Training to a certified optimum: ADMM in native chunks, penalties balanced between them, certificates on the way. */
import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { scalar } from '../../core/concrete.js';
import { NumericalError } from '../../core/errors.js';
import { cast, mul, square } from '../../core/ops/elementwise.js';
import { mean, sum } from '../../core/ops/reductions.js';
import type { Tensor } from '../../core/tensor.js';
import { disposeTree, mapTree } from '../../core/tree.js';
import type { SolverOptions } from '../../solvers/options.js';
import type { Work } from '../../solvers/work.js';
import { type AdmmMethod, type AdmmState, advance, initialState, penaltyChange, rescaleDuals } from './admm.js';
import { countActive } from './blocks.js';
import { feasible, interiorDirections, lowerBound, networkObjective } from './certificate.js';
import { factorOf, type InnerSolver, type SetUp, setUp } from './inner-system.js';
import type { LossName } from './losses.js';
import { type AdmmHistoryPoint, type Certificate, progressOf } from './report.js';

export interface ConvexProblem {
  readonly x: Tensor;
  readonly y: Tensor;
  readonly masks: Tensor;
  readonly complete: boolean;
}

export interface ConvexSettings {
  readonly loss: LossName;
  readonly beta: number;
  readonly tolerance: number;
  readonly maxIterations: number;
  readonly seed: number;
  readonly solver: InnerSolver;
  /** Fixed penalties of the plain method, or undefined for those that adapt. */
  readonly rho: number | undefined;
  readonly onProgress: SolverOptions['onProgress'];
}

export interface ConvexSolution {
  /** v and w, [2, C, P, d] in float64. */
  readonly v: Tensor;
  /** Objective of the network that v recovers to. */
  readonly objective: number;
  readonly iterations: number;
  readonly converged: boolean;
  readonly history: AdmmHistoryPoint[];
  readonly certificate: Certificate;
}

const RELAXATION = 1.7;
/** Iterations in float64 before a certificate: float32 duals alone bound poorly. */
const REFINEMENT = 20;
const LONGEST_CHUNK = 250;

/** Where the loop looks up: 1, 2, 5, 10, 20, 40, 80, ... */
function nextStop(iteration: number, limit: number): number {
  const stop =
    iteration < 2
      ? iteration + 1
      : iteration < 5
        ? 5
        : iteration < 10
          ? 10
          : 10 * 2 ** Math.floor(Math.log2(iteration / 10) + 1);
  return Math.min(stop, iteration + LONGEST_CHUNK, limit);
}

const isBalancingPoint = (iteration: number): boolean => iteration >= 10 && Number.isInteger(Math.log2(iteration / 10));

/** Solves the convex program. */
export async function solveConvex(here: Work, data: ConvexProblem, settings: ConvexSettings): Promise<ConvexSolution> {
  const { loss, beta, tolerance, maxIterations, solver, onProgress } = settings;
  const started = performance.now();
  const on = <T>(f: () => T): T => here.run(f);

  const [scale, meanSquare] = await readAll(
    on(() => [sum(square(data.x)).div(data.x.shape[0] as number), mean(square(data.y))]),
  );
  const sigma2 = scale > 0 ? scale : 1;
  // The cones weigh tau against the copies; scaling the data leaves the iterates as they are.
  const tau = settings.rho === undefined ? 3 / sigma2 : 1;
  const method: AdmmMethod = { loss, solver, relaxation: settings.rho === undefined ? RELAXATION : 1 };
  let rho = settings.rho ?? (beta * Math.sqrt(sigma2)) / Math.sqrt(meanSquare > 0 ? meanSquare : 1);

  // Tracing and compiling a Program takes some milliseconds of the event loop: never two of them in one turn.
  const set = on(() => setUp(data.x, data.y, data.masks, { beta, tau, solver }));
  await eventLoopTurn();
  let factor = on(() => factorOf(set, rho));
  await eventLoopTurn();
  let state = on(() => initialState(set.problem, method, settings.seed));
  const certifier = new Certifier(here, data, { beta, tau, method, sigma2 });

  const history: AdmmHistoryPoint[] = [];
  let iteration = 0;
  let objective = Number.NaN;
  let certified: Omit<ConvexSolution, 'iterations' | 'converged' | 'history'> | undefined;
  let nextCertificate = Math.min(500, maxIterations);
  const report = progressOf(onProgress, maxIterations);
  if (onProgress) here.onEmit((_, { iteration: inner }) => report(inner as number, objective));

  while (iteration < maxIterations) {
    const stop = Math.min(nextStop(iteration, maxIterations), nextCertificate);
    const before = state;
    const step = on(() => {
      const counts = [scalar(stop - iteration, 'int32'), scalar(iteration, 'int32')] as const;
      const { u, ...next } = advance(method)(set.problem, factor, before, ...counts);
      return next;
    });
    await eventLoopTurn();
    const objectiveNow = on(() => networkObjective(loss)(set.problem, mul(step.state.q, step.state.phi)));
    const [primalResidual, dualResidual, value] = await readAll([step.primal, step.dual, objectiveNow]);
    disposeTree(before);
    disposeTree([step.primal, step.dual, objectiveNow]);
    state = step.state;
    iteration = stop;
    objective = value;
    if (!Number.isFinite(objective)) {
      throw new NumericalError(
        'ReluNetwork.fit',
        `Expected a finite objective, received ${objective} after ${iteration} iterations`,
        {
          hint: "scale the features to order one, or pass dtype: 'float64'",
        },
      );
    }
    history.push({
      iteration,
      time: (performance.now() - started) / 1000,
      objective,
      primalResidual,
      dualResidual,
      rho,
    });
    report(iteration, objective);

    if (settings.rho === undefined && isBalancingPoint(iteration) && iteration < maxIterations) {
      const change = penaltyChange(primalResidual, dualResidual);
      if (change !== 1) {
        const [old, oldFactor] = [state, factor];
        rho *= change;
        state = on(() => rescaleDuals(old, scalar(change, data.x.dtype)));
        factor = on(() => factorOf(set, rho));
        disposeTree([old, oldFactor]);
      }
    }
    if (iteration >= nextCertificate) {
      if (certified) certified.v.dispose();
      certified = await certifier.certify(state, rho);
      if (certified.certificate.relativeGap <= tolerance) break;
      nextCertificate = Math.min(2 * nextCertificate, maxIterations);
    }
  }
  const result = certified as NonNullable<typeof certified>;
  return { ...result, iterations: iteration, converged: result.certificate.relativeGap <= tolerance, history };
}

async function readAll(tensors: readonly Tensor[]): Promise<number[]> {
  return Promise.all(tensors.map((value) => value.item()));
}

/** Makes certificates; what does not change between them is computed once. */
class Certifier {
  private wide: { data: ConvexProblem; set: SetUp; directions: Tensor } | undefined;

  constructor(
    private readonly here: Work,
    private readonly data: ConvexProblem,
    private readonly settings: { beta: number; tau: number; method: AdmmMethod; sigma2: number },
  ) {}

  /** Enqueues, and gives the event loop a turn: each call traces and compiles at most one Program of some size. */
  private async on<T>(f: () => T): Promise<T> {
    const result = this.here.run(f);
    await eventLoopTurn();
    return result;
  }

  private async setUp(): Promise<NonNullable<Certifier['wide']>> {
    if (this.wide) return this.wide;
    const { beta, tau, method, sigma2 } = this.settings;
    const to64 = (value: Tensor): Tensor => cast(value, 'float64');
    const { x, y, masks, complete } = this.data;
    const data = await this.on(() => ({ x: to64(x), y: to64(y), masks: to64(masks), complete }));
    const set = await this.on(() => setUp(data.x, data.y, data.masks, { beta, tau, solver: method.solver }));
    const directions = await this.on(() =>
      interiorDirections(data.x, set.problem.signs, scalar(30 / sigma2, 'float64')),
    );
    this.wide = { data, set, directions };
    return this.wide;
  }

  async certify(state: AdmmState, rho: number): Promise<Omit<ConvexSolution, 'iterations' | 'converged' | 'history'>> {
    const { method } = this.settings;
    const { data, set, directions } = await this.setUp();
    const { problem } = set;
    const factor = await this.on(() => factorOf(set, rho));
    const refined = await this.on(() => {
      const start = mapTree(state, (value) => (value.dtype === 'uint32' ? value : cast(value, 'float64')));
      const refine = advance({ ...method, silent: true });
      return refine(problem, factor, start, scalar(REFINEMENT, 'int32'), scalar(0, 'int32'));
    });
    const raw = await this.on(() => mul(refined.state.q, refined.state.phi));
    const bound = await this.on(() => lowerBound(method.loss)(problem, factor, refined.state, refined.u));
    const inside = await this.on(() => feasible(method.loss)(problem, raw, directions));
    const rawObjective = await this.on(() => networkObjective(method.loss)(problem, raw));
    const values = await readAll([
      rawObjective,
      inside.objective,
      bound.value,
      bound.violation,
      refined.primal,
      refined.dual,
    ]);
    const [rawValue, primal, lower, violation, primalResidual, dualResidual] = values;
    // Where v leaves its cones, its neurons have other patterns than the program's: a genuine network, which may be even better.
    const best = rawValue < primal ? raw : inside.v;
    const activeNeurons = await countActive(this.here, best);
    disposeTree([rawObjective, inside.objective, inside.slack, bound, factor, refined, best === raw ? inside.v : raw]);
    const gap = primal - lower;
    const zeroTargets = primal === 0 && lower === 0;
    return {
      v: best,
      objective: Math.min(rawValue, primal),
      certificate: {
        primal,
        lowerBound: lower,
        gap,
        relativeGap: zeroTargets ? 0 : gap / Math.abs(primal),
        kktResidual: Math.max(primalResidual, dualResidual, violation),
        scope: data.complete ? 'exact' : 'sampled',
        patterns: data.masks.shape[0],
        activeNeurons,
      },
    };
  }
}
