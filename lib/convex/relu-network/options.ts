/** Options of the fits, and their defaults. */
import { DomainError } from '../../core/errors.js';
import { Tensor } from '../../core/tensor.js';
import { checkCount, checkKeys, checkPositive, type SolverOptions, solverOptionKeys } from '../../solvers/options.js';
import { type AttackOptions, resolveAttack } from './attacks.js';
import type { InnerSolver } from './inner-system.js';
import { type LossName, losses } from './losses.js';
import type { Reduction } from './report.js';
import type { Task } from './targets.js';

interface NetworkOptions extends SolverOptions {
  /**
   * 'regression': y holds values [n] or [n, C]. 'classification': y holds labels [n], whole numbers; two classes share one output, −1
   * for the smaller label and +1 for the larger (so 0/1 and −1/+1 mean the same), more are trained one against the rest.
   * Default: 'regression'.
   */
  readonly task?: Task;
  /**
   * 'squared': ½ (f − y)². With targets y = −1/+1 of a classification, 'hinge': (1 − y f)₊, and 'cross-entropy': log(1 + exp(−2 y f)),
   * whose factor 2 is the paper's: the probability of the larger label is 1/(1 + exp(−2f)). Default: 'squared'.
   */
  readonly loss?: LossName;
  /** Whether the loss is summed or averaged over rows: 'mean' is 'sum' with n β for β, and reports divided by n. Default: 'sum'. */
  readonly reduction?: Reduction;
  /** Weight decay β > 0. Default: 1. */
  readonly beta?: number;
  /** Append a column of ones to x. Default: true. */
  readonly bias?: boolean;
}

interface ConvexOptions extends NetworkOptions {
  /**
   * Sign patterns to sample, each a cell of neurons: more of them approach the non-convex optimum from above. Or the patterns
   * themselves: bool [P, n], distinct. Or 'all' of them, see `enumeratePatterns`: the exact program. Default: 32.
   */
  readonly patterns?: number | Tensor | 'all';
  /** Fixed penalty of plain ADMM. Default: adapted by residual balancing, with over-relaxation. */
  readonly rho?: number;
  /** dtype of the iterations; certificates are float64. Default: that of x, float32 for arrays. */
  readonly dtype?: 'float32' | 'float64';
}

/** ADMM over sign patterns (algorithm 1), its u-step by one linear system. */
export interface AdmmOptions extends ConvexOptions {
  readonly method?: 'admm';
  /** Inner system: n x n ('woodbury') or dP x dP ('direct'). Default: 'auto', the smaller one. */
  readonly solver?: 'auto' | Exclude<InnerSolver, 'coordinate-descent'>;
}

/** ADMM whose u-step goes pattern by pattern: O(ndP) an iteration and O(nP) memory, whatever n and dP. Smooth losses. */
export interface CoordinateDescentOptions extends ConvexOptions {
  readonly method: 'coordinate-descent';
}

/**
 * The sampled convex program: output weights for directions drawn once, a Lasso (group Lasso for several outputs) on their activations,
 * in float64. Smooth losses.
 */
export interface SampledOptions extends NetworkOptions {
  readonly method: 'sampled';
  /** Unit directions to draw, or the directions themselves, [N, features and bias]; they are normalised. Default: 1000. */
  readonly directions?: number | Tensor;
}

/**
 * A gated ReLU network, whose neurons are switched by fixed gates: a group Lasso, in float64. Not a ReLU network: without the cones a
 * neuron's sign need not be its gate's. Smooth losses.
 */
export interface GatedOptions extends NetworkOptions {
  readonly method: 'gated';
  /** Gates with distinct patterns to draw, or the gates themselves, [P, features and bias]. Default: 100. */
  readonly gates?: number | Tensor;
}

/**
 * Convex adversarial training: the loss is the worst under perturbations of every row in an l_inf ball, exactly, because the constraints
 * keep every neuron's sign inside the ball. A bias column is not perturbed. In float64; each iteration solves a system of order dP.
 */
export interface RobustOptions extends NetworkOptions {
  readonly method: 'robust';
  /** Radius of the ball, in the unit of x, at least 0. */
  readonly epsilon: number;
  /**
   * Sign patterns to sample, or the patterns themselves: bool [P, n], distinct. Wide cones survive perturbations, and cones are wide
   * where rows are few beside features. Default: 16.
   */
  readonly patterns?: number | Tensor;
  /** Patterns of perturbed data to try for each direction, beside that of the data. Default: 0. */
  readonly perturbations?: number;
  /** Fixed penalty. Default: adapted by residual balancing. */
  readonly rho?: number;
}

export type ReluNetworkOptions = AdmmOptions | CoordinateDescentOptions | SampledOptions | GatedOptions | RobustOptions;

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
  /**
   * Adversarial training: each step is taken on rows that this attack has moved against the network as it stands (by FGSM, Goodfellow et
   * al., 2015; by PGD, Madry et al., 2018). Default: none, the rows as they are.
   */
  readonly adversary?: AttackOptions;
}

const networkKeys = [...solverOptionKeys, 'task', 'loss', 'reduction', 'beta', 'bias'];
const convexKeys = [...networkKeys, 'patterns', 'rho', 'dtype'];
const methodKeys = {
  admm: [...convexKeys, 'method', 'solver'],
  'coordinate-descent': [...convexKeys, 'method'],
  sampled: [...networkKeys, 'method', 'directions'],
  gated: [...networkKeys, 'method', 'gates'],
  robust: [...networkKeys, 'method', 'epsilon', 'patterns', 'perturbations', 'rho'],
} as const;

function checkOneOf<T extends string>(op: string, name: string, value: T, known: readonly T[]): T {
  if (known.includes(value)) return value;
  const choices = known.map((choice) => `'${choice}'`);
  throw new DomainError(
    op,
    `Expected ${name} ${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}, received '${value}'`,
  );
}

/** @throws {DomainError} an option out of range. */
function checkNetwork(op: string, options: NetworkOptions) {
  const { task = 'regression', loss = 'squared', reduction = 'sum', bias = true, seed = 0 } = options;
  checkOneOf(op, 'task', task, ['regression', 'classification']);
  checkOneOf(op, 'loss', loss, Object.keys(losses) as LossName[]);
  checkOneOf(op, 'reduction', reduction, ['sum', 'mean']);
  if (loss !== 'squared' && task !== 'classification') {
    throw new DomainError(op, `Expected loss 'squared' for regression, received '${loss}'`, {
      hint: "for labels pass { task: 'classification' }",
    });
  }
  const beta = checkPositive(op, 'beta', options.beta ?? 1);
  checkCount(op, 'seed', seed, 0);
  return { task, loss, reduction, beta, bias, seed, signal: options.signal, onProgress: options.onProgress };
}

/** Options of `ReluNetwork.fit`, checked and with their defaults. */
export function resolveFit(op: string, options: ReluNetworkOptions) {
  const { method = 'admm' } = options;
  checkOneOf(op, 'method', method, Object.keys(methodKeys) as (typeof method)[]);
  checkKeys(op, options, methodKeys[method]);
  const common = {
    ...checkNetwork(op, options),
    tolerance: checkPositive(op, 'tolerance', options.tolerance ?? 1e-3),
    // Proximal gradient steps are cheap, and many are needed.
    maxIterations: checkCount(
      op,
      'maxIterations',
      options.maxIterations ?? (method === 'sampled' || method === 'gated' ? 20_000 : 5000),
    ),
  };
  if (method !== 'admm' && method !== 'robust' && !losses[common.loss].curvature) {
    throw new DomainError(op, `Expected a smooth loss for method '${method}', received '${common.loss}'`, {
      hint: "method 'admm' takes any loss",
    });
  }
  const checkDraws = (name: string, draws: number | Tensor): number | Tensor =>
    draws instanceof Tensor ? draws : checkCount(op, name, draws);
  if (options.method === 'sampled') {
    return { ...common, method: options.method, directions: checkDraws('directions', options.directions ?? 1000) };
  }
  if (options.method === 'gated') {
    return { ...common, method: options.method, gates: checkDraws('gates', options.gates ?? 100) };
  }
  if (options.method === 'robust') {
    const { epsilon, patterns = 16, perturbations = 0, rho } = options;
    if (rho !== undefined) checkPositive(op, 'rho', rho);
    checkPositive(op, 'epsilon', epsilon, { zero: true });
    checkCount(op, 'perturbations', perturbations, 0);
    return {
      ...common,
      method: options.method,
      epsilon,
      patterns: checkDraws('patterns', patterns),
      perturbations,
      rho,
    };
  }
  const { patterns = 32, rho, dtype } = options;
  if (rho !== undefined) checkPositive(op, 'rho', rho);
  if (patterns !== 'all') checkDraws('patterns', patterns);
  if (options.method === 'coordinate-descent') {
    return { ...common, method: options.method, patterns, rho, dtype, solver: 'coordinate-descent' as const };
  }
  const { solver = 'auto' } = options;
  checkOneOf(op, 'solver', solver, ['auto', 'woodbury', 'direct']);
  return { ...common, method: 'admm' as const, patterns, rho, dtype, solver };
}

/** Options of `ReluNetwork.fitSgd`, likewise. */
export function resolveBaseline(op: string, options: BaselineOptions) {
  checkKeys(op, options, [
    ...networkKeys.filter((name) => name !== 'tolerance' && name !== 'maxIterations'),
    ...['width', 'epochs', 'batchSize', 'optimizer', 'learningRate', 'momentum', 'adversary'],
  ]);
  const { optimizer = 'adam', momentum = 0.9 } = options;
  checkOneOf(op, 'optimizer', optimizer, ['sgd', 'adam']);
  return {
    ...checkNetwork(op, options),
    width: checkCount(op, 'width', options.width ?? 64),
    epochs: checkCount(op, 'epochs', options.epochs ?? 100),
    batchSize: checkCount(op, 'batchSize', options.batchSize ?? 32),
    learningRate: checkPositive(op, 'learningRate', options.learningRate ?? (optimizer === 'adam' ? 0.003 : 0.01)),
    optimizer,
    momentum,
    attack: options.adversary && resolveAttack(op, options.adversary),
  };
}
