/** minimise: the front door to the deterministic minimisers. */
import { scalar } from '../../core/concrete.js';
import { DomainError, NumericalError, ShapeError } from '../../core/errors.js';
import { concatenate, reshape } from '../../core/ops/arrays.js';
import { cast } from '../../core/ops/elementwise.js';
import type { Tensor } from '../../core/tensor.js';
import { treeLeaves } from '../../core/tree.js';
import { hvp, valueAndGrad } from '../../transforms/differentiate.js';
import { jit } from '../../transforms/jit.js';
import {
  checkCount,
  checkKeys,
  checkPositive,
  type HistoryPoint,
  resolveDevice,
  type SolverOptions,
  solverOptionKeys,
} from '../options.js';
import { work } from '../work.js';
import { type DescentLimits, type DescentOutcome, descend, type FlatObjective, STATUS } from './descent.js';
import { recorder } from './history.js';
import { lbfgs } from './lbfgs.js';
import { levenbergMarquardt } from './levenberg-marquardt.js';
import { newtonCg } from './newton-cg.js';
import { nonlinearCg } from './nonlinear-cg.js';
import { ravelling } from './ravel.js';

/** min f(x) over a tree of tensors. */
export interface ObjectiveProblem<T> {
  /** Where to start: tensors of one float dtype, in arrays and plain objects at will. It is not changed. */
  readonly initial: T;
  /** f, traced: the tree to a float scalar. */
  readonly objective: (x: T) => Tensor;
  /** f and its gradient together, traced, where that is cheaper than what `valueAndGrad(objective)` derives. */
  readonly valueAndGrad?: (x: T) => readonly [Tensor, T];
}

/** min ½‖r(x)‖² over a tree of tensors. */
export interface LeastSquaresProblem<T> {
  readonly initial: T;
  /** r, traced: the tree to a tensor, or a tree of tensors, of residuals. */
  readonly residuals: (x: T) => unknown;
}

export type Method = 'lbfgs' | 'nonlinear-cg' | 'newton-cg' | 'levenberg-marquardt';

export interface MinimiseOptions extends SolverOptions {
  /**
   * 'lbfgs': few evaluations, memory for `memory` pairs of vectors. 'nonlinear-cg': memory for a few vectors. 'newton-cg': uses
   * Hessian-vector products; fewest iterations where curvature varies much. 'levenberg-marquardt': residuals with up to some hundred
   * unknowns. Default: 'lbfgs' for an objective, 'levenberg-marquardt' for residuals.
   */
  readonly method?: Method;
  /** Stop once f falls by less than this, relative to max(|f|, 1) (residuals: to f), in a step. Default: ten rounding units of the dtype. */
  readonly objectiveTolerance?: number;
  /** 'lbfgs': pairs that are kept. Default: 10. */
  readonly memory?: number;
  /** 'newton-cg': Hessian-vector products a step. Default: the number of unknowns, at most 200. */
  readonly maxProducts?: number;
}

export interface MinimiseResult<T> {
  /** The minimiser, in the structure of `initial`; dispose it when done. */
  readonly x: T;
  /** `reason` is 'tolerance' or 'objective'. */
  readonly converged: boolean;
  /**
   * 'tolerance': the gradient is small. 'objective': f no longer falls. 'line-search', 'damping': no step that lowers f was found, usually
   * since rounding hides it. 'max-iterations'.
   */
  readonly reason: 'tolerance' | 'objective' | 'max-iterations' | 'line-search' | 'damping';
  readonly iterations: number;
  /** Evaluations of f with its gradient (or of the residuals), Hessian-vector products included. */
  readonly evaluations: number;
  /** f at the result. */
  readonly objective: number;
  /** ‖∇f‖∞ at the result. */
  readonly gradientNorm: number;
  /** The start and every iteration; of more than 4,096 the newest of every so many. */
  readonly history: readonly HistoryPoint[];
  /** Seconds. */
  readonly time: number;
}

const OP = 'minimise';
const keys = [...solverOptionKeys, 'method', 'objectiveTolerance', 'memory', 'maxProducts'];
const reasons = {
  [STATUS.running]: 'max-iterations',
  [STATUS.gradient]: 'tolerance',
  [STATUS.objective]: 'objective',
  [STATUS.lineSearch]: 'line-search',
  [STATUS.damping]: 'damping',
} as const;

/**
 * Minimises a smooth function, or a sum of squares, without constraints. The whole descent runs natively; f is traced once.
 *
 * @param problem  `{ initial, objective }` or `{ initial, residuals }`.
 * @param options.tolerance  on ‖∇f(x)‖∞ / max(1, ‖∇f(x₀)‖∞). Default: 1e-5 (float32), 1e-8 (float64).
 * @param options.maxIterations  Default: 1000. Reaching it is not an error: see `reason`.
 * @throws {ShapeError | DTypeError} `initial` is not a tree of tensors of one float dtype, or f does not return a float scalar.
 *   {DomainError} options out of range, or a method that does not fit the problem.  {NumericalError} f or its gradient is not finite at
 *   the start.  {AbortError} the signal fired.
 * @see J. Nocedal, S. Wright, Numerical Optimization, 2nd ed., 2006, and the files of the methods.
 * @example
 *   const { x, converged } = await minimise({
 *     initial: tensor([-1.2, 1], { dtype: 'float64' }),
 *     objective: (p) => rosenbrock(p),
 *   });
 */
export async function minimise<T>(
  problem: ObjectiveProblem<T> | LeastSquaresProblem<T>,
  options: MinimiseOptions = {},
): Promise<MinimiseResult<T>> {
  const started = performance.now();
  const squares = 'residuals' in problem;
  checkKeys(OP, options, keys);
  checkKeys(OP, problem, squares ? ['initial', 'residuals'] : ['initial', 'objective', 'valueAndGrad']);
  const device = resolveDevice(OP, options.device, treeLeaves(problem.initial));
  const method = checkMethod(options.method ?? (squares ? 'levenberg-marquardt' : 'lbfgs'), squares);
  const { ravel, unravel, size, dtype } = ravelling(OP, problem.initial);
  const double = dtype === 'float64';
  const epsilon = double ? 2 ** -52 : 2 ** -23;
  const tolerance = checkPositive(OP, 'tolerance', options.tolerance ?? (double ? 1e-8 : 1e-5), { zero: true });
  const objectiveTolerance = checkPositive(OP, 'objectiveTolerance', options.objectiveTolerance ?? 10 * epsilon, {
    zero: true,
  });
  const maxIterations = checkCount(OP, 'maxIterations', options.maxIterations ?? 1000);
  const memory = checkCount(OP, 'memory', options.memory ?? 10);
  const maxProducts = checkCount(OP, 'maxProducts', options.maxProducts ?? Math.min(Math.max(size, 1), 200));
  const notes = recorder(maxIterations);

  const solve = jit((initial: unknown, gradientLimit: Tensor, objectiveLimit: Tensor) => {
    const limits: DescentLimits = {
      tolerance: gradientLimit,
      objectiveTolerance: objectiveLimit,
      maxIterations,
      epsilon,
      recorder: notes,
    };
    const start = ravel(initial);
    const outcome = squares
      ? levenbergMarquardt((x) => flatResiduals(problem.residuals(unravel(x) as T), dtype), start, limits)
      : run(method, flat(problem, ravel, unravel), start, limits, { memory, maxProducts });
    return { ...outcome, x: unravel(outcome.x) };
  });

  const { onProgress } = options;
  return work(OP, options, device, async (here) => {
    here.onEmit((_, { iteration, objective }) =>
      onProgress?.({ iteration: iteration as number, maxIterations, objective }),
    );
    const result = here.run(() =>
      solve(here.place(problem.initial), scalar(tolerance, 'float64'), scalar(objectiveTolerance, 'float64')),
    ) as DescentOutcome;
    const [status, iterations, evaluations, objective, gradientNorm, history] = await Promise.all([
      result.status.item(),
      result.iterations.item(),
      result.evaluations.item(),
      result.objective.item(),
      result.gradientNorm.item(),
      notes.read(result.history),
    ]);
    if (status === STATUS.notFinite) {
      throw new NumericalError(
        OP,
        `Expected a finite objective and gradient at the start, received ${objective} with a gradient of size ${gradientNorm}`,
        {
          hint: 'choose a start where f is defined',
          details: { objective, gradientNorm },
        },
      );
    }
    const reason = reasons[status as keyof typeof reasons];
    return {
      x: result.x as T,
      converged: reason === 'tolerance' || reason === 'objective',
      reason,
      iterations,
      evaluations,
      objective,
      gradientNorm,
      history,
      time: (performance.now() - started) / 1000,
    };
  });
}

function checkMethod(method: Method, squares: boolean): Method {
  const fitting: readonly Method[] = squares ? ['levenberg-marquardt'] : ['lbfgs', 'nonlinear-cg', 'newton-cg'];
  if (fitting.includes(method)) return method;
  throw new DomainError(
    OP,
    `Expected method ${fitting.map((name) => `'${name}'`).join(', ')} for ${squares ? 'residuals' : 'an objective'}, received '${method}'`,
  );
}

function run(
  method: Method,
  objective: FlatObjective,
  start: Tensor,
  limits: DescentLimits,
  { memory, maxProducts }: { memory: number; maxProducts: number },
): DescentOutcome {
  switch (method) {
    case 'nonlinear-cg':
      return descend(objective, nonlinearCg, start, limits);
    case 'newton-cg':
      return descend(objective, newtonCg(objective, maxProducts), start, limits);
    default:
      return descend(objective, lbfgs(memory), start, limits);
  }
}

/** The problem on flat vectors. */
function flat<T>(
  { objective, valueAndGrad: both = valueAndGrad(objective) as (x: T) => readonly [Tensor, T] }: ObjectiveProblem<T>,
  ravel: (tree: unknown) => Tensor,
  unravel: (vector: Tensor) => unknown,
): FlatObjective {
  return {
    valueAndGrad: (x) => {
      const [value, gradient] = both(unravel(x) as T);
      if (value.rank !== 0)
        throw new ShapeError(OP, `Expected an objective that returns a scalar, received ${value.type}`);
      return [cast(value, 'float64'), ravel(gradient)];
    },
    hvp: (x, v) => hvp((at: Tensor) => objective(unravel(at) as T))(x, v),
  };
}

/** All residuals as one vector. */
function flatResiduals(tree: unknown, dtype: string): Tensor {
  const leaves = treeLeaves(tree);
  if (leaves.length === 0 || leaves.some((leaf) => leaf.dtype !== dtype)) {
    throw new ShapeError(
      OP,
      `Expected residuals of ${dtype}, received ${leaves.map((leaf) => leaf.type).join(', ') || 'none'}`,
    );
  }
  return concatenate(leaves.map((leaf) => reshape(leaf, [leaf.size])));
}
