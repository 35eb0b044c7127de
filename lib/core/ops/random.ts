/** Random tensors from explicit keys: the same key gives the same numbers, on every device. */
import { tensor } from '../concrete.js';
import type { DType } from '../dtype.js';
import { DomainError } from '../errors.js';
import { primitive } from '../primitives/lax.js';
import type { Tensor } from '../tensor.js';
import { bind1 } from '../tracing.js';
import { checkShape, type Shape } from '../types.js';
import { reshape, slice } from './arrays.js';

/** The key of a seed: a whole number from 0 to 2^53 - 1. Keys are uint32 [2]. */
export function key(seed: number): Tensor {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new DomainError('random.key', `Expected a seed that is a whole number from 0 to 2^53 - 1, received ${seed}`);
  }
  return tensor(Uint32Array.of(seed % 2 ** 32, Math.floor(seed / 2 ** 32)));
}

/** `count` keys that are independent of each other and of `key`, which must not be used again. */
export function split(from: Tensor, count = 2): Tensor[] {
  const all = bits(from, [count, 2]);
  return Array.from({ length: count }, (_, k) => reshape(slice(all, [k, 0], [k + 1, 2]), [2]));
}

/** 32 random bits an element, uint32. */
export function bits(from: Tensor, shape: Shape): Tensor {
  return bind1(primitive('randomBits'), [from], { shape: checkShape('random.bits', shape), dtype: 'uint32' });
}

/** Uniform in [0, 1). */
export function uniform(from: Tensor, shape: Shape, { dtype = 'float32' }: { dtype?: DType } = {}): Tensor {
  return bind1(primitive('randomUniform'), [from], { shape: checkShape('random.uniform', shape), dtype });
}

/** Standard normal. */
export function normal(from: Tensor, shape: Shape, { dtype = 'float32' }: { dtype?: DType } = {}): Tensor {
  return bind1(primitive('randomNormal'), [from], { shape: checkShape('random.normal', shape), dtype });
}
