/** The command line: commands, options, exit codes. */
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { AbortError } from '../core/errors.js';
import { bench } from './bench.js';
import { doctor } from './doctor.js';
import { figureEndings } from './figure.js';
import { list } from './list.js';
import { packageInfo } from './package-info.js';
import { type RunOptions, run } from './run.js';
import { errorDocument, exitCodes, reportError, type Surroundings, UsageError, writeJson } from './terminal.js';

/**
 * Runs one command line (without node and script).
 * @returns the exit code: 0 done, 1 the command failed, 2 wrong usage, 130 interrupted.
 */
export async function runCommandLine(argv: readonly string[], surroundings: Surroundings): Promise<number> {
  let code: number = exitCodes.success;
  const program = createProgram(surroundings, (outcome) => {
    code = outcome;
  });
  try {
    if (argv.length === 0) program.outputHelp();
    else await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.success : exitCodes.usage;
    reportError(error, surroundings);
    return error instanceof UsageError ? exitCodes.usage : exitCodes.failure;
  }
}

function createProgram(surroundings: Surroundings, setCode: (code: number) => void): Command {
  const { stdout, stderr } = surroundings;
  const program = new Command('cotangent')
    .description('Optimisation and learning for Node.js: runs the experiments, measures, and checks the installation.')
    .version(packageInfo().version, '--version', 'show the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      outputError: (text) => reportError(new UsageError(text.replace(/^error: /, '')), surroundings),
    })
    .addHelpText(
      'after',
      `
Examples:
  cotangent list                                what can be run, and on which data
  cotangent run relu-network                    run it, show tables, draw relu-network.svg
  cotangent run relu-network --data iris.csv    on your own data: the last column holds the labels
  cotangent doctor                              does everything work on this machine?

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.`,
    );

  program
    .command('list')
    .description('list the experiments and the data sets')
    .option('--json', 'print one JSON document')
    .action((options: { json?: boolean }) => list(surroundings, options));

  program
    .command('run')
    .description('run an experiment')
    .argument('<name>', 'the experiment, see `cotangent list`')
    .option('--data <file|name>', 'a data set by name, or a .csv, .tsv, .libsvm, .svm or x.npy,y.npy file')
    .option('--seed <n>', 'seed of everything random', parseSeed, 0)
    .option('--quick', 'a smaller version that ends within seconds')
    .option('--json', 'print one JSON document, and nothing else')
    .option(
      '--plot <file>',
      `where to draw the picture: ${figureEndings.join(', ')} (default: NAME.svg, none with --json)`,
    )
    .option('--no-plot', 'draw no picture')
    .addHelpText('after', () => helpOnExperiments(surroundings))
    .action((name: string, options: RunOptions) =>
      guarded(surroundings, options.json, setCode, () =>
        run(name, { ...options, plot: options.plot ?? true }, surroundings),
      ),
    );

  program
    .command('bench')
    .description('compare with other libraries (in the repository only)')
    .option('--only <name>', 'one case')
    .option('--device <name>', 'where both sides compute: cpu (default), cuda, cuda:N, or cuda:emulated')
    .option('--json', 'print one JSON document, and nothing else')
    .action((options: { only?: string; device?: string; json?: boolean }) =>
      // The harness prints its own JSON, so a failure to start it must not add a document.
      guarded(surroundings, false, setCode, async () => setCode(await bench(options, surroundings))),
    );

  program
    .command('doctor')
    .description('show what this installation runs on, and check that it computes correctly')
    .option('--json', 'print one JSON document, and nothing else')
    .action((options: { json?: boolean }) => setCode(doctor(surroundings, options)));

  return program;
}

/** Turns what a command throws into one line on stderr, a document for `--json`, and an exit code. */
async function guarded(
  surroundings: Surroundings,
  json: boolean | undefined,
  setCode: (code: number) => void,
  action: () => Promise<void>,
): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const interrupted = surroundings.signal.aborted;
    const reason =
      interrupted && !(error instanceof AbortError)
        ? new AbortError('run', 'Expected the run to end, received an interrupt')
        : error;
    if (json) writeJson(surroundings.stdout, errorDocument(reason));
    if (interrupted) surroundings.stderr.write('cotangent: interrupted\n');
    else reportError(error, surroundings);
    setCode(interrupted ? exitCodes.interrupted : exitCodes.failure);
  }
}

function parseSeed(text: string): number {
  const seed = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(seed)) {
    throw new InvalidArgumentError('Expected a whole number from 0 to 2^53 - 1.');
  }
  return seed;
}

function helpOnExperiments({ experiments }: Surroundings): string {
  const entries = experiments.map(({ name, describe }) => `  ${name}\n    ${describe}`);
  return `\nExperiments:\n${entries.join('\n')}`;
}
