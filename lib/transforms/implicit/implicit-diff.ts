/** implicitDiff: derivatives of solutions by the implicit function theorem, whatever algorithm found them. */
import { isFloat } from '../../core/dtype.js';
import { DomainError, DTypeError } from '../../core/errors.js';
import { definePrimitive, type Params, type Primitive } from '../../core/primitive.js';
import { neg, sub, zeros } from '../../core/primitives/lax.js';
import { eliminateDeadCode, Program } from '../../core/program.js';
import type { Tensor } from '../../core/tensor.js';
import { bind, inlineProgram, isTracing, trace } from '../../core/tracing.js';
import { flatten, type Tensors, type TreeShape } from '../../core/tree.js';
import type { TensorType } from '../../core/types.js';
import { asTensors, checkStructure, listShape, traceFunction } from '../apply.js';
import { batchAll, batchProgram } from '../batch-program.js';
import { shareCaptures } from '../control/shared.js';
import { checkType, once } from '../custom/shared.js';
import { closed, jvpProgram, pushForward } from '../jvp-program.js';
import { transposeProgram } from '../vjp-program.js';
import { linearSolvePrimitive } from './linear-solve.js';
import { conjugateGradients, normalEquations } from './solvers.js';

interface ImplicitDiffParams extends Params {
  /** inputs -> x. */
  readonly solver: Program;
  /** For which inputs move: (inputs, x, their tangents) -> dx. */
  readonly tangent: (moving: readonly boolean[]) => Program;
}

export const implicitDiffPrimitive: Primitive = definePrimitive<ImplicitDiffParams>({
  name: 'implicitDiff',
  infer: (_, { solver }) => solver.outputTypes,
  jvp: ({ inputs, tangents, outputs, params: { tangent } }) => {
    const moving = tangents.filter((t) => t !== null);
    return inlineProgram(tangent(tangents.map((t) => t !== null)), [...inputs, ...outputs, ...moving]);
  },
  batch: ({ inputs, batched, size, mask, params: { solver, tangent } }) => {
    const every = solver.outputs.map(() => true);
    const all = batchProgram(solver, batched, size, every, mask);
    const before = all.captures.length;
    return bind(implicitDiffPrimitive, [...all.captures, ...inputs], {
      solver: all.program,
      tangent: (moving: readonly boolean[]) => {
        const own = moving.slice(before);
        const lanes = batchAll(tangent(own), [...batched, ...every, ...batched.filter((_, k) => own[k])], size);
        return withInputs(
          all.captures.map(({ type }) => type),
          lanes,
        );
      },
    });
  },
  expand: ({ solver }) => solver,
  subprograms: ({ solver }) => [solver],
});

/** The Program with further inputs in front, which it does not use. */
function withInputs(types: readonly TensorType[], program: Program): Program {
  return trace([...types, ...program.inputTypes], (...args) => ({
    outputs: inlineProgram(program, args.slice(types.length)),
    result: undefined,
  })).program;
}

/** A x = b: the map v to A v, b, and the map w to A^T w. All are trees like the solution. */
export type LinearSolver<X> = (apply: (v: X) => X, b: X, applyTranspose: (w: X) => X) => X;

export interface LinearSolveOption<X> {
  /**
   * How the linear systems of the derivative are solved, with A the Jacobian of the condition in x.
   * `normalEquations`: conjugate gradients on A^T A x = A^T b, for any invertible A. `conjugateGradient`: for A symmetric and definite,
   * such as the Hessian where the condition is that a gradient vanishes: half the cost, and the square root of the condition number.
   * Or a function; it may use only what it is given. Default: 'normalEquations'.
   */
  readonly linearSolve?: 'normalEquations' | 'conjugateGradient' | LinearSolver<X>;
}

/** What the solution fulfils: F(x, ...args) = 0, or x = T(x, ...args). */
export type ImplicitDiffOptions<A extends readonly unknown[], X> = LinearSolveOption<X> &
  (
    | { readonly root: (x: X, ...args: A) => unknown; readonly fixedPoint?: never }
    | { readonly fixedPoint: (x: X, ...args: A) => unknown; readonly root?: never }
  );

/**
 * `solver` with derivatives by the implicit function theorem: from F(x(a), a) = 0 follows dx = -(dF/dx)^-1 (dF/da) da. They do not
 * depend on how `solver` found x: it may loop (whileLoop), and is never differentiated. Forward and reverse mode, each order:
 * every derivative costs linear solves with dF/dx at the solution.
 *
 * @param solver  (...args) to x, a tree of floats.
 * @param options  `root`: F, whose result has the structure and types of x. `fixedPoint`: T instead, F = T(x, ...args) - x.
 *   `linearSolve`: how the linear systems are solved. Default: 'normalEquations'.
 * @throws {DomainError} not one of root and fixedPoint.  {DTypeError} x is not float.  {ShapeError} F is not like x.
 *   {NumericalError}, on reading a derivative: the linear solve did not converge; dF/dx is singular or badly conditioned.
 * @see Blondel et al., Efficient and Modular Implicit Differentiation, NeurIPS 2022, section 2.
 * @example
 *   const ridge = implicitDiff((penalty) => fit(penalty), {
 *     root: (w, penalty) => grad(loss)(w).add(w.mul(penalty)),
 *     linearSolve: 'conjugateGradient',
 *   });
 *   grad((penalty) => validation(ridge(penalty)))(penalty);
 */
export function implicitDiff<A extends readonly unknown[], X>(
  solver: (...args: A) => X,
  options: ImplicitDiffOptions<A, X>,
): (...args: A) => Tensors<X> {
  const op = 'implicitDiff';
  const { root, fixedPoint, linearSolve = 'normalEquations' } = options;
  if ((root === undefined) === (fixedPoint === undefined)) {
    throw new DomainError(op, 'Expected one of root and fixedPoint, received both or none');
  }
  if (typeof linearSolve === 'string' && linearSolve !== 'normalEquations' && linearSolve !== 'conjugateGradient') {
    throw new DomainError(
      op,
      `Expected linearSolve 'normalEquations', 'conjugateGradient' or a function, received ${String(linearSolve)}`,
    );
  }
  return (...args) => {
    if (!isTracing()) return solver(...args) as unknown as Tensors<X>;
    const { leaves, shape } = flatten(op, args);
    const operands = asTensors(leaves);
    const types = operands.map((value) => value.type);
    const found = traceFunction(op, solver as unknown as (...values: never[]) => unknown, shape, types);
    const unknowns = found.program.outputTypes;
    for (const type of unknowns) {
      if (!isFloat(type.dtype)) throw new DTypeError(op, `Expected a solution of floats, received ${type} in it`);
    }
    const condition = (given: A, x: X): unknown => {
      const image = flatten(op, root ? root(x, ...given) : fixedPoint?.(x, ...given));
      checkStructure(op, 'a condition', found.output, image.shape);
      const values = asTensors(image.leaves);
      values.forEach((value, k) => {
        checkType(op, 'a condition', value.type, unknowns[k] as TensorType);
      });
      if (root) return values;
      const point = flatten(op, x).leaves as Tensor[];
      return values.map((value, k) => sub(value, point[k] as Tensor));
    };
    const residual = traceFunction(
      op,
      condition as unknown as (...values: never[]) => unknown,
      listShape(shape, found.output),
      [...types, ...unknowns],
    );
    const { captures, programs } = shareCaptures(found, residual);
    const [program, equations] = programs as [Program, Program];
    const results = bind(implicitDiffPrimitive, [...captures, ...operands], {
      solver: program,
      tangent: tangentOf(equations, unknowns.length, linearSolve as Choice, found.output),
    });
    return found.output.build(results) as Tensors<X>;
  };
}

type Choice = 'normalEquations' | 'conjugateGradient' | LinearSolver<unknown>;

/** The tangent of the solution of residual(inputs, x) = 0, x being the last `count` inputs. */
function tangentOf(
  residual: Program,
  count: number,
  choice: Choice,
  tree: TreeShape,
): (moving: readonly boolean[]) => Program {
  const split = residual.inputs.length - count;
  const inX = residual.inputs.map((_, k) => k >= split);
  const unknowns = residual.inputTypes.slice(split);
  const params = once(() => {
    const joint = jvpProgram(residual, inX);
    const apply = eliminateDeadCode(new Program(joint.inputs, joint.equations, joint.outputs.slice(count)));
    const symmetric = choice === 'conjugateGradient';
    const applyTranspose = symmetric ? apply : transposeProgram(apply, count);
    const solveWith = (forth: Program, back: Program): Program =>
      closed(
        trace([...residual.inputTypes, ...unknowns], (...values) => {
          const [fixed, b] = [values.slice(0, residual.inputs.length), values.slice(residual.inputs.length)];
          const times = (of: Program) => (v: readonly Tensor[]) => inlineProgram(of, [...fixed, ...v]);
          return { outputs: solveBy(choice, tree, times(forth), b, times(back)), result: undefined };
        }),
      );
    const solve = solveWith(apply, applyTranspose);
    const solveTranspose = symmetric ? solve : solveWith(applyTranspose, apply);
    return { constants: residual.inputs.length, apply, applyTranspose, solve, solveTranspose };
  });
  return (moving) => {
    const tangentTypes = residual.inputTypes.filter((_, k) => moving[k]);
    const { program } = trace([...residual.inputTypes, ...tangentTypes], (...values) => {
      const point = values.slice(0, residual.inputs.length);
      let next = point.length;
      const tangents = point.map((_, k) => (moving[k] ? (values[next++] as Tensor) : null));
      const pushed = pushForward(residual, point, tangents).tangents;
      const right = pushed.map((t, k) => (t ? neg(t) : zeros(unknowns[k] as TensorType)));
      return { outputs: bind(linearSolvePrimitive, [...point, ...right], params()), result: undefined };
    });
    return program;
  };
}

type Vector = readonly Tensor[];
type Operator = (v: Vector) => Vector;

function solveBy(choice: Choice, tree: TreeShape, apply: Operator, b: Vector, applyTranspose: Operator): Vector {
  if (choice === 'conjugateGradient') return conjugateGradients(apply, b);
  if (choice === 'normalEquations') return normalEquations(apply, b, applyTranspose);
  const leavesOf = (x: unknown): Tensor[] => {
    const { leaves, shape } = flatten('implicitDiff', x);
    checkStructure('implicitDiff', 'linearSolve to work with trees', tree, shape);
    return asTensors(leaves);
  };
  const onTrees = (operator: Operator) => (v: unknown) => tree.build(operator(leavesOf(v)));
  const x = leavesOf(choice(onTrees(apply), tree.build(b), onTrees(applyTranspose)));
  x.forEach((value, k) => {
    checkType('implicitDiff', 'linearSolve to return a value', value.type, (b[k] as Tensor).type);
  });
  return x;
}
