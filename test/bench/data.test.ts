import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Generator, readArrays, writeArrays } from '../../bench/harness/data.js';

test('a seed fixes the data', () => {
  const draw = (seed: number) => [...new Generator(seed).normals([5]).values];
  expect(draw(3)).toEqual(draw(3));
  expect(draw(3)).not.toEqual(draw(4));
});

test('uniforms and normals have their moments', () => {
  const count = 100_000;
  const moments = (values: ArrayLike<number>) => {
    const all = Array.from(values);
    const mean = all.reduce((sum, value) => sum + value, 0) / count;
    return { mean, variance: all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count };
  };
  // Five standard errors: sqrt(var/count) of a mean, sqrt((m4 - var^2)/count) of a variance.
  const uniform = moments(new Generator(1).uniforms([count], 2, 4).values);
  expect(Math.abs(uniform.mean - 3)).toBeLessThan(5 * Math.sqrt(1 / 3 / count));
  expect(Math.abs(uniform.variance - 1 / 3)).toBeLessThan(5 * Math.sqrt((1 / 5 - 1 / 9) / count));
  const normal = moments(new Generator(2).normals([count], 2).values);
  expect(Math.abs(normal.mean)).toBeLessThan((5 * 2) / Math.sqrt(count));
  expect(Math.abs(normal.variance - 4)).toBeLessThan((5 * 4 * Math.SQRT2) / Math.sqrt(count));
});

test('arrays survive the way through files', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cotangent-bench-test-'));
  try {
    const data = {
      x: { values: new Float32Array([1.5, -2, 3e-40, Number.NaN, 0, 6]), shape: [2, 3] },
      // A view that starts in the middle of its buffer.
      labels: { values: new Int32Array([9, 1, -7]).subarray(1), shape: [2] },
      wide: { values: new Float64Array([Math.PI, -1e300, Number.NaN]), shape: [3] },
      mask: { values: new Uint8Array([1, 0, 1]), shape: [3] },
      none: { values: new Float32Array(0), shape: [0] },
    };
    const files = await writeArrays(data, folder, 'data');
    expect(files.labels).toMatchObject({ dtype: 'int32', shape: [2] });
    expect(await readArrays(files)).toEqual(data);
  } finally {
    await rm(folder, { recursive: true });
  }
});
