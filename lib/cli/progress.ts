/** Progress on stderr: a bar on a terminal, now and then a line elsewhere. */
import { SingleBar } from 'cli-progress';

export interface ProgressDisplay {
  update(fraction: number, text: string): void;
  /** Removes the bar. Nothing is shown afterwards. */
  stop(): void;
}

/** Where to show it; `isTTY` decides between a bar and lines. */
export type ProgressStream = NodeJS.WritableStream & { readonly isTTY?: boolean };

/** Milliseconds between two lines where there is no terminal. */
const LINE_INTERVAL = 2000;

export const silent: ProgressDisplay = { update() {}, stop() {} };

/** @param now  the time in milliseconds; tests give their own. */
export function createProgress(stream: ProgressStream, now: () => number = Date.now): ProgressDisplay {
  return stream.isTTY ? createBar(stream) : createLines(stream, now);
}

const clamp = (fraction: number) => (fraction >= 0 ? Math.min(fraction, 1) : 0);

function createBar(stream: ProgressStream): ProgressDisplay {
  const bar = new SingleBar({
    stream,
    format: '  {bar} {percentage} %  {text}',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 30,
    clearOnComplete: true,
    hideCursor: true,
    // cli-progress would take Ctrl-C for itself; the command line handles it.
    gracefulExit: false,
    fps: 15,
  });
  bar.start(1, 0, { text: '' });
  return {
    update: (fraction, text) => bar.update(clamp(fraction), { text }),
    stop: () => bar.stop(),
  };
}

function createLines(stream: ProgressStream, now: () => number): ProgressDisplay {
  let last = Number.NEGATIVE_INFINITY;
  let stopped = false;
  return {
    update(fraction, text) {
      if (stopped || now() - last < LINE_INTERVAL) return;
      last = now();
      stream.write(`${String(Math.floor(100 * clamp(fraction))).padStart(3)} %  ${text}\n`);
    },
    stop() {
      stopped = true;
    },
  };
}
