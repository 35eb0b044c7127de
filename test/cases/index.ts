/**
 * The table of cases: what each primitive must compute, on which shapes and dtypes, how exactly, and with which derivatives.
 * Conformance on every device, derivative checks and the bench are driven by it; the suite fails for a primitive without a row.
 */
import { alongAxisRows } from './along-axis.js';
import { controlRows } from './control.js';
import { convolutionRows } from './convolution.js';
import { cumulativeRows } from './cumulative.js';
import { fitsDevice } from './device.js';
import { elementwiseRows } from './elementwise.js';
import { fftRows } from './fft.js';
import { indexingRows } from './indexing.js';
import { linalgRows } from './linalg.js';
import { movementRows } from './movement.js';
import { poolingRows } from './pooling.js';
import { qrRows } from './qr.js';
import { randomGammaRows } from './random-gamma.js';
import { randomRows } from './random-numbers.js';
import { reductionRows } from './reduction.js';
import type { Row } from './row.js';
import { solveRows } from './solves.js';
import { sortingRows } from './sorting.js';
import { specialRows } from './special.js';
import { spectralRows } from './spectral.js';
import { svdRows } from './svd.js';
import { transformRows } from './transforms.js';

const all: readonly Row[] = [
  ...elementwiseRows,
  ...specialRows,
  ...movementRows,
  ...fftRows,
  ...indexingRows,
  ...alongAxisRows,
  ...reductionRows,
  ...cumulativeRows,
  ...sortingRows,
  ...linalgRows,
  ...convolutionRows,
  ...poolingRows,
  ...solveRows,
  ...qrRows,
  ...spectralRows,
  ...svdRows,
  ...randomRows,
  ...randomGammaRows,
  ...controlRows,
  ...transformRows,
];

/** The rows, with the cases for the device under test. */
export const rows: readonly Row[] = all.map((row) => ({ ...row, cases: row.cases.filter((one) => fitsDevice(one)) }));

export * from './array.js';
export { fitsDevice, testedDevice } from './device.js';
export { Random, seedOf } from './random.js';
export * from './row.js';
