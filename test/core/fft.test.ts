/** Public transforms: axes, real numbers, identities, long lengths. The primitive itself is tested by the table of cases. */
import { describe, expect, it } from 'vitest';
import * as ct from '../../lib/index.js';
import { Random } from '../cases/index.js';

type Complex = ct.Complex;

const EPS = 2 ** -52;

const random = (shape: number[], seed: number, dtype: 'float32' | 'float64' = 'float64'): ct.Tensor => {
  const source = new Random(seed);
  const values = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => source.uniform(-1, 1));
  return ct.tensor(dtype === 'float64' ? values : Float32Array.from(values), { shape });
};
const pair = (shape: number[], seed: number): Complex => ({ re: random(shape, seed), im: random(shape, seed + 1) });
const values = (x: ct.Tensor): number[] => [...(x.dataSync() as Float64Array)];
const distance = (a: ct.Tensor, b: ct.Tensor): number => a.sub(b).abs().max().itemSync();
const apart = (a: Complex, b: Complex): number => Math.max(distance(a.re, b.re), distance(a.im, b.im));
const energy = ({ re, im }: Complex): number => re.square().add(im.square()).sum().itemSync();

/** Lengths of every kind: one line, its factor by definition, chirp within and beyond the cache, two long factors. */
const lengths = [1, 2, 7, 30, 47, 53, 77, 1000, 4093, 10007, 2 ** 15, 3 ** 9, 7 * 4096, 17 * 1024, 16411, 2 ** 17];

describe('fft', () => {
  it.each(lengths)('ifft undoes it, and it keeps the energy, at length %d', (n) => {
    ct.scope(() => {
      const x = pair([n], n);
      const y = ct.fft(x);
      // Random roundings of log2 n stages each way; elements are below 1.
      expect(apart(ct.ifft(y), x)).toBeLessThan(EPS * 4 * (2 + Math.log2(n)));
      expect(Math.abs(energy(y) / n / energy(x) - 1)).toBeLessThan(EPS * 4 * (2 + Math.log2(n)));
    });
  });

  // Few elements that are not zero: the transform is known in closed form at any length.
  it.each([2 ** 18, 3 * 2 ** 16, 7 * 11 * 13 * 101, 100_003, 2 * 100_003])('of spikes at length %d', (n) => {
    const places = [0, 1, Math.floor(n / 3), n - 2];
    const heights = [0.5, -1.25, 2, 0.75];
    for (const dtype of ['float32', 'float64'] as const) {
      const make = dtype === 'float32' ? Float32Array : Float64Array;
      const x = new make(n);
      places.forEach((place, k) => {
        x[place] = heights[k] as number;
      });
      ct.scope(() => {
        const { re, im } = ct.fft(ct.tensor(x));
        const [a, b] = [re.dataSync(), im.dataSync()];
        let worst = 0;
        for (let k = 0; k < n; k++) {
          let [c, s] = [0, 0];
          places.forEach((place, j) => {
            // The product is a whole number below 2^53: its remainder is exact.
            const turn = (place * k) % n;
            const angle = (-2 * Math.PI * (2 * turn > n ? turn - n : turn)) / n;
            c += (heights[j] as number) * Math.cos(angle);
            s += (heights[j] as number) * Math.sin(angle);
          });
          worst = Math.max(worst, Math.abs((a[k] as number) - c), Math.abs((b[k] as number) - s));
        }
        // The vector is 2.5 long; each of log2 n stages rounds by about a unit of that, and the reference's angles by another one.
        expect(worst).toBeLessThan(dtype === 'float32' ? 2 ** -22 : EPS * 2.5 * (2 + Math.log2(n)));
      });
    }
  });

  it.each([
    [[6, 5, 7], 0],
    [[6, 5, 7], 1],
    [[6, 5, 7], -1],
    [[33, 64], 0],
  ] as [number[], number][])('runs along any axis: %j, %d', (shape, axis) => {
    ct.scope(() => {
      const x = pair(shape, 3);
      const at = axis < 0 ? axis + shape.length : axis;
      const perm = [...shape.keys()].filter((k) => k !== at).concat(at);
      const back = shape.map((_, k) => perm.indexOf(k));
      const moved = ct.fft({ re: ct.transpose(x.re, perm), im: ct.transpose(x.im, perm) });
      const expected = { re: ct.transpose(moved.re, back), im: ct.transpose(moved.im, back) };
      expect(apart(ct.fft(x, axis), expected)).toBe(0);
    });
  });

  it('takes real numbers for complex ones without imaginary part', () => {
    const x = random([3, 20], 1);
    expect(apart(ct.fft(x), ct.fft({ re: x, im: ct.zeros([3, 20], { dtype: 'float64' }) }))).toBe(0);
  });

  it.each([[8], [9], [53], [4, 15]])('of real numbers is Hermitian: %j', (...shape) => {
    const n = shape.at(-1) as number;
    const { re, im } = ct.fft(random(shape, 5));
    const mirrored = ct.roll(ct.flip(re, [-1]), 1, -1);
    const conjugate = ct.roll(ct.flip(im, [-1]), 1, -1).neg();
    expect(Math.max(distance(re, mirrored), distance(im, conjugate))).toBeLessThan(EPS * 4 * n);
  });

  it('turns convolutions into products', () => {
    const [x, y] = [pair([53], 1), pair([53], 8)];
    const [a, b] = [ct.fft(x), ct.fft(y)];
    const product = { re: a.re.mul(b.re).sub(a.im.mul(b.im)), im: a.re.mul(b.im).add(a.im.mul(b.re)) };
    const { re } = ct.ifft(product);
    const [xr, xi, yr, yi] = [x.re, x.im, y.re, y.im].map(values) as [number[], number[], number[], number[]];
    const expected = xr.map((_, k) =>
      xr.reduce((sum, value, j) => {
        const other = (k - j + 53) % 53;
        return sum + value * (yr[other] as number) - (xi[j] as number) * (yi[other] as number);
      }, 0),
    );
    expect(Math.max(...values(re).map((value, k) => Math.abs(value - (expected[k] as number))))).toBeLessThan(
      EPS * 400,
    );
  });
});

describe('transforms of several axes', () => {
  it('are those of one axis after the other', () => {
    const x = pair([4, 6, 5], 2);
    expect(apart(ct.fftn(x), ct.fft(ct.fft(ct.fft(x, 0), 1), 2))).toBeLessThan(EPS * 100);
    expect(apart(ct.fft2(x), ct.fft(ct.fft(x, -2), -1))).toBeLessThan(EPS * 100);
    expect(apart(ct.fftn(x, [0, 2]), ct.fft2(x, [0, 2]))).toBe(0);
    expect(apart(ct.ifftn(ct.fftn(x)), x)).toBeLessThan(EPS * 20);
    expect(apart(ct.ifft2(ct.fft2(x)), x)).toBeLessThan(EPS * 20);
  });
});

describe('rfft and irfft', () => {
  it.each([1, 2, 3, 8, 9, 53, 1000])('are the first half of fft, and its inverse, at length %d', (n) => {
    const x = random([3, n], n);
    const half = Math.floor(n / 2) + 1;
    const [short, full] = [ct.rfft(x), ct.fft(x)];
    const head = (part: ct.Tensor): ct.Tensor => ct.slice(part, [0, 0], [3, half]);
    expect(apart(short, { re: head(full.re), im: head(full.im) })).toBe(0);
    expect(distance(ct.irfft(short, -1, { length: n }), x)).toBeLessThan(EPS * 4 * (2 + Math.log2(n)));
  });

  it('irfft ignores what real numbers cannot have, and pads or cuts the spectrum', () => {
    const x = random([2, 8], 4);
    const { re, im } = ct.rfft(x);
    const wrong = im.add(ct.tensor([3, 0, 0, 0, 5], { dtype: 'float64' }));
    expect(distance(ct.irfft({ re, im: wrong }), ct.irfft({ re, im }))).toBeLessThan(EPS * 20);
    const cut = ct.irfft({ re, im }, 1, { length: 5 });
    const part = (y: ct.Tensor): ct.Tensor => ct.slice(y, [0, 0], [2, 3]);
    expect(distance(cut, ct.irfft({ re: part(re), im: part(im) }, 1, { length: 5 }))).toBe(0);
    expect(ct.irfft({ re, im }, 1, { length: 20 }).shape).toEqual([2, 20]);
    expect(distance(ct.irfft(ct.rfft(x, 0), 0), x)).toBeLessThan(EPS * 20);
  });

  it('have exact derivatives: the sum of squares of a spectrum', () => {
    // Σ|X_k|² over all k is n Σ x², so that its gradient is 2 n x; rfft has each inner frequency once.
    const n = 12;
    const x = random([n], 6);
    const gradient = ct.grad((y: ct.Tensor) => {
      const { re, im } = ct.fft(y);
      return re.square().add(im.square()).sum();
    })(x);
    expect(distance(gradient, x.mul(2 * n))).toBeLessThan(EPS * 200);
    const filtered = (y: ct.Tensor): ct.Tensor => {
      const { re, im } = ct.rfft(y);
      return ct
        .irfft({ re: re.mul(0.5), im: im.mul(0.5) }, -1, { length: n })
        .square()
        .sum();
    };
    expect(distance(ct.jit(ct.grad(filtered))(x), x.mul(0.5))).toBeLessThan(EPS * 50);
  });
});

describe('frequencies and shifts', () => {
  it('are in the order of the results', () => {
    expect(values(ct.fftFreq(5, { dtype: 'float64' }))).toEqual([0, 0.2, 0.4, -0.4, -0.2]);
    expect(values(ct.fftFreq(4, { spacing: 0.5, dtype: 'float64' }))).toEqual([0, 0.5, -1, -0.5]);
    expect(values(ct.rfftFreq(5, { dtype: 'float64' }))).toEqual([0, 0.2, 0.4]);
    expect(values(ct.fftShift(ct.fftFreq(5, { dtype: 'float64' })))).toEqual([-0.4, -0.2, 0, 0.2, 0.4]);
    expect(ct.fftFreq(0).shape).toEqual([0]);
    const x = random([3, 5], 1);
    expect(distance(ct.ifftShift(ct.fftShift(x)), x)).toBe(0);
  });
});

describe('errors', () => {
  it.each([
    ['a fraction of a frequency', () => ct.fftFreq(2.5), ct.ShapeError, /\[fftFreq\] Expected a whole number n >= 0/],
    ['no frequencies at all', () => ct.rfftFreq(0), ct.ShapeError, /\[rfftFreq\] Expected a whole number n >= 1/],
    [
      'samples without a distance',
      () => ct.fftFreq(4, { spacing: 0 }),
      ct.DomainError,
      /spacing other than 0, received 0/,
    ],
    [
      'NaN for a distance',
      () => ct.rfftFreq(4, { spacing: NaN }),
      ct.DomainError,
      /\[rfftFreq\] Expected a finite spacing/,
    ],
    [
      'whole frequencies',
      () => ct.fftFreq(4, { dtype: 'int32' }),
      ct.DTypeError,
      /'float32' or 'float64', received 'int32'/,
    ],
    [
      'an empty axis',
      () => ct.fft(ct.zeros([2, 0])),
      ct.ShapeError,
      /\[fft\] Expected at least one element along axis 1/,
    ],
    ['a scalar', () => ct.fft(ct.zeros([])), ct.ShapeError, /Expected an axis/],
    ['integers', () => ct.fft(ct.zeros([2], { dtype: 'int32' })), ct.DTypeError, /one float dtype, received int32/],
    [
      'two dtypes',
      () => ct.ifft({ re: ct.zeros([2]), im: ct.zeros([2], { dtype: 'float64' }) }),
      ct.DTypeError,
      /\[ifft\]/,
    ],
    ['two shapes', () => ct.fft({ re: ct.zeros([2]), im: ct.zeros([3]) }), ct.ShapeError, /one shape/],
    ['an axis twice', () => ct.fftn(ct.zeros([2, 2]), [0, -2]), ct.ShapeError, /\[fftn\] Expected each axis once/],
    [
      'a length that is unknown',
      () => ct.irfft(ct.zeros([1])),
      ct.DomainError,
      /\[irfft\] Expected a length of at least 1/,
    ],
  ] as const)('%s', (_, f, kind, message) => {
    expect(f).toThrow(kind);
    expect(f).toThrow(message);
  });
});
