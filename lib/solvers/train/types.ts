/** What `train` takes and gives. */
import type { Tensor } from '../../core/tensor.js';
import type { DataArray } from '../../data/data-array.js';
import type { Optimizer } from '../gradient-transformations.js';
import type { HistoryPoint, Progress, SolverOptions } from '../options.js';

/** A batch as it comes from the host: plain arrays (which become tensors for one step) or tensors, in the structure of B. */
export type HostBatch<B> = B extends Tensor ? Tensor | DataArray : { readonly [K in keyof B]: HostBatch<B[K]> };

/** The batches of one pass. */
export type Batches<B> = Iterable<HostBatch<B>> | AsyncIterable<HostBatch<B>>;

export interface LossContext<S> {
  /** Randomness of this step, uint32 [2]; `random.split` makes more of it. */
  readonly key: Tensor;
  /** What the model carries besides its parameters. */
  readonly state: S;
}

/** A loss with what is to be recorded and carried on. */
export interface LossResult<S> {
  /** Float scalar: a mean over the batch. */
  readonly loss: Tensor;
  /** Float scalars to record, each a mean over the batch. */
  readonly metrics?: Readonly<Record<string, Tensor>>;
  /** The next state; the same when absent. */
  readonly state?: S;
}

export interface TrainProblem<P, B, S = undefined> {
  /** Tree of float tensors to start from; it is copied, not changed. */
  readonly parameters: P;
  /** Tree of tensors that is carried but not trained, such as running statistics. Default: none. */
  readonly state?: S;
  /** Traced once for each shape of batch. */
  readonly loss: (parameters: P, batch: B, context: LossContext<S>) => Tensor | LossResult<S>;
}

export interface Validation<P, B, S> {
  /** A new pass over the validation data. */
  readonly batches: () => Batches<B>;
  /** Traced: float scalars, each a mean over the batch. */
  readonly metrics: (parameters: P, batch: B, state: S) => Readonly<Record<string, Tensor>>;
}

export interface EarlyStopping {
  /** What to watch: 'loss', another training metric, or 'validation.' and the name of one of `validation.metrics`. */
  readonly metric: string;
  /** Epochs without improvement before the end. Default: 5. */
  readonly patience?: number;
  /** The least change that counts. Default: 0. */
  readonly minimumDelta?: number;
  /** Default: 'min'. */
  readonly mode?: 'min' | 'max';
  /** Return the parameters and state of the best epoch instead of the last. Default: true. */
  readonly restoreBest?: boolean;
}

export interface CheckpointOptions {
  /** Folder for checkpoints of this run alone; made when missing. */
  readonly folder: string;
  /** Also within epochs, every so many steps. Default: at the end of each epoch only. */
  readonly everySteps?: number;
  /** How many to keep. Default: 2, so that one that was cut short has a predecessor. */
  readonly keep?: number;
  /** Continue from the newest intact checkpoint in the folder. Default: true; with false the folder must hold none. */
  readonly resume?: boolean;
}

export interface StepInfo {
  readonly epoch: number;
  /** Steps since the start of training. */
  readonly step: number;
  /** 'loss' and the metrics of this batch. */
  readonly metrics: Readonly<Record<string, number>>;
}

export interface EpochInfo<P = unknown> {
  readonly epoch: number;
  readonly step: number;
  readonly point: TrainPoint;
  /** As they are now; disposed with the next step. */
  readonly parameters: P;
}

export interface TrainCallback<P = unknown> {
  /** In order, but a few steps late: steps run ahead of what is read back. */
  onStep?(info: StepInfo): void;
  /** Awaited. Ends the training when it returns 'stop', or a promise of it. */
  onEpoch?(info: EpochInfo<P>): unknown;
}

export interface TrainProgress extends Progress {
  /** Steps so far; `iteration` counts finished epochs. */
  readonly step: number;
}

export interface TrainOptions<P, B, S = undefined>
  extends Omit<SolverOptions, 'onProgress' | 'tolerance' | 'maxIterations'> {
  readonly optimizer: Optimizer<unknown>;
  /** The batches of epoch 1, 2, ...: the same ones whenever the same epoch is asked for, if checkpoints are to resume exactly. */
  readonly batches: (epoch: number) => Batches<B>;
  /** Default: 10. */
  readonly epochs?: number;
  /** After each epoch. Default: none. */
  readonly validation?: Validation<P, B, S>;
  /** Default: none. */
  readonly earlyStopping?: EarlyStopping;
  /** Default: none are written. */
  readonly checkpoint?: CheckpointOptions;
  /** Default: none. */
  readonly callbacks?: readonly TrainCallback<P>[];
  /** At most every 40 ms. */
  readonly onProgress?: (progress: TrainProgress) => void;
}

/** One epoch; `objective` is the mean training loss. */
export interface TrainPoint extends HistoryPoint {
  /** Means over the epoch's batches, weighted by their rows: 'loss' and the metrics. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Means over the validation data. */
  readonly validation?: Readonly<Record<string, number>>;
}

export interface TrainReport {
  /** Early stopping has ended it. */
  readonly converged: boolean;
  readonly reason: 'epochs' | 'early-stopping' | 'callback';
  /** Epochs. */
  readonly iterations: number;
  readonly steps: number;
  /** Mean training loss of the epoch whose parameters are returned. */
  readonly objective: number;
  readonly history: readonly TrainPoint[];
  /** Seconds of this call. */
  readonly time: number;
  /** Where it went on from, and which newer checkpoints were refused and why. */
  readonly resumed?: { readonly path: string; readonly step: number; readonly refused: readonly string[] };
}

export interface TrainResult<P, S> {
  /** Dispose them when done. */
  readonly parameters: P;
  readonly state: S;
  readonly report: TrainReport;
}
