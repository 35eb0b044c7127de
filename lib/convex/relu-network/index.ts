/**
 * Two-layer ReLU networks trained to a certified global optimum of their convex reformulation.
 *
 * Y. Bai, T. Gautam, S. Sojoudi: Efficient Global Optimization of Two-layer ReLU Networks: Quadratic-time Algorithms and
 * Adversarial Training. SIAM Journal on Mathematics of Data Science, 2022 (arXiv 2201.01965).
 */

import { scope, tensor } from '../../core/concrete.js';
import { type Device, type DeviceLike, defaultDevice, toDevice } from '../../core/device.js';
import { ShapeError } from '../../core/errors.js';
import { reshape, take, transpose } from '../../core/ops/arrays.js';
import { greaterEqual } from '../../core/ops/elementwise.js';
import { matmul } from '../../core/ops/linalg.js';
import { argMax } from '../../core/ops/reductions.js';
import { Tensor } from '../../core/tensor.js';
import { resolveDevice } from '../../solvers/options.js';
import { type Work, work } from '../../solvers/work.js';
import { jit } from '../../transforms/jit.js';
import { type AttackOptions, attack, resolveAttack } from './attacks.js';
import { trainBaseline } from './baseline.js';
import { totalLoss } from './losses.js';
import { forward, type NetworkParameters } from './network.js';
import {
  type AdmmOptions,
  type BaselineOptions,
  type CoordinateDescentOptions,
  type GatedOptions,
  type ReluNetworkOptions,
  type RobustOptions,
  resolveBaseline,
  resolveFit,
  type SampledOptions,
} from './options.js';
import { loadNetwork, saveNetwork } from './persistence.js';
import type { AdmmReport, BaselineReport, ConvexReport, GroupReport, RobustReport } from './report.js';
import { solve } from './solve.js';
import { checkData, checkTargets, type Matrix, type Task, targetsOf, withBias } from './targets.js';

export { admmIterations } from './admm.js';
export type { AttackOptions, FgsmOptions, PgdOptions } from './attacks.js';
export { type EnumerationOptions, enumeratePatterns } from './enumerate.js';
export type { InnerSolver } from './inner-system.js';
export type { LossName } from './losses.js';
export type { NetworkParameters } from './network.js';
export type {
  AdmmOptions,
  BaselineOptions,
  CoordinateDescentOptions,
  GatedOptions,
  ReluNetworkOptions,
  RobustOptions,
  SampledOptions,
} from './options.js';
export { type Perturbations, patternBound, type SampledPatterns, samplePatterns } from './patterns.js';
export type {
  AdmmHistoryPoint,
  AdmmReport,
  BaselineReport,
  Certificate,
  ConvexReport,
  GroupHistoryPoint,
  GroupReport,
  Reduction,
  RobustReport,
} from './report.js';
export type { Matrix, Task } from './targets.js';

const FIT = 'ReluNetwork.fit';

const activity = jit((hidden: Tensor, x: Tensor) =>
  greaterEqual(matmul(hidden, x, { transposeA: true, transposeB: true }), 0),
);

const evaluate = jit((parameters: NetworkParameters, x: Tensor) => forward(parameters, x));

/**
 * A trained network f(x) = Σ_j (xᵀu_j)₊ a_j.
 *
 * @example
 *   const model = await ReluNetwork.fit(x, y, { task: 'classification' });
 *   model.report.certificate.relativeGap; // 0.0004: at most 0.04 % above the optimum of the sampled program
 *   const labels = await model.predict(xTest);
 */
export class ReluNetwork<R extends ConvexReport | BaselineReport = ConvexReport | BaselineReport> {
  private constructor(
    /** hidden [d, m] (with the bias row last), output [m, C]. */
    readonly parameters: NetworkParameters,
    readonly task: Task,
    /** Labels in ascending order; empty for regression. */
    readonly classes: readonly number[],
    readonly bias: boolean,
    readonly report: R,
  ) {}

  /**
   * Trains to the global optimum of the convex program over sign patterns, by ADMM (algorithm 1), and certifies it.
   *
   * Minimises l(f(X), y) + (β/2) Σ_j (‖u_j‖² + ‖a_j‖²). Cost an iteration: about 6 n d P C multiply-adds and n² C; once,
   * and at each of a few changes of the penalty, a factorisation of order min(n, dP). Memory: 4 n P C numbers and that order squared.
   *
   * @param x  features, shape [n, d], float32 or float64, finite; scale them to order one.
   * @param y  targets: see `options.task`.
   * @param options.device  where it computes and where the network lives. Default: where x and y live, else the default device.
   * @param options.method  Default: 'admm'. Each method has options of its own.
   * @param options.tolerance  stop when (primal − lower bound) / primal is below. Default: 1e-3.
   * @param options.maxIterations  Default: 5000, or 20,000 for methods 'sampled' and 'gated'. Reaching it is not an error: see `report.converged`.
   * @returns the model; its `report` carries the certificate. Dispose it when done.
   * @throws {ShapeError | DTypeError} misshapen data.  {DomainError} NaN or infinity with row and column, an option out of range.
   *   {NumericalError} no pattern found, or divergence.  {AbortError} the signal fired.
   */
  static fit(x: Matrix, y: Matrix, options?: AdmmOptions | CoordinateDescentOptions): Promise<ReluNetwork<AdmmReport>>;
  static fit(x: Matrix, y: Matrix, options: SampledOptions | GatedOptions): Promise<ReluNetwork<GroupReport>>;
  static fit(x: Matrix, y: Matrix, options: RobustOptions): Promise<ReluNetwork<RobustReport>>;
  static fit(x: Matrix, y: Matrix, options: ReluNetworkOptions): Promise<ReluNetwork<ConvexReport>>;
  static async fit(x: Matrix, y: Matrix, options: ReluNetworkOptions = {}): Promise<ReluNetwork<ConvexReport>> {
    const settings = resolveFit(FIT, options);
    const { method, task, loss, reduction, beta, bias } = settings;
    const device = resolveDevice(FIT, options.device, [x, y]);
    return work(FIT, settings, device, async (here) => {
      const started = performance.now();
      const { features, targets } = await prepareData(here, FIT, x, y, settings);
      const rows = features.shape[0] as number;
      // The mean over rows is 1/n of the program of the sum with nβ.
      const unit = reduction === 'mean' ? 1 / rows : 1;
      const { onProgress } = settings;
      const solution = await solve(here, features, targets.y, {
        ...settings,
        beta: beta / unit,
        onProgress:
          onProgress &&
          (({ objective, ...rest }) =>
            onProgress({ ...rest, ...(objective !== undefined && { objective: objective * unit }) })),
      });
      const { parameters, certificate, history, converged, iterations } = solution;
      const report = {
        ...{ method, loss, reduction, beta, converged, iterations },
        reason: converged ? ('tolerance' as const) : ('max-iterations' as const),
        objective: solution.objective * unit,
        history: history.map((point) => ({ ...point, objective: point.objective * unit })),
        certificate: {
          ...certificate,
          primal: certificate.primal * unit,
          lowerBound: certificate.lowerBound * unit,
          gap: certificate.gap * unit,
        },
        time: (performance.now() - started) / 1000,
        ...(settings.method === 'robust' && {
          epsilon: settings.epsilon,
          worstCaseLoss: (solution.worstCaseLoss as number) * unit,
          outcome: certificate.activeNeurons > 0 ? ('trained' as const) : ('trivial' as const),
        }),
      };
      // Method and history belong together: both come from `solve`.
      return new ReluNetwork(parameters, task, targets.classes, bias, report as ConvexReport);
    });
  }

  /**
   * Trains the same network on the same objective by back-propagation: what the convex fit is compared with.
   * `iterations` of its report counts epochs; `tolerance` and `maxIterations` do not apply.
   * @throws as `fit`; {NumericalError} divergence.
   */
  static async fitSgd(x: Matrix, y: Matrix, options: BaselineOptions = {}): Promise<ReluNetwork<BaselineReport>> {
    const op = 'ReluNetwork.fitSgd';
    const settings = resolveBaseline(op, options);
    const { task, loss, reduction, beta, bias, optimizer, epochs } = settings;
    const device = resolveDevice(op, options.device, [x, y]);
    return work(op, settings, device, async (here) => {
      const started = performance.now();
      const { features, targets } = await prepareData(here, op, x, y, settings);
      const unit = reduction === 'mean' ? 1 / (features.shape[0] as number) : 1;
      const columns = here.run(() => transpose(targets.y));
      const { parameters, history } = await trainBaseline(here, features, columns, { ...settings, beta: beta / unit });
      return new ReluNetwork<BaselineReport>(parameters, task, targets.classes, bias, {
        ...{ method: optimizer, loss, reduction, beta },
        converged: false,
        reason: 'max-iterations',
        iterations: epochs,
        objective: (history.at(-1)?.objective ?? Number.NaN) * unit,
        history: history.map((point) => ({ ...point, objective: point.objective * unit })),
        time: (performance.now() - started) / 1000,
      });
    });
  }

  /** Where it lives and computes; data from elsewhere are copied there. */
  get device(): Device {
    return this.parameters.hidden.device;
  }

  /**
   * Raw outputs f(x), [n, C]: values, or one decision value a class (a single one, positive for the second, when there are two).
   * @throws {ShapeError} another number of features than in training.  {DomainError} NaN or infinity.
   */
  async decision(x: Matrix): Promise<Tensor> {
    return this.withFeatures('ReluNetwork.predict', x, (features) => evaluate(this.parameters, features));
  }

  /** x in the dtype of the network, on its device. */
  private async checkRaw(op: string, x: Matrix): Promise<Tensor> {
    const { hidden } = this.parameters;
    const expected = hidden.shape[0] - (this.bias ? 1 : 0);
    const features = await checkData(op, 'x', x, hidden.device, hidden.dtype as 'float32' | 'float64');
    if (features.shape[1] !== expected) {
      if (features !== x) features.dispose();
      throw new ShapeError(op, `Expected x with ${expected} features as in training, received ${features.type}`);
    }
    return features;
  }

  /** What `f` makes of the same with the bias column. Of all that is made on the way the result alone is left. */
  private async withFeatures(op: string, x: Matrix, f: (features: Tensor) => Tensor): Promise<Tensor> {
    const raw = await this.checkRaw(op, x);
    try {
      return scope(() => f(this.bias ? withBias(raw) : raw));
    } finally {
      if (raw !== x) raw.dispose();
    }
  }

  /**
   * Sign patterns of the neurons on x, bool [m, n]: those that differ and are not empty. As `options.patterns` of a convex fit they
   * make a program whose optimum is at most the objective of this network.
   * @throws as `decision`.
   */
  async patterns(x: Matrix): Promise<Tensor> {
    const directions = this.parameters.gates ?? this.parameters.hidden;
    const all = await this.withFeatures('ReluNetwork.patterns', x, (features) => activity(directions, features));
    const [width, n] = all.shape as [number, number];
    const bits = await all.data();
    const rows = new Map<string, number>();
    for (let j = 0; j < width; j++) {
      const row = bits.subarray(j * n, (j + 1) * n);
      if (row.includes(1)) rows.set(Buffer.from(row).toString('latin1'), j);
    }
    const kept = scope(() => take(all, tensor(Int32Array.from(rows.values()), { device: all.device })));
    all.dispose();
    return kept;
  }

  /** Predicted values (float [n], or [n, C] for several targets), or labels (int32 [n]). @throws as `decision`. */
  async predict(x: Matrix): Promise<Tensor> {
    const outputs = await this.decision(x);
    const [n, columns] = outputs.shape as [number, number];
    if (this.task === 'regression') {
      if (columns > 1) return outputs;
      const values = reshape(outputs, [n]);
      outputs.dispose();
      return values;
    }
    // Of two classes the second has the positive outputs.
    const winners = scope(() => (columns === 1 ? greaterEqual(reshape(outputs, [n]), 0) : argMax(outputs, 1)));
    const indices = await winners.data();
    for (const part of [outputs, winners]) part.dispose();
    return tensor(
      Int32Array.from(indices, (index) => this.classes[index]),
      { device: this.device },
    );
  }

  /** Accuracy for classification, coefficient of determination R² for regression. @throws as `decision`. */
  async score(x: Matrix, y: Matrix): Promise<number> {
    const predicted = await this.predict(x);
    const given = y instanceof Tensor ? y : tensor(y);
    const [truth, values] = (await Promise.all([given.data(), predicted.data()])).map((data) => Array.from(data)) as [
      number[],
      number[],
    ];
    predicted.dispose();
    if (given !== y) given.dispose();
    if (truth.length !== values.length) {
      throw new ShapeError('ReluNetwork.score', `Expected y with ${values.length} entries, received ${given.type}`);
    }
    if (this.task === 'classification') return truth.filter((label, k) => label === values[k]).length / truth.length;
    const average = truth.reduce((total, value) => total + value, 0) / truth.length;
    const [residual, total] = truth.reduce(
      ([r, t], value, k): [number, number] => [r + (value - values[k]) ** 2, t + (value - average) ** 2],
      [0, 0] as [number, number],
    );
    return 1 - residual / total;
  }

  /**
   * Loss of the network on data, without weight decay: of `report.loss`, summed or averaged as in training.
   * @throws as `decision`; {ShapeError | DomainError} y does not fit.
   */
  async loss(x: Matrix, y: Matrix): Promise<number> {
    const outputs = await this.decision(x);
    const targets = await this.targets('ReluNetwork.loss', y, outputs.shape[0] as number);
    const { loss, reduction } = this.report;
    const sum = scope(() => totalLoss(loss, outputs, targets));
    const total = await sum.item();
    const rows = outputs.shape[0] as number;
    for (const part of [outputs, targets, sum]) part.dispose();
    return reduction === 'mean' ? total / rows : total;
  }

  /**
   * Adversarial examples: rows of x moved by at most `epsilon` in every feature so as to lower the network's margin, by FGSM or PGD.
   *
   * @param x  features [n, d] without bias.  @param y  their targets, as in training.
   * @param options  `epsilon`, `range`, and `method`, 'pgd' by default. Each method has options of its own.
   * @returns the moved rows, [n, d]; dispose them when done.
   * @throws as `loss`; {DomainError} an option out of range.
   * @example  await model.score(await model.attack(x, y, { epsilon: 0.1 }), y); // accuracy under attack
   */
  async attack(x: Matrix, y: Matrix, options: AttackOptions): Promise<Tensor> {
    const op = 'ReluNetwork.attack';
    const resolved = resolveAttack(op, options);
    const features = await this.checkRaw(op, x);
    const targets = await this.targets(op, y, features.shape[0] as number);
    const moved = scope(() => attack(this, this.parameters, features, targets, resolved));
    targets.dispose();
    if (features !== x) features.dispose();
    return moved;
  }

  private targets(op: string, y: Matrix, n: number): Promise<Tensor> {
    return targetsOf(op, y, n, this.parameters.output, this.classes);
  }

  /** Writes weights (safetensors) and a manifest (JSON) into a folder, which is made when missing. */
  async save(folder: string): Promise<void> {
    const { parameters, task, bias, classes, report } = this;
    await saveNetwork(folder, { parameters, task, bias, classes, report });
  }

  /**
   * @param options.device  where the network goes. Default: the default device.
   * @throws {DomainError} the folder holds no complete model of this kind.  {DeviceError} the device cannot be used.
   */
  static async load(folder: string, options: { readonly device?: DeviceLike } = {}): Promise<ReluNetwork> {
    const { device } = options;
    const on = device === undefined ? defaultDevice() : toDevice(device);
    const { parameters, task, bias, classes, report } = await loadNetwork(folder, on);
    return new ReluNetwork(parameters, task, classes, bias, report);
  }

  dispose(): void {
    for (const part of Object.values(this.parameters)) part.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Data and targets, checked, with the bias column; owned by the call. */
async function prepareData(
  here: Work,
  op: string,
  x: Matrix,
  y: Matrix,
  { task, bias, dtype }: { task: Task; bias: boolean; dtype?: 'float32' | 'float64' | undefined },
) {
  const given = await checkData(op, 'x', x, here.device, dtype);
  if (given !== x) here.own(given);
  const targets = await checkTargets(op, y, given.shape[0] as number, task, given);
  here.own(targets.y);
  return { features: here.run(() => (bias ? withBias(given) : given)), targets };
}
