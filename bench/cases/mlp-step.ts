/** Gradient step (loss, gradients, update) of an MLP 784-512-10 with softmax cross-entropy, batch 128. Twin: mlp-step.py. */
import { Generator } from '../harness/data.js';
import type { PairedCase } from '../harness/types.js';
import { mlpData, size } from './internal/mlp.js';
import { trainer } from './internal/mlp-training.js';

const step = {
  kind: 'paired',
  size,
  parameters: { learningRate: 0.05, checkedSteps: 5 },
  callsPerRepetition: 1,
  // Five steps; each product sums up to 784 terms in another order: sqrt(784) rounding errors of 6e-8, a few times over.
  tolerance: 2e-5,
  data: (seed: number) => mlpData(new Generator(seed)),
  start: async ({ learningRate = 0.05, checkedSteps = 5 }, data) => trainer(data, learningRate, checkedSteps),
} satisfies Omit<PairedCase, 'name' | 'peers'>;

export const mlpStep: PairedCase = {
  ...step,
  name: 'mlp-step',
  peers: [
    { name: 'torch-idiomatic', limit: 0.65 },
    { name: 'torch-in-place', limit: 0.9 },
  ],
};

/** The same step beside torch.compile. Twin: mlp-step-compiled.py. */
export const mlpStepCompiled: PairedCase = {
  ...step,
  name: 'mlp-step-compiled',
  peers: [
    { name: 'torch-compile', limit: 0.75 },
    { name: 'torch-compile-functional', limit: 0.75 },
  ],
};
