/** All cases, in the order in which they run. */
import type { BenchCase } from '../harness/types.js';
import { chain } from './chain.js';
import { eventLoop } from './event-loop.js';
import { idleProcess } from './idle.js';
import { interleave } from './interleave.js';
import { lenetStep } from './lenet-step.js';
import { mlpStep } from './mlp-step.js';
import { reluNetworkAdmm } from './relu-network-admm.js';
import { roundTrip } from './round-trip.js';
import { softThreshold } from './soft-threshold.js';

export const cases: readonly BenchCase[] = [
  chain,
  roundTrip,
  softThreshold,
  mlpStep,
  lenetStep,
  reluNetworkAdmm,
  eventLoop,
  interleave,
  idleProcess,
];

export function findCase(name: string): BenchCase {
  const found = cases.find((candidate) => candidate.name === name);
  if (!found) {
    throw new Error(`Expected one of ${cases.map((candidate) => candidate.name).join(', ')}, received '${name}'.`);
  }
  return found;
}
