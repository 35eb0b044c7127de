/** Connects the command line to this process: its arguments, its streams, its signals, its exit code. */
import type { Experiment } from './experiment.js';
import { runCommandLine } from './program.js';
import { exitCodes } from './terminal.js';

/** Runs what the process was called with. Ctrl-C ends it in order; pressed again, at once. */
export async function start(experiments: readonly Experiment[]): Promise<void> {
  const controller = new AbortController();
  const onInterrupt = () => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    controller.abort();
  };
  process.on('SIGINT', onInterrupt);
  // The reader of a pipe may leave early (`cotangent list | head -1`): not an error of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(exitCodes.success);
  });
  process.exitCode = await runCommandLine(process.argv.slice(2), {
    experiments,
    stdout: process.stdout,
    stderr: process.stderr,
    signal: controller.signal,
    debug: Boolean(process.env.COTANGENT_DEBUG),
  });
  process.off('SIGINT', onInterrupt);
}
