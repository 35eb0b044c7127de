/** Every experiment that `cotangent run` knows. */
import type { Experiment } from './experiment.js';

export const experiments: readonly Experiment[] = [];
