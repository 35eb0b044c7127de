/** Runs a case that has an absolute limit instead of a peer, in a fresh worker process. */
import { nodeWorker } from './pairing.js';
import { significant } from './statistics.js';
import type { DetailedRow, LimitCase, Measurement } from './types.js';

/** The row of a measurement: measured and allowed milliseconds, and their quotient. */
export function limitRow(name: string, { size, measured, limit }: Measurement): DetailedRow {
  const ratio = significant(measured / limit);
  return {
    name,
    size,
    ours_ms: significant(measured),
    peer: 'limit',
    peer_ms: limit,
    ratio,
    agreement: null,
    limit: 1,
    met: measured <= limit,
    ratio_min: ratio,
    ratio_max: ratio,
    blocks: 1,
    repetitions: [1, 0],
    idle_load: [0, 0],
  };
}

export async function runLimit(limited: LimitCase): Promise<readonly DetailedRow[]> {
  const worker = nodeWorker();
  try {
    const { measurements = [] } = await worker.ask({ op: 'measure', case: limited.name });
    return measurements.map((measurement) => limitRow(limited.name, measurement));
  } finally {
    await worker.close();
  }
}
