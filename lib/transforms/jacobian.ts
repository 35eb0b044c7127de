/** Jacobians, Hessians and Gauss-Newton products: what vmap and the derivatives make of each other. */
import { isFloat } from '../core/dtype.js';
import { DomainError, DTypeError } from '../core/errors.js';
import { eye } from '../core/ops/arrays.js';
import { moveAxis, reshape, slice } from '../core/primitives/lax.js';
import type { Tensor } from '../core/tensor.js';
import { flatten, type Tensors } from '../core/tree.js';
import { asTensors, callTraced, traceFunction } from './apply.js';
import { grad, hvp, jvp, vjp } from './differentiate.js';
import { vmap } from './vmap.js';

export interface JacobianOptions {
  /** Position of the argument to differentiate. Default: 0. */
  readonly argnum?: number;
}

/** In the structure of a result R, trees in the structure of an argument X: each leaf has the shape of the result's, then the argument's. */
export type Jacobian<R, X> = R extends Tensor | number
  ? Tensors<X>
  : R extends readonly unknown[] | object
    ? { -readonly [K in keyof R]: Jacobian<R[K], X> }
    : R;

type Leaves = readonly Tensor[];

function floatLeaves(op: string, what: string, tree: unknown): Leaves {
  const leaves = asTensors(flatten(op, tree).leaves);
  const wrong = leaves.find(({ dtype }) => !isFloat(dtype) || dtype !== leaves[0]?.dtype);
  if (!wrong) return leaves;
  throw new DTypeError(op, `Expected ${what} of one float dtype, received ${wrong.type} in it`);
}

/** The unit vectors of the space of some tensors: [n, ...shape] for each, n the number of all their elements. */
function unitVectors(leaves: Leaves): Tensor[] {
  const n = leaves.reduce((count, { size }) => count + size, 0);
  const all = eye(n, { dtype: leaves[0]?.dtype ?? 'float32' });
  return cutLast(all, leaves).map((part, k) => reshape(part, [n, ...(leaves[k] as Tensor).shape]));
}

/** [.., n] as one [.., size] for each of some tensors. */
function cutLast(x: Tensor, leaves: Leaves): Tensor[] {
  const before = x.shape.slice(0, -1);
  let at = 0;
  return leaves.map(({ size }) => {
    const start = at;
    at += size;
    const ones = before.map(() => 1);
    return slice(x, [...before.map(() => 0), start], [...before, at], [...ones, 1]);
  });
}

type Variadic = (...args: never[]) => unknown;

/** `f` as a function of one argument, the others fixed. */
function inArgument(op: string, f: Variadic, args: readonly unknown[], argnum: number): (x: unknown) => unknown {
  if (!Number.isInteger(argnum) || argnum < 0 || argnum >= args.length) {
    throw new DomainError(op, `Expected argnum within the ${args.length} arguments, received ${argnum}`);
  }
  const call = f as unknown as (...values: readonly unknown[]) => unknown;
  return (x) => call(...args.map((arg, k) => (k === argnum ? x : arg)));
}

function forwardJacobian(f: (x: unknown) => unknown, x: unknown): unknown {
  const op = 'jacobianForward';
  const { shape: tree } = flatten(op, x);
  const inputs = floatLeaves(op, 'an argument', x);
  const columns = vmap((...t: Tensor[]) => jvp(f, [x], [tree.build(t)])[1])(...unitVectors(inputs));
  const { leaves, shape } = flatten(op, columns);
  // [n, ...result] -> [...result, n] -> [...result, ...argument] for each part of the argument.
  const rows = leaves.map((column) => {
    const last = moveAxis(column as Tensor, 0, (column as Tensor).rank - 1);
    const before = last.shape.slice(0, -1);
    return tree.build(
      cutLast(last, inputs).map((part, k) => reshape(part, [...before, ...(inputs[k] as Tensor).shape])),
    );
  });
  return shape.build(rows);
}

function reverseJacobian(f: (x: unknown) => unknown, x: unknown): unknown {
  const op = 'jacobianReverse';
  const inputs = floatLeaves(op, 'an argument', x);
  const { shape: tree } = flatten(op, x);
  const [y, pullback] = vjp(f, x);
  const { shape } = flatten(op, y);
  const outputs = floatLeaves(op, 'a result', y);
  const pulled = vmap((...ct: Tensor[]) => pullback(shape.build(ct) as never))(...unitVectors(outputs)) as unknown[];
  // Rows of all results [m, ...argument], cut into those of each.
  const gradients = flatten(op, pulled).leaves as Tensor[];
  let at = 0;
  const rows = outputs.map((output) => {
    const start = at;
    at += output.size;
    return tree.build(
      gradients.map((gradient, k) => {
        const { shape: own } = inputs[k] as Tensor;
        const zero = own.map(() => 0);
        const part = slice(gradient, [start, ...zero], [at, ...own], [1, ...own.map(() => 1)]);
        return reshape(part, [...output.shape, ...own]);
      }),
    );
  });
  return shape.build(rows);
}

/**
 * The Jacobian of `f` in one argument by forward mode, all columns at once: as many directional derivatives as the argument has
 * elements. For functions with more results than unknowns.
 *
 * @returns in the structure of the result, trees in the structure of the argument; leaves [...result's shape, ...argument's shape].
 * @throws {DTypeError} an argument that is not of one float dtype.  As `jvp`.
 */
export function jacobianForward<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  { argnum = 0 }: JacobianOptions = {},
): (...args: A) => Jacobian<R, A[0]> {
  const op = 'jacobianForward';
  const whole = (...args: A): Jacobian<R, A[0]> =>
    forwardJacobian(inArgument(op, f as unknown as Variadic, args, argnum), args[argnum]) as Jacobian<R, A[0]>;
  return (...args) => callTraced(op, whole, args);
}

/**
 * The Jacobian of `f` in one argument by reverse mode, all rows at once: as many pullbacks as the result has elements. For functions
 * with fewer results than unknowns.
 * @returns as `jacobianForward`.
 * @throws {DTypeError} an argument or a result that is not of one float dtype.  As `vjp`.
 */
export function jacobianReverse<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  { argnum = 0 }: JacobianOptions = {},
): (...args: A) => Jacobian<R, A[0]> {
  const op = 'jacobianReverse';
  const whole = (...args: A): Jacobian<R, A[0]> =>
    reverseJacobian(inArgument(op, f as unknown as Variadic, args, argnum), args[argnum]) as Jacobian<R, A[0]>;
  return (...args) => callTraced(op, whole, args);
}

export interface JacobianModeOptions extends JacobianOptions {
  /** `auto`: forward where the argument has no more elements than the result, else reverse. Default: 'auto'. */
  readonly mode?: 'auto' | 'forward' | 'reverse';
}

/**
 * The Jacobian of `f` in one argument. See `jacobianForward` and `jacobianReverse`, between which `mode` chooses.
 * @throws {DomainError} another mode.  As they do.
 * @example  jacobian((x) => matmul(a, x))(x);  // a
 */
export function jacobian<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  { argnum = 0, mode = 'auto' }: JacobianModeOptions = {},
): (...args: A) => Jacobian<R, A[0]> {
  if (mode !== 'auto' && mode !== 'forward' && mode !== 'reverse') {
    throw new DomainError('jacobian', `Expected mode 'auto', 'forward' or 'reverse', received ${String(mode)}`);
  }
  return (...args) => {
    const forward = mode === 'auto' ? isTall(f as unknown as Variadic, args, argnum) : mode === 'forward';
    return (forward ? jacobianForward(f, { argnum }) : jacobianReverse(f, { argnum }))(...args);
  };
}

/** Whether the result has at least as many elements as the argument. */
function isTall(f: Variadic, args: readonly unknown[], argnum: number): boolean {
  const { leaves, shape } = flatten('jacobian', args);
  const tensors = asTensors(leaves);
  const types = tensors.map((value) => value.type);
  const { program } = traceFunction('jacobian', f, shape, types, tensors);
  const results = program.outputTypes.reduce((n, { size }) => n + size, 0);
  const unknowns = flatten('jacobian', args[argnum]).leaves.reduce<number>(
    (n, leaf) => n + (typeof leaf === 'object' ? leaf.size : 1),
    0,
  );
  return unknowns <= results;
}

/**
 * The Hessian of a function that returns one float scalar, in one argument: all columns of the gradient's Jacobian at once, by
 * forward over reverse mode. For products with it, `hvp` costs as much as one column.
 * @returns in the structure of the argument, trees of that structure; leaves [...shape, ...shape].
 * @throws as `grad` and `jacobianForward`.
 */
export function hessian<A extends readonly unknown[]>(
  f: (...args: A) => Tensor,
  { argnum = 0 }: JacobianOptions = {},
): (...args: A) => Jacobian<Tensors<A[0]>, A[0]> {
  return jacobianForward(grad(f, { argnums: argnum }), { argnum }) as (...args: A) => Jacobian<Tensors<A[0]>, A[0]>;
}

/**
 * Generalised Gauss-Newton product: `ggnvp(model, loss)(x, v)` is Jᵀ H J v, with J the Jacobian of `model` at x and H the Hessian of
 * `loss` at model(x). It is the Hessian of loss(model(x)) without the curvature of the model: positive semidefinite where the loss is
 * convex. One forward pass, one Hessian-vector product of the loss alone, one pullback; no matrix is formed.
 *
 * @param model  tree of parameters to a tree of outputs.
 * @param loss  tree of outputs to a float scalar.
 * @see N. Schraudolph, Fast Curvature Matrix-Vector Products for Second-Order Gradient Descent, Neural Computation 14, 2002.
 * @throws as `jvp`, `hvp` and `vjp`.
 */
export function ggnvp<X, Z>(model: (x: X) => Z, loss: (z: Tensors<Z>) => Tensor): (x: X, v: Tensors<X>) => Tensors<X> {
  const product = (x: X, v: Tensors<X>): Tensors<X> => {
    const [z, jv] = jvp(model, [x], [v]);
    const hjv = hvp(loss)(z, jv as Tensors<Tensors<Z>>);
    const [, pullback] = vjp(model, x);
    return pullback(hjv as Tensors<Z>)[0] as Tensors<X>;
  };
  return (x, v) => callTraced('ggnvp', product, [x, v] as [X, Tensors<X>]);
}
