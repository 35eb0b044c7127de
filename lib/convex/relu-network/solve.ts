/** From data and settings to a network and what is known about it: patterns or directions first, then the program of the method. */
import { scope, tensor } from '../../core/concrete.js';
import { DomainError, DTypeError, ShapeError } from '../../core/errors.js';
import { take } from '../../core/ops/arrays.js';
import { cast, div, greaterEqual, relu, sqrt, square } from '../../core/ops/elementwise.js';
import { matmul } from '../../core/ops/linalg.js';
import { key, normal } from '../../core/ops/random.js';
import { min, sum } from '../../core/ops/reductions.js';
import { Tensor } from '../../core/tensor.js';
import type { Work } from '../../solvers/work.js';
import { enumeratePatterns } from './enumerate.js';
import { solveConvex } from './fit.js';
import { solveGroupLasso } from './group-lasso.js';
import { gatedNetwork, type NetworkParameters, networkOfBlocks, networkOfDirections } from './network.js';
import type { resolveFit } from './options.js';
import { type Perturbations, samplePatterns } from './patterns.js';
import type { AdmmHistoryPoint, Certificate, GroupHistoryPoint } from './report.js';
import { solveRobust } from './robust-fit.js';

const FIT = 'ReluNetwork.fit';

type Settings = ReturnType<typeof resolveFit>;
type SettingsOf<M extends Settings['method']> = Extract<Settings, { method: M }>;

export interface Solution {
  readonly parameters: NetworkParameters;
  readonly objective: number;
  readonly iterations: number;
  readonly converged: boolean;
  readonly history: readonly (AdmmHistoryPoint | GroupHistoryPoint)[];
  readonly certificate: Certificate;
  /** Of the robust program. */
  readonly worstCaseLoss?: number;
}

/** x [n, d] with its bias column, y [C, n], settings with β for the sum over rows. */
export async function solve(here: Work, x: Tensor, y: Tensor, settings: Settings): Promise<Solution> {
  switch (settings.method) {
    case 'sampled':
      return solveSampled(here, x, y, settings);
    case 'gated':
      return solveGated(here, x, y, settings);
    case 'robust':
      return solveAgainstPerturbations(here, x, y, settings);
    default:
      return solveWithCones(here, x, y, settings);
  }
}

async function solveWithCones(
  here: Work,
  x: Tensor,
  y: Tensor,
  settings: SettingsOf<'admm' | 'coordinate-descent'>,
): Promise<Solution> {
  const [n, d] = x.shape as [number, number];
  const { masks, complete } = await choosePatterns(x, settings);
  here.own(masks);
  const size = d * (masks.shape[0] as number);
  const solver = settings.solver === 'auto' ? (n <= size ? 'woodbury' : 'direct') : settings.solver;
  const solution = await solveConvex(here, { x, y, masks, complete }, { ...settings, solver });
  return { ...solution, parameters: await networkOfBlocks(solution.v, x.dtype) };
}

async function solveAgainstPerturbations(
  here: Work,
  x: Tensor,
  y: Tensor,
  settings: SettingsOf<'robust'>,
): Promise<Solution> {
  const { masks } = await choosePatterns(x, settings);
  here.own(masks);
  const data = here.run(() => ({ x: toDouble(x), y: toDouble(y), masks: toDouble(masks) }));
  const solution = await solveRobust(here, data, settings);
  return { ...solution, parameters: await networkOfBlocks(solution.v, x.dtype) };
}

const toDouble = (value: Tensor): Tensor => cast(value, 'float64');

async function solveSampled(here: Work, x: Tensor, y: Tensor, settings: SettingsOf<'sampled'>): Promise<Solution> {
  const d = x.shape[1] as number;
  const { directions, seed } = settings;
  if (directions instanceof Tensor) await checkDirections('directions', directions, d);
  const { units, features, targets } = here.run(() => {
    const drawn =
      directions instanceof Tensor
        ? toDouble(here.place(directions))
        : normal(key(seed), [directions, d], { dtype: 'float64' });
    const normalised = div(drawn, sqrt(sum(square(drawn), 1, { keepDims: true })));
    return {
      units: normalised,
      features: relu(matmul(toDouble(x), normalised, { transposeB: true })),
      targets: toDouble(y),
    };
  });
  const shape = [units.shape[0] as number, y.shape[0] as number];
  const solution = await solveGroupLasso(here, { kind: 'sampled', data: { features } }, targets, shape, settings);
  return { ...solution, parameters: await networkOfDirections(solution.weights, units, x.dtype) };
}

async function solveGated(here: Work, x: Tensor, y: Tensor, settings: SettingsOf<'gated'>): Promise<Solution> {
  const d = x.shape[1] as number;
  const { gates: wanted, seed } = settings;
  let gates: Tensor;
  if (wanted instanceof Tensor) {
    await checkDirections('gates', wanted, d);
    gates = wanted;
  } else {
    const sampled = await samplePatterns(x, wanted, { seed });
    gates = here.own(sampled.directions);
    here.own(sampled.masks);
  }
  const { data, targets } = here.run(() => {
    const [wide, directions] = [toDouble(x), toDouble(here.place(gates))];
    const masks = toDouble(greaterEqual(matmul(directions, wide, { transposeB: true }), 0));
    return { data: { x: wide, masks }, targets: toDouble(y) };
  });
  const shape = [y.shape[0] as number, gates.shape[0] as number, d];
  const solution = await solveGroupLasso(here, { kind: 'gated', data }, targets, shape, settings);
  return { ...solution, parameters: await gatedNetwork(solution.weights, gates, x.dtype) };
}

async function checkDirections(name: string, directions: Tensor, d: number): Promise<void> {
  if (directions.dtype !== 'float32' && directions.dtype !== 'float64') {
    throw new DTypeError(FIT, `Expected ${name} of dtype float32 or float64, received ${directions.dtype}`);
  }
  if (directions.rank !== 2 || directions.shape[1] !== d || directions.size === 0) {
    throw new ShapeError(FIT, `Expected ${name} of shape [N, ${d}] with N > 0, received ${directions.type}`, {
      hint: 'a bias adds one column',
    });
  }
  const shortest = await scope(() => min(sum(square(toDouble(directions)), 1))).item();
  if (!(shortest > 0 && Number.isFinite(shortest))) {
    throw new DomainError(FIT, `Expected finite ${name} other than zero, received one of squared length ${shortest}`);
  }
}

/** Masks [P, n] in the dtype of x, without the empty pattern, and whether these are all. */
async function choosePatterns(
  x: Tensor,
  settings: SettingsOf<'admm' | 'coordinate-descent' | 'robust'>,
): Promise<{ masks: Tensor; complete: boolean }> {
  const n = x.shape[0] as number;
  const { patterns, seed, signal } = settings;
  const toMasks = (bits: Tensor): Tensor => cast(bits, x.dtype);
  if (patterns === 'all') {
    const every = await enumeratePatterns(x, { signal });
    const counts = await scope(() => sum(cast(every, 'int32'), 1)).data();
    const kept = Int32Array.from(counts.keys()).filter((k) => counts[k] !== 0);
    const masks = scope(() => toMasks(take(every, tensor(kept, { device: x.device }))));
    every.dispose();
    return { masks, complete: true };
  }
  if (!(patterns instanceof Tensor)) {
    const perturbed: { perturbations?: Perturbations } =
      settings.method === 'robust' && settings.perturbations > 0
        ? { perturbations: { epsilon: settings.epsilon, count: settings.perturbations, bias: settings.bias } }
        : {};
    const { masks, directions, complete } = await samplePatterns(x, patterns, { seed, ...perturbed });
    directions.dispose();
    return { masks, complete };
  }
  if (patterns.dtype !== 'bool')
    throw new DTypeError(FIT, `Expected patterns of dtype bool, received ${patterns.dtype}`);
  if (patterns.rank !== 2 || patterns.shape[1] !== n || patterns.size === 0) {
    throw new ShapeError(FIT, `Expected patterns of shape [P, ${n}] with P > 0, received ${patterns.type}`);
  }
  return { masks: scope(() => toMasks(patterns.to(x.device))), complete: false };
}
