/** All cases, in the order in which they run. */
import { type BenchCase, caseId } from '../harness/types.js';
import { chain } from './chain.js';
import { choleskyBatched } from './cholesky-batched.js';
import { decompositions } from './decompositions.js';
import { eagerOp } from './eager-op.js';
import { eventLoop } from './event-loop.js';
import { fftCases } from './fft.js';
import { idleProcess } from './idle.js';
import { interleave } from './interleave.js';
import { lbfgs } from './lbfgs.js';
import { lenetStep } from './lenet-step.js';
import { matmulCases } from './matmul.js';
import { mlpHvp } from './mlp-hvp.js';
import { mlpStep, mlpStepCompiled } from './mlp-step.js';
import { nodeCases } from './node/index.js';
import { perExampleGrad } from './per-example-grad.js';
import { reluNetworkAdmm } from './relu-network-admm.js';
import { roundTrip } from './round-trip.js';
import { softThreshold } from './soft-threshold.js';
import { softmaxXent } from './softmax-xent.js';

export const cases: readonly BenchCase[] = [
  chain,
  roundTrip,
  softThreshold,
  mlpStep,
  mlpStepCompiled,
  mlpHvp,
  perExampleGrad,
  eagerOp,
  ...matmulCases,
  ...fftCases,
  choleskyBatched,
  ...decompositions,
  softmaxXent,
  lenetStep,
  lbfgs,
  reluNetworkAdmm,
  ...nodeCases,
  eventLoop,
  interleave,
  idleProcess,
];

export function findCase(id: string): BenchCase {
  const found = cases.find((candidate) => caseId(candidate) === id);
  if (!found) throw new Error(`Expected one of ${cases.map(caseId).join(', ')}, received '${id}'.`);
  return found;
}
