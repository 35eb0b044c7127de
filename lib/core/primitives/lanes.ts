/** What batching rules share. */
import type { BatchContext, Params } from '../primitive.js';
import type { Tensor } from '../tensor.js';
import { broadcast } from './lax.js';

/** The operands with the batch as axis 0 in each of them: those that do not carry it are repeated. */
export function lanesOf({ inputs, batched, size }: BatchContext<Params>): Tensor[] {
  return inputs.map((input, k) =>
    batched[k]
      ? input
      : broadcast(
          input,
          [size, ...input.shape],
          [...input.shape.keys()].map((axis) => axis + 1),
        ),
  );
}
