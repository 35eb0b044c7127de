/** A tree of float tensors as one vector, and back. */
import { DTypeError, ShapeError } from '../../core/errors.js';
import { concatenate, reshape, slice } from '../../core/ops/arrays.js';
import type { Tensor } from '../../core/tensor.js';
import { flatten } from '../../core/tree.js';

export interface Ravelling {
  readonly size: number;
  readonly dtype: 'float32' | 'float64';
  /** The leaves of a tree of the same structure, joined. @throws {ShapeError | DTypeError} it is another structure. */
  ravel(tree: unknown): Tensor;
  unravel(vector: Tensor): unknown;
}

/** @throws {DTypeError} leaves that are not tensors of one float dtype.  {ShapeError} no leaves. */
export function ravelling(op: string, example: unknown): Ravelling {
  const { leaves, shape } = flatten(op, example);
  const [first] = leaves;
  if (first === undefined) throw new ShapeError(op, 'Expected at least one tensor to minimise over, received none');
  const types = leaves.map((leaf) => {
    if (typeof leaf !== 'object')
      throw new DTypeError(op, `Expected tensors to minimise over, received a ${typeof leaf}`);
    return leaf.type;
  });
  const { dtype } = first as Tensor;
  const wrong = types.find((type) => type.dtype !== dtype);
  if ((dtype !== 'float32' && dtype !== 'float64') || wrong) {
    throw new DTypeError(
      op,
      `Expected tensors of one float dtype, received ${wrong ? `${dtype} and ` : ''}${wrong ?? dtype}`,
    );
  }
  return {
    size: types.reduce((total, type) => total + type.size, 0),
    dtype,
    ravel: (tree) => {
      const given = flatten(op, tree);
      if (given.shape.text !== shape.text || given.leaves.some((leaf, k) => (leaf as Tensor).type !== types[k])) {
        throw new ShapeError(
          op,
          `Expected a tree of ${types.join(', ')}, received ${given.leaves.map((leaf) => (typeof leaf === 'object' ? leaf.type : typeof leaf)).join(', ')}`,
        );
      }
      return concatenate(given.leaves.map((leaf, k) => reshape(leaf as Tensor, [types[k]?.size as number])));
    },
    unravel: (vector) => {
      let at = 0;
      return shape.build(types.map((type) => reshape(slice(vector, [at], [(at += type.size)]), type.shape)));
    },
  };
}
