/**
 * Random numbers for work on the host: shuffles, splits, batches. (Random tensors come from keys, see `lib/core`.)
 *
 * xoshiro128** 1.1 by D. Blackman and S. Vigna (32-bit state words, period 2^128 - 1), its state filled by SplitMix32 from the seed:
 * the same seed gives the same numbers on every machine.
 */
import { DomainError } from '../core/errors.js';

const rotateLeft = (x: number, k: number): number => (x << k) | (x >>> (32 - k));

export class HostRandom {
  private constructor(private readonly state: Uint32Array) {}

  /** @throws {DomainError} `seed` is not a whole number from 0 to 2^53 - 1. */
  static fromSeed(seed: number): HostRandom {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new DomainError('seed', `Expected a whole number from 0 to 2^53 - 1, received ${seed}`);
    }
    // SplitMix32: a Weyl sequence through the finaliser of MurmurHash3; the seed's high word starts a sequence of its own.
    let weyl = (seed ^ Math.imul(Math.floor(seed / 2 ** 32), 0x85ebca6b)) >>> 0;
    const state = new Uint32Array(4).map(() => {
      weyl = (weyl + 0x9e3779b9) >>> 0;
      let z = weyl;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      return z ^ (z >>> 16);
    });
    return new HostRandom(state);
  }

  /** Continues from four state words, not all zero. */
  static fromState(state: readonly [number, number, number, number]): HostRandom {
    return new HostRandom(Uint32Array.from(state));
  }

  /** A whole number from 0 to 2^32 - 1. */
  bits(): number {
    const s = this.state;
    const result = Math.imul(rotateLeft(Math.imul(s[1], 5), 7), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotateLeft(s[3], 11);
    return result;
  }

  /** A number in [0, 1) with 53 random bits. */
  uniform(): number {
    const high = this.bits() >>> 5;
    const low = this.bits() >>> 6;
    return (high * 2 ** 26 + low) * 2 ** -53;
  }

  /** A whole number from 0 to `limit` - 1, each equally likely; `limit` from 1 to 2^32. */
  below(limit: number): number {
    // The last, incomplete run of `limit` numbers is rejected.
    const end = 2 ** 32 - (2 ** 32 % limit);
    for (;;) {
      const bits = this.bits();
      if (bits < end) return bits % limit;
    }
  }

  /** The numbers 0 .. n - 1 in random order (Fisher-Yates). */
  permutation(n: number): Int32Array {
    const order = Int32Array.from({ length: n }, (_, k) => k);
    for (let k = n - 1; k > 0; k--) {
      const other = this.below(k + 1);
      const kept = order[k];
      order[k] = order[other];
      order[other] = kept;
    }
    return order;
  }
}
