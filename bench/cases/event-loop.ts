/** The event loop's delay while a fit runs on all cores. No twin: the limits are absolute. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LimitCase } from '../harness/types.js';
import { endlessFit } from './internal/fit.js';

const seconds = 6;

export const eventLoop: LimitCase = {
  kind: 'limit',
  name: 'event-loop',
  async measure() {
    const startFit = endlessFit(1);
    const histogram = monitorEventLoopDelay({ resolution: 1 });
    histogram.enable();
    // The fit's own beginning on this thread (checks, copies, tracing) is part of what is measured.
    const fit = startFit();
    await sleep(seconds * 1e3);
    histogram.disable();
    await fit.stop();
    return [
      { size: `p99 of the delay over ${seconds} s of a fit`, measured: histogram.percentile(99) / 1e6, limit: 3 },
      { size: `largest delay over ${seconds} s of a fit`, measured: histogram.max / 1e6, limit: 25 },
    ];
  },
};
