/** cotangent: optimisation and learning for Node.js, on native kernels. */

export * from './convex/relu-network/index.js';
export * from './core/index.js';
export * from './data/index.js';
export * as nn from './nn/index.js';
export {
  type ConjugateGradientOptions,
  type ConjugateGradientResult,
  conjugateGradient,
} from './solvers/conjugate-gradient.js';
export * from './solvers/gradient-transformations.js';
export {
  type LeastSquaresProblem,
  type Method,
  type MinimiseOptions,
  type MinimiseResult,
  minimise,
  type ObjectiveProblem,
} from './solvers/minimise/index.js';
export {
  type AdamWOptions,
  adagrad,
  adam,
  adamW,
  type RmsPropMomentumOptions,
  rmsProp,
  type SgdOptions,
  sgd,
} from './solvers/optimizers.js';
export type { HistoryPoint, Progress, Report, SolverOptions } from './solvers/options.js';
export {
  type ProximalGradientOptions,
  type ProximalGradientResult,
  proximalGradient,
} from './solvers/proximal-gradient.js';
export * as schedules from './solvers/schedules.js';
export * from './solvers/train/index.js';
export { checkpoint } from './transforms/checkpoint.js';
export { customJvp } from './transforms/custom/jvp.js';
export { type CustomVjpRules, customVjp } from './transforms/custom/vjp.js';
export { type GradOptions, grad, hvp, jvp, linearTranspose, valueAndGrad, vjp } from './transforms/differentiate.js';
export {
  type ImplicitDiffOptions,
  implicitDiff,
  type LinearSolveOption,
  type LinearSolver,
} from './transforms/implicit/implicit-diff.js';
export {
  ggnvp,
  hessian,
  type Jacobian,
  type JacobianModeOptions,
  type JacobianOptions,
  jacobian,
  jacobianForward,
  jacobianReverse,
} from './transforms/jacobian.js';
export { type JitOptions, jit, program } from './transforms/jit.js';
export { clock, cond, emit, type ScanOptions, scan, whileLoop } from './transforms/loops.js';
export { type Axes, type VmapOptions, vmap } from './transforms/vmap.js';
