/**
 * Two-layer ReLU networks trained to a certified global optimum of their convex reformulation.
 *
 * Y. Bai, T. Gautam, S. Sojoudi: Efficient Global Optimization of Two-layer ReLU Networks: Quadratic-time Algorithms and
 * Adversarial Training. SIAM Journal on Mathematics of Data Science, 2022 (arXiv 2201.01965).
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { scope, tensor } from '../../core/concrete.js';
import type { TypedArray } from '../../core/dtype.js';
import { DomainError, DTypeError, ShapeError } from '../../core/errors.js';
import { reshape, take, transpose } from '../../core/ops/arrays.js';
import { cast, greaterEqual } from '../../core/ops/elementwise.js';
import { matmul } from '../../core/ops/linalg.js';
import { argMax } from '../../core/ops/reductions.js';
import { Tensor } from '../../core/tensor.js';
import { dataArray } from '../../data/data-array.js';
import { readSafetensors, writeSafetensors } from '../../data/safetensors.js';
import {
  checkCount,
  checkDevice,
  checkKeys,
  checkPositive,
  type Report,
  type SolverOptions,
  solverOptionKeys,
} from '../../solvers/options.js';
import { work } from '../../solvers/work.js';
import { jit } from '../../transforms/jit.js';
import type { InnerSolver } from './admm.js';
import { forward, type NetworkParameters, trainBaseline } from './baseline.js';
import { type AdmmHistoryPoint, type Certificate, solveConvex } from './fit.js';
import { samplePatterns } from './patterns.js';
import { checkData, checkTargets, type Matrix, type Task, withBias } from './targets.js';

export { admmIterations } from './admm.js';
export type { AdmmHistoryPoint, Certificate } from './fit.js';
export { patternBound, samplePatterns } from './patterns.js';

interface NetworkOptions extends SolverOptions {
  /**
   * 'regression': y holds values [n] or [n, C]. 'classification': y holds labels [n]; two classes share one output trained on
   * −1/+1, more are trained one against the rest. Default: 'regression'.
   */
  readonly task?: Task;
  /** Weight decay β > 0, beside a loss that is summed over rows. Default: 1. */
  readonly beta?: number;
  /** Append a column of ones to x. Default: true. */
  readonly bias?: boolean;
}

export interface ReluNetworkOptions extends NetworkOptions {
  /**
   * Sign patterns to sample, each a cell of neurons: more of them approach the non-convex optimum from above. Or the patterns
   * themselves: bool [P, n], distinct. Default: 32.
   */
  readonly patterns?: number | Tensor;
  /** Fixed penalty of plain ADMM. Default: adapted by residual balancing, with over-relaxation. */
  readonly rho?: number;
  /** Inner system: n x n ('woodbury') or dP x dP ('direct'). Default: 'auto', the smaller one. */
  readonly solver?: 'auto' | InnerSolver;
  /** dtype of the iterations; certificates are float64. Default: that of x, float32 for arrays. */
  readonly dtype?: 'float32' | 'float64';
}

export interface BaselineOptions extends NetworkOptions {
  /** Hidden neurons. Default: 64. */
  readonly width?: number;
  /** Default: 100. */
  readonly epochs?: number;
  /** Default: 32. */
  readonly batchSize?: number;
  /** Default: 'adam'. */
  readonly optimizer?: 'sgd' | 'adam';
  /** Default: 0.003 for Adam, 0.01 for SGD. */
  readonly learningRate?: number;
  /** SGD only. Default: 0.9. */
  readonly momentum?: number;
}

/** Report of a convex fit: `objective` is that of the returned network, and `certificate` says how close to optimal it is. */
export interface ConvexReport extends Report<AdmmHistoryPoint> {
  readonly method: 'convex';
  readonly certificate: Certificate;
}

/** Report of a fit by back-propagation, about which nothing is certified. */
export interface BaselineReport extends Report {
  readonly method: 'sgd' | 'adam';
}

const networkKeys = [...solverOptionKeys, 'task', 'beta', 'bias'];
const FIT = 'ReluNetwork.fit';
const MANIFEST = 'model.json';
const WEIGHTS = 'weights.safetensors';

interface Manifest {
  readonly format: 'cotangent/relu-network';
  readonly version: 1;
  readonly task: Task;
  readonly bias: boolean;
  readonly classes: readonly number[];
  readonly report: ConvexReport | BaselineReport;
}

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
   * Trains to the global optimum of the convex program over sampled sign patterns, by ADMM (algorithm 1), and certifies it.
   *
   * Minimises ½‖f(X) − y‖² + (β/2) Σ_j (‖u_j‖² + ‖a_j‖²). Cost an iteration: about 6 n d P C multiply-adds and n² C; once,
   * and at each of a few changes of the penalty, a factorisation of order min(n, dP). Memory: 4 n P C numbers and that order squared.
   *
   * @param x  features, shape [n, d], float32 or float64, finite; scale them to order one.
   * @param y  targets: see `options.task`.
   * @param options.tolerance  stop when (primal − lower bound) / primal is below. Default: 1e-3.
   * @param options.maxIterations  Default: 5000. Reaching it is not an error: see `report.converged`.
   * @returns the model; its `report` carries the certificate. Dispose it when done.
   * @throws {ShapeError | DTypeError} misshapen data.  {DomainError} NaN or infinity with row and column, an option out of range.
   *   {NumericalError} no pattern found, or divergence.  {AbortError} the signal fired.
   */
  static async fit(x: Matrix, y: Matrix, options: ReluNetworkOptions = {}): Promise<ReluNetwork<ConvexReport>> {
    checkKeys(FIT, options, [...networkKeys, 'patterns', 'rho', 'solver', 'dtype']);
    const { task = 'regression', bias = true, patterns = 32, solver = 'auto', seed = 0, rho, signal, dtype } = options;
    const beta = checkPositive(FIT, 'beta', options.beta ?? 1);
    const tolerance = checkPositive(FIT, 'tolerance', options.tolerance ?? 1e-3);
    const maxIterations = checkCount(FIT, 'maxIterations', options.maxIterations ?? 5000);
    if (rho !== undefined) checkPositive(FIT, 'rho', rho);
    if (!['auto', 'woodbury', 'direct'].includes(solver)) {
      throw new DomainError(FIT, `Expected solver 'auto', 'woodbury' or 'direct', received '${solver}'`);
    }
    if (!(patterns instanceof Tensor)) checkCount(FIT, 'patterns', patterns);
    checkCount(FIT, 'seed', seed, 0);
    checkTask(FIT, task);
    checkDevice(FIT, options.device);

    return work(FIT, { signal }, async (here) => {
      const started = performance.now();
      const features = await checkData(FIT, 'x', x, dtype);
      if (features !== x) here.own(features);
      const targets = await checkTargets(FIT, y, features.shape[0], task, features);
      here.own(targets.y);
      const data = here.run(() => (bias ? withBias(features) : features));
      const [n, d] = data.shape as [number, number];
      const sampled =
        patterns instanceof Tensor ? givenPatterns(patterns, n, data) : await samplePatterns(data, patterns, { seed });
      here.own(sampled.masks);
      const inner = solver === 'auto' ? (n <= d * sampled.masks.shape[0] ? 'woodbury' : 'direct') : solver;
      const { onProgress } = options;
      const solution = await solveConvex(
        here,
        { x: data, y: targets.y, masks: sampled.masks, complete: sampled.complete },
        { beta, tolerance, maxIterations, solver: inner, rho, onProgress },
      );
      const parameters = await recover(solution.v, data.dtype);
      return new ReluNetwork<ConvexReport>(parameters, task, targets.classes, bias, {
        method: 'convex',
        converged: solution.converged,
        reason: solution.converged ? 'tolerance' : 'max-iterations',
        iterations: solution.iterations,
        objective: solution.objective,
        history: solution.history,
        time: (performance.now() - started) / 1000,
        certificate: solution.certificate,
      });
    });
  }

  /**
   * Trains the same network on the same objective by back-propagation: what the convex fit is compared with.
   * `iterations` of its report counts epochs; `tolerance` and `maxIterations` do not apply.
   * @throws as `fit`; {NumericalError} divergence.
   */
  static async fitSgd(x: Matrix, y: Matrix, options: BaselineOptions = {}): Promise<ReluNetwork<BaselineReport>> {
    const op = 'ReluNetwork.fitSgd';
    checkKeys(op, options, [
      ...networkKeys.filter((name) => name !== 'tolerance' && name !== 'maxIterations'),
      ...['width', 'epochs', 'batchSize', 'optimizer', 'learningRate', 'momentum'],
    ]);
    const { task = 'regression', bias = true, seed = 0, optimizer = 'adam', momentum = 0.9, signal } = options;
    const beta = checkPositive(op, 'beta', options.beta ?? 1);
    const width = checkCount(op, 'width', options.width ?? 64);
    const epochs = checkCount(op, 'epochs', options.epochs ?? 100);
    const batchSize = checkCount(op, 'batchSize', options.batchSize ?? 32);
    const learningRate = checkPositive(
      op,
      'learningRate',
      options.learningRate ?? (optimizer === 'adam' ? 0.003 : 0.01),
    );
    if (optimizer !== 'adam' && optimizer !== 'sgd') {
      throw new DomainError(op, `Expected optimizer 'sgd' or 'adam', received '${optimizer}'`);
    }
    checkCount(op, 'seed', seed, 0);
    checkTask(op, task);
    checkDevice(op, options.device);

    return work(op, { signal }, async (here) => {
      const started = performance.now();
      const features = await checkData(op, 'x', x);
      if (features !== x) here.own(features);
      const targets = await checkTargets(op, y, features.shape[0], task, features);
      here.own(targets.y);
      const [data, columns] = here.run(() => [bias ? withBias(features) : features, transpose(targets.y)]);
      const { onProgress } = options;
      const settings = { beta, width, epochs, batchSize, optimizer, learningRate, momentum, seed, onProgress };
      const { parameters, history } = await trainBaseline(here, data, columns, settings);
      return new ReluNetwork<BaselineReport>(parameters, task, targets.classes, bias, {
        method: optimizer,
        converged: false,
        reason: 'max-iterations',
        iterations: epochs,
        objective: history.at(-1)?.objective ?? Number.NaN,
        history,
        time: (performance.now() - started) / 1000,
      });
    });
  }

  /**
   * Raw outputs f(x), [n, C]: values, or one decision value a class (a single one, positive for the second, when there are two).
   * @throws {ShapeError} another number of features than in training.  {DomainError} NaN or infinity.
   */
  async decision(x: Matrix): Promise<Tensor> {
    const features = await this.checkFeatures('ReluNetwork.predict', x);
    return scope(() => evaluate(this.parameters, features));
  }

  /** x as in training, with the bias column. */
  private async checkFeatures(op: string, x: Matrix): Promise<Tensor> {
    const { hidden } = this.parameters;
    const expected = hidden.shape[0] - (this.bias ? 1 : 0);
    const features = await checkData(op, 'x', x, hidden.dtype as 'float32' | 'float64');
    if (features.shape[1] !== expected) {
      throw new ShapeError(op, `Expected x with ${expected} features as in training, received ${features.type}`);
    }
    return this.bias ? withBias(features) : features;
  }

  /**
   * Sign patterns of the neurons on x, bool [m, n]: those that differ and are not empty. As `options.patterns` of a convex fit they
   * make a program whose optimum is at most the objective of this network.
   * @throws as `decision`.
   */
  async patterns(x: Matrix): Promise<Tensor> {
    const features = await this.checkFeatures('ReluNetwork.patterns', x);
    const all = scope(() => activity(this.parameters.hidden, features));
    const [width, n] = all.shape as [number, number];
    const bits = await all.data();
    const rows = new Map<string, number>();
    for (let j = 0; j < width; j++) {
      const row = bits.subarray(j * n, (j + 1) * n);
      if (row.includes(1)) rows.set(Buffer.from(row).toString('latin1'), j);
    }
    return take(all, tensor(Int32Array.from(rows.values())));
  }

  /** Predicted values (float [n], or [n, C] for several targets), or labels (int32 [n]). @throws as `decision`. */
  async predict(x: Matrix): Promise<Tensor> {
    const outputs = await this.decision(x);
    const [n, columns] = outputs.shape as [number, number];
    if (this.task === 'regression') return columns === 1 ? reshape(outputs, [n]) : outputs;
    const indices =
      columns === 1
        ? Array.from(await outputs.data(), (value) => (value >= 0 ? 1 : 0))
        : Array.from((await argMax(outputs, 1).data()) as TypedArray);
    outputs.dispose();
    return tensor(Int32Array.from(indices, (index) => this.classes[index]));
  }

  /** Accuracy for classification, coefficient of determination R² for regression. @throws as `decision`. */
  async score(x: Matrix, y: Matrix): Promise<number> {
    const given = y instanceof Tensor ? y : tensor(y);
    const predicted = await this.predict(x);
    const [truth, values] = (await Promise.all([given.data(), predicted.data()])).map((data) => Array.from(data)) as [
      number[],
      number[],
    ];
    if (truth.length !== values.length) {
      throw new ShapeError('ReluNetwork.score', `Expected y with ${values.length} entries, received ${given.type}`);
    }
    predicted.dispose();
    if (this.task === 'classification') return truth.filter((label, k) => label === values[k]).length / truth.length;
    const average = truth.reduce((total, value) => total + value, 0) / truth.length;
    const [residual, total] = truth.reduce(
      ([r, t], value, k): [number, number] => [r + (value - values[k]) ** 2, t + (value - average) ** 2],
      [0, 0] as [number, number],
    );
    return 1 - residual / total;
  }

  /** Writes weights (safetensors) and a manifest (JSON) into a folder, which is made when missing. */
  async save(folder: string): Promise<void> {
    await mkdir(folder, { recursive: true });
    const [hidden, output] = await Promise.all([this.parameters.hidden.data(), this.parameters.output.data()]);
    await writeSafetensors(join(folder, WEIGHTS), {
      hidden: dataArray(hidden, this.parameters.hidden.shape),
      output: dataArray(output, this.parameters.output.shape),
    });
    const { task, bias, classes, report } = this;
    const manifest: Manifest = { format: 'cotangent/relu-network', version: 1, task, bias, classes, report };
    // Complete or not there: the manifest appears last, under its name at once.
    const path = join(folder, MANIFEST);
    await writeFile(`${path}.part`, `${JSON.stringify(manifest, null, 2)}\n`);
    await rename(`${path}.part`, path);
  }

  /** @throws {DomainError} the folder holds no complete model of this kind. */
  static async load(folder: string): Promise<ReluNetwork> {
    const op = 'ReluNetwork.load';
    const path = join(folder, MANIFEST);
    let manifest: Manifest;
    try {
      manifest = JSON.parse(await readFile(path, 'utf8')) as Manifest;
    } catch (cause) {
      throw new DomainError(op, `Expected a model manifest at ${path}, received: ${(cause as Error).message}`, {
        cause,
      });
    }
    if (manifest.format !== 'cotangent/relu-network' || manifest.version !== 1) {
      throw new DomainError(
        op,
        `Expected a relu-network model of version 1, received ${manifest.format} ${manifest.version}`,
      );
    }
    const { tensors } = await readSafetensors(join(folder, WEIGHTS));
    const read = (name: 'hidden' | 'output'): Tensor => {
      const array = tensors.get(name);
      if (array?.shape.length !== 2)
        throw new DomainError(op, `Expected a matrix '${name}' in ${WEIGHTS}, received ${array?.shape ?? 'none'}`);
      return tensor(array.data, { shape: array.shape });
    };
    const { task, classes, bias, report } = manifest;
    return new ReluNetwork({ hidden: read('hidden'), output: read('output') }, task, classes, bias, report);
  }

  dispose(): void {
    this.parameters.hidden.dispose();
    this.parameters.output.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function checkTask(op: string, task: string): void {
  if (task !== 'regression' && task !== 'classification') {
    throw new DomainError(op, `Expected task 'regression' or 'classification', received '${task}'`);
  }
}

function givenPatterns(patterns: Tensor, n: number, x: Tensor): { masks: Tensor; complete: boolean } {
  if (patterns.dtype !== 'bool')
    throw new DTypeError(FIT, `Expected patterns of dtype bool, received ${patterns.dtype}`);
  if (patterns.rank !== 2 || patterns.shape[1] !== n || patterns.size === 0) {
    throw new ShapeError(FIT, `Expected patterns of shape [P, ${n}] with P > 0, received ${patterns.type}`);
  }
  return { masks: cast(patterns, x.dtype as 'float32'), complete: false };
}

/**
 * The network of v (blocks v_i and w_i, [2, C, P, d]): neuron (v/√‖v‖, +√‖v‖) for each v ≠ 0, (w/√‖w‖, −√‖w‖) for each w ≠ 0.
 * A network without neurons is kept as one neuron of weight zero.
 */
async function recover(v: Tensor, dtype: Tensor['dtype']): Promise<NetworkParameters> {
  const [, classes, patterns, d] = v.shape as [number, number, number, number];
  const blocks = await v.data();
  const neurons: { weights: Float64Array; root: number; output: number }[] = [];
  for (let block = 0; block < 2 * classes * patterns; block++) {
    const weights = Float64Array.from(blocks.subarray(block * d, (block + 1) * d));
    const root = Math.sqrt(Math.hypot(...weights));
    if (root === 0) continue;
    const output = Math.floor(block / patterns) % classes;
    neurons.push({ weights: weights.map((w) => w / root), root: block < classes * patterns ? root : -root, output });
  }
  const width = Math.max(1, neurons.length);
  const hidden = new Float64Array(d * width);
  const output = new Float64Array(width * classes);
  neurons.forEach((neuron, j) => {
    neuron.weights.forEach((w, k) => {
      hidden[k * width + j] = w;
    });
    output[j * classes + neuron.output] = neuron.root;
  });
  return {
    hidden: tensor(hidden, { dtype, shape: [d, width] }),
    output: tensor(output, { dtype, shape: [width, classes] }),
  };
}
