/** Every experiment that `cotangent run` knows. */
import { reluNetworkExperiment } from '../convex/relu-network.experiment.js';
import { reluNetworkRobustExperiment } from '../convex/relu-network-robust.experiment.js';
import type { Experiment } from './experiment.js';

export const experiments: readonly Experiment[] = [reluNetworkExperiment, reluNetworkRobustExperiment];
