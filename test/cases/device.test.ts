import { describe, expect, it } from 'vitest';
import { example, fitsDevice, sizeOf } from './index.js';

describe('the rule that chooses cases for a device', () => {
  const small = example('small', [[100, 100], [7]]);
  const large = example('large', [[7], [200, 101]]);
  const made = example('made', [[2]], { params: { shape: [30_000] } });

  it('leaves what is large to hardware when a device is emulated', () => {
    expect([small, large, made].map((one) => fitsDevice(one, 'cuda:emulated'))).toEqual([true, false, false]);
    expect(large.operands.map(({ shape }) => sizeOf(shape))).toEqual([7, 20_200]);
  });

  it('keeps everything elsewhere', () => {
    for (const device of ['cpu', 'cuda', 'cuda:1']) {
      expect([small, large, made].every((one) => fitsDevice(one, device))).toBe(true);
    }
  });
});
