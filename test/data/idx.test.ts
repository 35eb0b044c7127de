import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readIdx } from '../../lib/data/index.js';
import { failureOf } from './helpers.js';

const images = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 51, 102, 153, 204, 255);
const labels = Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 3, 7, 0, 9);

describe('readIdx', () => {
  it('reads images as scaled floats and labels as integers', async () => {
    expect(await readIdx(images, { scale: 1 / 255, dtype: 'float64' })).toEqual({
      data: Float64Array.of(0, 51 * (1 / 255), 102 * (1 / 255), 153 * (1 / 255), 204 * (1 / 255), 255 * (1 / 255)),
      shape: [2, 1, 3],
      dtype: 'float64',
    });
    expect(await readIdx(labels, { dtype: 'int32' })).toEqual({
      data: Int32Array.of(7, 0, 9),
      shape: [3],
      dtype: 'int32',
    });
  });

  it('unpacks gzip, and defaults to unscaled float32', async () => {
    const { data, dtype } = await readIdx(gzipSync(images));
    expect([dtype, Array.from(data)]).toEqual(['float32', [0, 51, 102, 153, 204, 255]]);
  });

  const edited = (at: number, value: number) => images.map((byte, k) => (k === at ? value : byte));
  it.each([
    ['a wrong magic number', edited(0, 1), /magic number such as 2049 or 2051 .*received 16779267/],
    ['no dimensions', edited(3, 0), /magic number/],
    ['floats', edited(2, 0x0d), /type 0x08 \(unsigned bytes\) .*received 0x0d/],
    ['too few bytes', images.subarray(0, 20), /Expected 6 bytes for shape \[2, 1, 3\] .*received 4: it is truncated/],
    ['too many bytes', Uint8Array.from([...images, 0]), /received 7: it has bytes too many/],
    ['a truncated header', images.subarray(0, 10), /3 dimensions .*10 bytes: it is truncated/],
    ['nothing', new Uint8Array(0), /at least 4 bytes .*received 0 bytes/],
    ['rank 9', Uint8Array.from([0, 0, 8, 9, ...new Uint8Array(36)]), /at most 8 dimensions/],
  ])('refuses %s', async (_, bytes, message) => {
    expect((await failureOf(readIdx(bytes))).message).toMatch(message);
  });

  it('refuses a missing file', async () => {
    expect((await failureOf(readIdx('/missing-idx3-ubyte'))).message).toMatch(/no such file/);
  });
});
