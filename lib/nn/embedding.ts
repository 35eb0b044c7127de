/** Embeddings: rows of a table. */
import type { DType } from '../core/dtype.js';
import { DTypeError, ShapeError } from '../core/errors.js';
import { take } from '../core/ops/arrays.js';
import type { Tensor } from '../core/tensor.js';
import { type Initializer, normal } from './initializers.js';

/** Parameters of an embedding: table [count, width]. */
export type EmbeddingParameters = { table: Tensor };

/**
 * The rows of the table at `indices` (int32, any shape): [.., width]. An index outside the table gives NaN. The gradient is dense,
 * of the table's shape.
 * @throws {DTypeError} indices are not int32.  {ShapeError} the table is not a matrix.
 */
export function embedding({ table }: EmbeddingParameters, indices: Tensor): Tensor {
  if (indices.dtype !== 'int32') throw new DTypeError('embedding', `Expected int32 indices, received ${indices.dtype}`);
  if (table.rank !== 2) throw new ShapeError('embedding', `Expected a table [count, width], received ${table.type}`);
  return take(table, indices);
}

export interface EmbeddingOptions {
  /** Default: normal with deviation 1. */
  readonly table?: Initializer;
  /** float32 or float64. Default: 'float32'. */
  readonly dtype?: DType;
}

/** A new table of `count` rows. */
export function initEmbedding(
  key: Tensor,
  count: number,
  width: number,
  { table = normal(1), dtype = 'float32' }: EmbeddingOptions = {},
): EmbeddingParameters {
  return { table: table(key, [count, width], { dtype }) };
}
