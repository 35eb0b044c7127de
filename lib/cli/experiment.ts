/** What a system offers to `cotangent run`: one file `lib/<family>/<system>.experiment.ts` exports one of these. */
import type { TopLevelSpec } from 'vega-lite';

export interface ExperimentContext {
  /** What `--data` said: a name or a file for `loadDataset`. Undefined: the experiment's own choice. */
  readonly data: string | undefined;
  readonly seed: number;
  /** A smaller version that ends within seconds. */
  readonly quick: boolean;
  /** Fires on Ctrl-C; pass it on to every solver. */
  readonly signal: AbortSignal;
  /** Tells how far the run is: `fraction` in [0, 1] of the whole experiment, `text` what it is doing. Cheap; call it often. */
  progress(fraction: number, text: string): void;
}

/** Numbers are shown with four significant digits; null is an empty cell. */
export type Cell = string | number | boolean | null;

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  /** Each as long as `columns`. */
  readonly rows: readonly (readonly Cell[])[];
}

/** A statement of the paper beside what was measured here. */
export interface Claim {
  readonly claim: string;
  readonly paper: string;
  readonly measured: string;
  readonly holds: boolean;
}

export interface ExperimentResult {
  readonly tables: readonly Table[];
  readonly claims: readonly Claim[];
  /** The picture, with its data inside; `lineFigure` makes the usual one. */
  readonly figure: TopLevelSpec;
  /** The figures that matter, for `--json`. */
  readonly summary: Readonly<Record<string, unknown>>;
}

export interface Experiment {
  /** As typed on the command line, in kebab-case. */
  readonly name: string;
  /** One line. */
  readonly title: string;
  /** Authors, title, year. */
  readonly paper: string;
  /** A few sentences for `--help` and the documentation. */
  readonly describe: string;
  /** @throws a `CotangentError`; `AbortError` once the signal has fired. */
  run(context: ExperimentContext): Promise<ExperimentResult>;
}
