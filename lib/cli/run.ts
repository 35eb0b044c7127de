/** `cotangent run`: one experiment, from its data to tables and a picture. */
import { AbortError } from '../core/errors.js';
import type { Experiment, ExperimentResult } from './experiment.js';
import { checkFigurePath, writeFigure } from './figure.js';
import { packageInfo } from './package-info.js';
import { createProgress, silent } from './progress.js';
import { closestName, type Surroundings, UsageError, writeJson } from './terminal.js';
import { formatNumber, renderClaims, renderTable } from './text.js';

export interface RunOptions {
  readonly data?: string;
  readonly seed: number;
  readonly quick?: boolean;
  readonly json?: boolean;
  /** A file; true (nothing said): NAME.svg, or none with `json`; false: none. */
  readonly plot: string | boolean;
}

/** @throws {UsageError} no such experiment.  Whatever the experiment throws; {AbortError} after Ctrl-C. */
export async function run(name: string, options: RunOptions, surroundings: Surroundings): Promise<void> {
  const { stdout, stderr, signal } = surroundings;
  const { json = false, quick = false, seed, data } = options;
  const experiment = findExperiment(name, surroundings.experiments);
  const plot = options.plot === true ? (json ? undefined : `${name}.svg`) : options.plot || undefined;
  if (plot !== undefined) await checkFigurePath(plot);

  const display = json ? silent : createProgress(stderr);
  const start = performance.now();
  let result: ExperimentResult;
  try {
    result = await experiment.run({ data, seed, quick, signal, progress: display.update });
  } finally {
    display.stop();
  }
  if (signal.aborted) throw new AbortError('run', 'Expected the run to end, received an interrupt');
  const seconds = (performance.now() - start) / 1000;
  if (plot !== undefined) await writeFigure(plot, result.figure);

  if (json) {
    const { title, paper } = experiment;
    const { tables, claims, summary } = result;
    const setting = { version: packageInfo().version, data: data ?? null, seed, quick };
    writeJson(stdout, {
      experiment: name,
      title,
      paper,
      ...setting,
      seconds,
      summary,
      tables,
      claims,
      plot: plot ?? null,
    });
  } else {
    stdout.write(describeResult(experiment, result, seconds, plot));
  }
}

function findExperiment(name: string, experiments: readonly Experiment[]): Experiment {
  const experiment = experiments.find((candidate) => candidate.name === name);
  if (experiment) return experiment;
  const names = experiments.map((candidate) => candidate.name);
  const meant = closestName(name, names);
  const hint = meant === undefined ? '`cotangent list` shows all' : `did you mean ${meant}?`;
  throw new UsageError(`no experiment is called '${name}'; ${hint}`);
}

function describeResult(
  experiment: Experiment,
  result: ExperimentResult,
  seconds: number,
  plot: string | undefined,
): string {
  const parts = [`${experiment.title}\n${experiment.paper}`, ...result.tables.map(renderTable)];
  if (result.claims.length > 0) parts.push(renderClaims(result.claims));
  const picture = plot === undefined ? '' : `Picture: ${plot}\n`;
  parts.push(`${picture}Time: ${formatNumber(seconds)} s`);
  return `\n${parts.join('\n\n')}\n`;
}
