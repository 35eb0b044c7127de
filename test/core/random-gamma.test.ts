/** The derivative of gamma variables in their shape parameter. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bind } from '../../lib/core/tracing.js';
import * as ct from '../../lib/index.js';

const oracle = JSON.parse(readFileSync(new URL('../oracles/random/gamma.json', import.meta.url), 'utf8')) as {
  rows: [shape: number, variable: number, derivative: number][];
};

const list = (x: ct.Tensor): number[] => [...(x.dataSync() as Float64Array)];
const key = (): ct.Tensor => ct.random.key(5);

/** dz/dα of variables that are given, by the primitive behind the derivative. */
function gradientAt(rows: readonly (readonly number[])[], dtype: 'float32' | 'float64'): number[] {
  const column = (k: number): ct.Tensor =>
    ct.tensor(
      rows.map((row) => row[k] as number),
      { dtype },
    );
  const primitive = ct.primitives.get('randomGammaGradient') as ct.Primitive;
  return list(bind(primitive, [column(0), column(1)], {})[0] as ct.Tensor);
}

describe('the derivative of random.gamma', () => {
  it('agrees with numerical differentiation of the incomplete gamma function', () => {
    const received = gradientAt(oracle.rows, 'float64');
    oracle.rows.forEach(([shape, variable, derivative], k) => {
      // Sums of up to some hundred terms that cancel to a tenth or so; the oracle has 17 digits.
      const error = Math.abs((received[k] as number) / derivative - 1);
      expect(error, `shape ${shape}, variable ${variable}`).toBeLessThan(1e-12);
    });
  });

  it('does so in float32, but for the rounding of shape and variable', () => {
    const rows = oracle.rows.filter(([shape, z, d]) => shape >= 0.01 && shape <= 1000 && z > 1e-30 && d > 1e-30);
    expect(rows.length).toBeGreaterThan(150);
    gradientAt(rows, 'float32').forEach((value, k) => {
      const [shape, variable, derivative] = rows[k] as [number, number, number];
      expect(Math.abs(value / derivative - 1), `shape ${shape}, variable ${variable}`).toBeLessThan(1e-4);
    });
  });

  // d/dα E z = 1 and d/dα E log z = ψ'(α), exactly; means of 10^5 terms within 5 standard deviations.
  it.each([0.3, 1, 4, 60])('makes gradients of means unbiased at shape %d', (alpha) => {
    const count = 100_000;
    ct.scope(() => {
      const each = ct.full([count], alpha, { dtype: 'float64' });
      const check = (f: (z: ct.Tensor) => ct.Tensor, exact: number): void => {
        const terms = ct.grad((shape: ct.Tensor) => f(ct.random.gamma(key(), shape)).sum())(each);
        const mean = terms.mean().itemSync();
        const deviation = Math.sqrt(terms.sub(mean).square().mean().itemSync() / count);
        expect(Math.abs(mean - exact)).toBeLessThan(5 * deviation);
      };
      check((z) => z, 1);
      check((z) => ct.log(z), ct.polygamma(1, ct.tensor(alpha, { dtype: 'float64' })).itemSync());
    });
  });

  it('passes jit, vmap, forward and reverse mode alike', () => {
    const alpha = ct.tensor([0.2, 1, 7], { dtype: 'float64' });
    const draw = (shape: ct.Tensor): ct.Tensor => ct.random.gamma(key(), shape);
    const t = ct.ones([3], { dtype: 'float64' });
    const forward = list(ct.jvp(draw, [alpha], [t])[1]);
    expect(list(ct.jit(ct.grad((x: ct.Tensor) => draw(x).sum()))(alpha))).toEqual(forward);
    const keys = ct.stack(ct.random.split(key(), 2));
    const lanes = ct.vmap((k: ct.Tensor) => ct.grad((x: ct.Tensor) => ct.random.gamma(k, x).sum())(alpha))(keys);
    const first = ct.grad((x: ct.Tensor) => ct.random.gamma(ct.random.split(key(), 2)[0] as ct.Tensor, x).sum())(alpha);
    expect(list(lanes).slice(0, 3)).toEqual(list(first));
    expect(forward.every((value) => value > 0)).toBe(true);
  });

  it('is refused twice, with the way out', () => {
    const energy = (x: ct.Tensor): ct.Tensor => ct.random.gamma(key(), x).sum();
    const alpha = ct.tensor([0.5, 2]);
    const twice = [
      () => ct.hvp(energy)(alpha, alpha),
      () => ct.grad((x: ct.Tensor) => ct.grad(energy)(x).sum())(alpha),
    ];
    for (const f of twice) {
      expect(f).toThrow(ct.TracingError);
      expect(f).toThrow(/\[randomGammaGradient\] Expected an operation with a derivative.*stopGradient/);
    }
  });
});
