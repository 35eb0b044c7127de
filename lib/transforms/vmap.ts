/** vmap: a function of one example as a function of a batch of them. */
import { DomainError, ShapeError } from '../core/errors.js';
import { carryBatch } from '../core/primitives/batching.js';
import { moveAxis } from '../core/primitives/lax.js';
import { eliminateDeadCode } from '../core/program.js';
import { Tensor } from '../core/tensor.js';
import { applyProgram, type TensorLike, trace } from '../core/tracing.js';
import { flatten, type Tensors } from '../core/tree.js';
import { checkAxis, showShape } from '../core/types.js';
import { asTensors, traceFunction } from './apply.js';
import { batchThrough } from './batch-program.js';

/** The axis of the batch: for every leaf, or a tree that has one where the argument has a subtree. null: the same for all lanes. */
export type Axes = number | null | readonly Axes[] | { readonly [key: string]: Axes };

export interface VmapOptions {
  /**
   * Where the arguments carry the batch: one axis for all of them, or a list with an entry for each argument, which may itself be a
   * tree like that argument. null: the argument is the same for all lanes. Negative axes count from the end. Numbers among the
   * arguments are always the same for all lanes. Default: 0.
   */
  readonly inAxes?: number | readonly Axes[];
  /** Where the results carry it: one axis, or a tree like the result. null: a result that is the same for all lanes. Default: 0. */
  readonly outAxes?: Axes;
}

/** An axis for each leaf of a tree, from one that may stop at subtrees. */
function spreadAxes(op: string, axes: Axes, tree: unknown, path: string): (number | null)[] {
  if (axes === null || typeof axes === 'number') return flatten(op, tree).leaves.map(() => axes);
  const described = (): DomainError =>
    new DomainError(
      op,
      `Expected ${path} to be an axis, null, or a tree like the value it is for, received another structure`,
      {
        hint: 'give one axis for the whole value, or one for each of its parts',
      },
    );
  if (typeof axes !== 'object' || typeof tree !== 'object' || tree === null || tree instanceof Tensor)
    throw described();
  if (Array.isArray(axes) !== Array.isArray(tree)) throw described();
  const parts = axes as Readonly<Record<string, Axes>>;
  const values = tree as Readonly<Record<string, unknown>>;
  const keys = Object.keys(values);
  if (keys.length !== Object.keys(parts).length || keys.some((key) => !(key in parts))) throw described();
  return keys.flatMap((key) => spreadAxes(op, parts[key] as Axes, values[key], `${path}.${key}`));
}

/** The axis of the batch in each leaf, counted from the front, and the length they agree on. */
function batchOf(
  leaves: readonly TensorLike[],
  axes: readonly (number | null)[],
): { at: (number | null)[]; size: number } {
  let size: number | undefined;
  const at = leaves.map((leaf, k) => {
    const axis = axes[k] as number | null;
    if (axis === null || !(leaf instanceof Tensor)) return null;
    if (leaf.rank === 0) {
      throw new ShapeError(
        'vmap',
        `Expected arguments with an axis ${axis} to map over, received a scalar ${leaf.type}`,
        {
          hint: 'pass null in inAxes for what is the same for all lanes',
        },
      );
    }
    const front = checkAxis('vmap', axis, leaf.rank);
    const length = leaf.shape[front] as number;
    size ??= length;
    if (length === size) return front;
    throw new ShapeError(
      'vmap',
      `Expected one length along the mapped axes, received ${size} and ${length}, the latter from axis ${axis} of ${showShape(leaf.shape)}`,
      { details: { lengths: [size, length] } },
    );
  });
  if (size === undefined) {
    throw new DomainError('vmap', 'Expected at least one argument to map over, received none', {
      hint: 'inAxes is null for all of them, or they hold numbers only',
    });
  }
  return { at, size };
}

/**
 * `f`, a function of one example (a lane), as a function of a batch of them: `vmap(f)(xs)` stacks f(xs[0]), f(xs[1]), ...
 *
 * No loop runs: each operation of `f` becomes one operation on all lanes, so that `vmap` of a product with a matrix is one product
 * of matrices. It nests with itself and with every transform: `vmap(grad(loss), { inAxes: [null, 0, 0] })` gives per-example gradients.
 *
 * - A `cond` whose predicate differs between lanes computes both branches, each on operands of lanes that take it, and selects; a
 *   branch that no lane takes does not run.
 * - A `whileLoop` runs while any lane does; the others keep their values.
 * - A failed check (such as that of `cholesky`) in one lane fails the result, as it would in a loop; in a lane that does not take
 *   the branch it does not.
 * - A random key that carries the batch gives each lane its own numbers; one that does not gives all lanes the same.
 *
 * Outside `jit` each call traces `f` anew.
 *
 * @param options.inAxes  see VmapOptions. Default: 0, every tensor among the arguments carries the batch as axis 0.
 * @param options.outAxes  see VmapOptions. Default: 0.
 * @throws {ShapeError} lengths of the batch disagree; an axis is outside; a result would have more than 8 dimensions.
 *   {DomainError} nothing to map over; inAxes or outAxes is not a tree like what it is for; a result for which outAxes is null
 *   differs between lanes.
 * @example  const distances = vmap((x, y) => norm(x.sub(y)), { inAxes: [0, null] });  // rows of x against one y
 */
export function vmap<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  options: VmapOptions = {},
): (...args: A) => Tensors<R> {
  const { inAxes = 0, outAxes = 0 } = options;
  return (...args) => {
    const { leaves, shape } = flatten('vmap', args);
    const axes = spreadAxes('vmap', inAxes, args, 'inAxes');
    const { at, size } = batchOf(leaves, axes);
    const tensors = asTensors(leaves);
    const lanes = tensors.map(({ type }, k) => {
      const axis = at[k];
      return axis == null ? type : type.withShape(type.shape.filter((_, dim) => dim !== axis));
    });
    const lane = traceFunction('vmap', f as unknown as (...args: never[]) => unknown, shape, lanes, tensors);
    const inputs = [...lane.captures, ...tensors];
    const batched = [...lane.captures.map(() => false), ...at.map((axis) => axis !== null)];
    const where = spreadAxes('vmap', outAxes, lane.output.build(lane.program.outputs.map(() => 0)), 'outAxes');
    const all = trace(
      inputs.map((value) => value.type),
      (...values) => {
        const front = values.map((value, k) => {
          const axis = at[k - lane.captures.length];
          return axis == null ? value : moveAxis(value, axis, 0);
        });
        const { outputs, batched: reached } = batchThrough(lane.program, front, batched, size, null);
        return {
          outputs: outputs.map((output, k) => placed(output, reached[k] as boolean, where[k] ?? null, size)),
          result: 0,
        };
      },
    );
    const results = applyProgram('vmap', eliminateDeadCode(all.program), inputs);
    return lane.output.build(results) as Tensors<R>;
  };
}

/** A result with the batch at its place. */
function placed(output: Tensor, batched: boolean, axis: number | null, size: number): Tensor {
  if (axis === null) {
    if (!batched) return output;
    throw new DomainError(
      'vmap',
      `Expected a result that is the same for all lanes where outAxes is null, received one that differs`,
      {
        hint: 'give the axis that is to carry the batch',
      },
    );
  }
  const lanes = carryBatch(output, batched, size);
  return moveAxis(lanes, 0, checkAxis('vmap', axis, lanes.rank));
}
