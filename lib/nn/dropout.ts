/** Dropout, with the randomness as an argument. */
import { DomainError } from '../core/errors.js';
import { greaterEqual, mul, where } from '../core/ops/elementwise.js';
import { uniform } from '../core/ops/random.js';
import type { Tensor } from '../core/tensor.js';

/**
 * Each element of x becomes 0 with probability `rate`, otherwise x / (1 − rate), so that the mean stays (Srivastava et al., 2014,
 * in the inverted form). For training only: leave it out when predicting.
 *
 * @param key  uint32 [2]: the same key drops the same elements. A key serves once; get more with `random.split`.
 * @throws {DomainError} rate outside [0, 1).
 */
export function dropout(key: Tensor, x: Tensor, rate: number): Tensor {
  if (!(rate >= 0 && rate < 1)) throw new DomainError('dropout', `Expected rate in [0, 1), received ${rate}`);
  if (rate === 0) return x;
  // float32 uniforms serve both dtypes: 24 bits are more than a rate needs.
  return where(greaterEqual(uniform(key, x.shape), rate), mul(x, 1 / (1 - rate)), 0);
}
