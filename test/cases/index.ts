/**
 * The table of cases: what each primitive must compute, on which shapes and dtypes, how exactly, and with which derivatives.
 * Conformance on every device, derivative checks and the bench are driven by it; the suite fails for a primitive without a row.
 */
import { controlRows } from './control.js';
import { elementwiseRows } from './elementwise.js';
import { indexingRows } from './indexing.js';
import { linalgRows } from './linalg.js';
import { movementRows } from './movement.js';
import { qrRows } from './qr.js';
import { randomRows } from './random-numbers.js';
import { reductionRows } from './reduction.js';
import type { Row } from './row.js';
import { solveRows } from './solves.js';
import { spectralRows } from './spectral.js';
import { svdRows } from './svd.js';

export const rows: readonly Row[] = [
  ...elementwiseRows,
  ...movementRows,
  ...indexingRows,
  ...reductionRows,
  ...linalgRows,
  ...solveRows,
  ...qrRows,
  ...spectralRows,
  ...svdRows,
  ...randomRows,
  ...controlRows,
];

export * from './array.js';
export { Random, seedOf } from './random.js';
export * from './row.js';
