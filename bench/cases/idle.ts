/** CPU use after the last work. No twin: the limit is absolute. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { LimitCase } from '../harness/types.js';
import { endlessFit } from './internal/fit.js';

const workSeconds = 1;
const settleMilliseconds = 10;
const watchedSeconds = 2;

export const idleProcess: LimitCase = {
  kind: 'limit',
  name: 'idle',
  async measure() {
    const fit = endlessFit(4)();
    await sleep(workSeconds * 1e3);
    await fit.stop();
    await sleep(settleMilliseconds);
    const before = process.cpuUsage();
    await sleep(watchedSeconds * 1e3);
    const { user, system } = process.cpuUsage(before);
    // 1 % of one CPU is 10 ms a second.
    const perSecond = (user + system) / 1e3 / watchedSeconds;
    return [
      { size: `CPU ms a second from ${settleMilliseconds} ms after the last work`, measured: perSecond, limit: 10 },
    ];
  },
};
