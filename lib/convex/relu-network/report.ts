/** What a fit tells about itself. */
import type { HistoryPoint, Report, SolverOptions } from '../../solvers/options.js';
import type { LossName } from './losses.js';

export type Reduction = 'sum' | 'mean';

export interface AdmmHistoryPoint extends HistoryPoint {
  /** Relative residuals: ‖(u − v, Gu − s)‖ and ‖(Δv, Δs)‖, each over what it compares. */
  readonly primalResidual: number;
  readonly dualResidual: number;
  readonly rho: number;
}

export interface GroupHistoryPoint extends HistoryPoint {
  /** (primal − lower bound) / primal. */
  readonly relativeGap: number;
}

/** What is proven about a fit, in float64. */
export interface Certificate {
  /** Objective of a network that is feasible for the convex program: at least its optimum. */
  readonly primal: number;
  /** Dual value: at most the optimum of the convex program. */
  readonly lowerBound: number;
  /** primal − lowerBound. */
  readonly gap: number;
  /** gap / |primal|. */
  readonly relativeGap: number;
  /** Largest relative residual of the optimality conditions at the last iterate: copies and cones, stationarity. */
  readonly kktResidual: number;
  /** 'exact' when the patterns are all that the data have: then the bounds hold for the non-convex problem itself. */
  readonly scope: 'sampled' | 'exact';
  /** Patterns of the program (directions for method 'sampled'), and blocks of the solution that are not zero. */
  readonly patterns: number;
  readonly activeNeurons: number;
}

/** What a fit minimised: l(f(X), y), summed or averaged over rows, plus (β/2) Σ_j (‖u_j‖² + ‖a_j‖²). */
interface Objective {
  readonly loss: LossName;
  readonly reduction: Reduction;
  readonly beta: number;
}

interface CertifiedReport extends Report, Objective {
  readonly certificate: Certificate;
}

/** By ADMM, with u-steps by a linear system or by coordinate descent. */
export interface AdmmReport extends CertifiedReport {
  readonly method: 'admm' | 'coordinate-descent';
  readonly history: readonly AdmmHistoryPoint[];
}

/** By accelerated proximal gradient, on the programs without cones. */
export interface GroupReport extends CertifiedReport {
  readonly method: 'sampled' | 'gated';
  readonly history: readonly GroupHistoryPoint[];
}

/** By convex adversarial training: `objective` and `certificate` are of the worst case in the ball. */
export interface RobustReport extends CertifiedReport {
  readonly method: 'robust';
  /** Radius of the l_inf ball around each row. */
  readonly epsilon: number;
  /** Loss part of the objective: no perturbation within the ball makes the training loss larger. */
  readonly worstCaseLoss: number;
  /**
   * 'trivial': every neuron is zero, because no pattern is kept by any network under such perturbations (`epsilon` is too large for
   * them), or because that costs least (`beta` is too large).
   */
  readonly outcome: 'trained' | 'trivial';
  readonly history: readonly AdmmHistoryPoint[];
}

/** Report of a convex fit: `objective` is that of the returned network, and `certificate` says how close to optimal it is. */
export type ConvexReport = AdmmReport | GroupReport | RobustReport;

/** Report of a fit by back-propagation, about which nothing is certified. */
export interface BaselineReport extends Report, Objective {
  readonly method: 'sgd' | 'adam';
}

/** Tells `onProgress` of iterations in ascending order: what a native loop emits may arrive after the report that follows it. */
export function progressOf(
  onProgress: SolverOptions['onProgress'],
  maxIterations: number,
): (iteration: number, objective: number) => void {
  let reported = 0;
  return (iteration, objective) => {
    if (iteration <= reported) return;
    reported = iteration;
    onProgress?.({ iteration, maxIterations, ...(Number.isFinite(objective) && { objective }) });
  };
}
