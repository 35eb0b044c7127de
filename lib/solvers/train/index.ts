/** train: mini-batch training with metrics, validation, early stopping and checkpoints, on a stream of its own. */
import { tensor } from '../../core/concrete.js';
import { AbortError, DomainError, ShapeError } from '../../core/errors.js';
import { logicalOr, mul } from '../../core/ops/elementwise.js';
import { Tensor } from '../../core/tensor.js';
import { flatten, mapTree, treeLeaves } from '../../core/tree.js';
import { HostRandom } from '../../data/random.js';
import { valueAndGrad } from '../../transforms/differentiate.js';
import { jit } from '../../transforms/jit.js';
import { applyUpdates } from '../gradient-transformations.js';
import { checkCount, checkKeys, checkPositive, resolveDevice } from '../options.js';
import { type Work, work } from '../work.js';
import { type Loaded, loadCheckpoint, openFolder, restoreLeaves, saveCheckpoint } from './checkpoint.js';
import { checkMetrics, type MeanState, Means, readMetrics, rowsOf, type Values } from './metrics.js';
import type {
  Batches,
  EarlyStopping,
  HostBatch,
  LossResult,
  TrainOptions,
  TrainPoint,
  TrainProblem,
  TrainReport,
  TrainResult,
} from './types.js';

export type * from './types.js';

const OP = 'train';
const optionKeys = [
  ...['optimizer', 'batches', 'epochs', 'validation', 'earlyStopping', 'checkpoint', 'callbacks'],
  ...['signal', 'onProgress', 'seed', 'device'],
];
/** Steps that run ahead of the metrics read back: enough to keep the device busy, few enough to stay far from a full queue. */
const AHEAD = 8;
const PROGRESS_INTERVAL = 40;

type Carry<P, S> = { parameters: P; optimizer: unknown; state: S };

/** Where training stands, besides the tensors. */
interface Notes {
  readonly structure: string;
  readonly seed: number;
  /** The epoch in progress, and how many of its batches are done. */
  epoch: number;
  batch: number;
  means: MeanState;
  history: TrainPoint[];
  best: { value: number; epoch: number } | null;
  /** Early stopping or a callback has ended it. */
  ended: 'early-stopping' | 'callback' | null;
}

/**
 * Trains parameters by mini-batches: gradients of `loss`, updates by the optimiser. Each step is one native Program; a few run
 * ahead of what is read back, so neither the device nor the event loop waits.
 *
 * @param problem  parameters, the loss, and a state that is carried.
 * @param options.optimizer  required.  @param options.batches  required.  @param options.epochs  Default: 10.
 * @param options.seed  of the keys that the loss gets, one a step. Default: 0.
 * @returns parameters, state, and a report with the metrics of every epoch.
 * @throws {NumericalError} the loss is not finite, with the step.  {ShapeError | DTypeError} a loss or metric that is not a float
 *   scalar, an epoch without batches.  {DomainError} options out of range, a watched metric that does not exist, or a checkpoint of
 *   another model.  {AbortError} the signal fired; what was written before stays.
 * @example
 *   const { parameters, report } = await train(
 *     { parameters: nn.heDense(random.key(0), 784, 10), loss: (p, { x, y }: Batch) => nn.softmaxCrossEntropy(nn.dense(p, x), y) },
 *     { optimizer: adam(1e-3), batches: arrayBatches({ x, y }, { batchSize: 128 }), epochs: 5 },
 *   );
 */
export async function train<P, B, S = undefined>(
  problem: TrainProblem<P, B, S>,
  options: TrainOptions<P, B, S>,
): Promise<TrainResult<P, S>> {
  checkKeys(OP, problem, ['parameters', 'state', 'loss']);
  checkKeys(OP, options, optionKeys);
  const device = resolveDevice(OP, options.device, [...treeLeaves(problem.parameters), ...treeLeaves(problem.state)]);
  checkCount(OP, 'epochs', options.epochs ?? 10);
  checkCount(OP, 'seed', options.seed ?? 0, 0);
  checkStopping(options.earlyStopping);
  if (options.checkpoint) {
    checkKeys(OP, options.checkpoint, ['folder', 'everySteps', 'keep', 'resume']);
    checkCount(OP, 'checkpoint.keep', options.checkpoint.keep ?? 2);
    if (options.checkpoint.everySteps !== undefined)
      checkCount(OP, 'checkpoint.everySteps', options.checkpoint.everySteps);
  }
  return work(OP, options, device, async (here) => new Training(here, problem, options).run());
}

function checkStopping(stopping: EarlyStopping | undefined): void {
  if (!stopping) return;
  checkKeys(OP, stopping, ['metric', 'patience', 'minimumDelta', 'mode', 'restoreBest']);
  checkCount(OP, 'earlyStopping.patience', stopping.patience ?? 5);
  checkPositive(OP, 'earlyStopping.minimumDelta', stopping.minimumDelta ?? 0, { zero: true });
  if (!['min', 'max'].includes(stopping.mode ?? 'min')) {
    throw new DomainError(OP, `Expected earlyStopping.mode 'min' or 'max', received '${stopping.mode}'`);
  }
}

/** A copy with a buffer of its own, to be given away. */
const copy = <T>(tree: T): T => mapTree(tree, (x) => (x.dtype === 'bool' ? logicalOr(x, x) : mul(x, 1)));

class Training<P, B, S> {
  private readonly started = performance.now();
  private readonly epochs: number;
  private readonly step: (
    carry: Carry<P, S>,
    batch: B,
    key: Tensor,
  ) => { carry: Carry<P, S>; metrics: Record<string, Tensor> };
  private readonly validate: ((carry: Carry<P, S>, batch: B) => Record<string, Tensor>) | undefined;
  private readonly keyWords: readonly [number, number];
  private carry: Carry<P, S>;
  /** Parameters and state of the best epoch, while they are wanted. */
  private kept: { parameters: P; state: S } | undefined;
  private notes: Notes;
  private steps = 0;
  private lastProgress = 0;

  constructor(
    private readonly here: Work,
    problem: TrainProblem<P, B, S>,
    private readonly options: TrainOptions<P, B, S>,
  ) {
    const { optimizer, validation, seed = 0 } = options;
    this.epochs = options.epochs ?? 10;
    const words = HostRandom.fromSeed(seed);
    this.keyWords = [words.bits(), words.bits()];
    this.step = jit(
      (carry: Carry<P, S>, batch: B, key: Tensor) => {
        const { parameters, state } = carry;
        let detailed = false;
        const evaluate = (p: P): LossResult<S> => {
          const result = problem.loss(p, batch, { key, state });
          if (result instanceof Tensor) return { loss: result };
          detailed = true;
          return result;
        };
        const [loss, gradients] = valueAndGrad((p: P) => evaluate(p).loss)(parameters);
        // Traced a second time for what is not differentiated; the passes merge the equations with those of the value.
        const { metrics = {}, state: next = state } = detailed ? evaluate(parameters) : ({} as LossResult<S>);
        const update = optimizer.update(gradients as P, carry.optimizer, parameters);
        return {
          carry: { parameters: applyUpdates(parameters, update.updates), optimizer: update.state, state: next },
          metrics: checkMetrics(OP, { ...metrics, loss }),
        };
      },
      { donate: [0] },
    ) as unknown as typeof this.step;
    this.validate =
      validation &&
      (jit((carry: Carry<P, S>, batch: B) =>
        checkMetrics(OP, validation.metrics(carry.parameters, batch, carry.state)),
      ) as unknown as typeof this.validate);
    this.carry = here.run(() => {
      const parameters = copy(here.place(problem.parameters));
      return { parameters, optimizer: copy(optimizer.init(parameters)), state: copy(here.place(problem.state)) as S };
    });
    const structure = flatten(OP, this.carry).shape.text;
    this.notes = {
      structure,
      seed,
      epoch: 1,
      batch: 0,
      means: new Means().state(),
      history: [],
      best: null,
      ended: null,
    };
  }

  async run(): Promise<TrainResult<P, S>> {
    const { checkpoint } = this.options;
    let resumed: TrainReport['resumed'];
    if (checkpoint) {
      const resume = checkpoint.resume ?? true;
      await openFolder(OP, checkpoint.folder, resume);
      const loaded = resume ? await loadCheckpoint<Notes>(OP, checkpoint.folder) : undefined;
      if (loaded) {
        this.restore(loaded);
        resumed = { path: loaded.path, step: loaded.step, refused: loaded.refused };
      }
    }
    while (this.notes.epoch <= this.epochs && !this.notes.ended) await this.runEpoch();

    const { history, best, ended } = this.notes;
    const returned = this.kept && best ? best.epoch : history.length;
    const { parameters, state } = this.kept ?? this.carry;
    return {
      parameters,
      state,
      report: {
        converged: ended === 'early-stopping',
        reason: ended ?? 'epochs',
        iterations: history.length,
        steps: this.steps,
        objective: history[returned - 1]?.objective as number,
        history,
        time: (performance.now() - this.started) / 1000,
        resumed,
      },
    };
  }

  private async runEpoch(): Promise<void> {
    const { epoch } = this.notes;
    const means = new Means(this.notes.means);
    const { checkpoint } = this.options;
    const pending: { metrics: Record<string, Tensor>; rows: number; step: number }[] = [];
    const settle = async (most: number): Promise<void> => {
      while (pending.length > most) {
        const { metrics, rows, step } = pending.shift() as (typeof pending)[number];
        const values = await readMetrics(OP, metrics, `step ${step}, epoch ${epoch}`);
        means.add(values, rows);
        for (const callback of this.options.callbacks ?? []) callback.onStep?.({ epoch, step, metrics: values });
        this.progress(epoch - 1, values.loss as number, step);
      }
    };
    let seen = 0;
    for await (const batch of this.options.batches(epoch)) {
      this.checkAborted();
      // After a resume the batches that were done before are passed over.
      if (seen++ < this.notes.batch) continue;
      this.notes.batch = seen;
      this.steps++;
      pending.push(this.advance(batch));
      await settle(AHEAD);
      if (checkpoint?.everySteps && this.steps % checkpoint.everySteps === 0) {
        await settle(0);
        this.notes.means = means.state();
        await this.save();
      }
    }
    await settle(0);
    if (means.isEmpty) throw new ShapeError(OP, `Expected at least one batch in epoch ${epoch}, received none`);
    await this.endEpoch(means.means());
  }

  /** Enqueues one step. */
  private advance(batch: HostBatch<B>): { metrics: Record<string, Tensor>; rows: number; step: number } {
    const step = this.steps;
    const before = this.carry;
    const { carry, metrics, rows } = this.here.run(() => {
      const tensors = this.here.place(toTensors(batch)) as B;
      // A counter behind a fixed word: the keys of different steps differ, and the generator mixes the rest.
      const key = tensor(Uint32Array.of(this.keyWords[0], (this.keyWords[1] + step) >>> 0));
      return { ...this.step(before, tensors, key), rows: rowsOf(tensors) };
    });
    this.carry = carry;
    return { metrics, rows, step };
  }

  private async endEpoch(metrics: Values): Promise<void> {
    const { notes } = this;
    const validation = this.validate && (await this.validateAll());
    const point: TrainPoint = {
      iteration: notes.epoch,
      time: (performance.now() - this.started) / 1000,
      objective: metrics.loss as number,
      metrics,
      ...(validation && { validation }),
    };
    notes.history.push(point);
    this.judge(point);
    for (const callback of this.options.callbacks ?? []) {
      const info = { epoch: notes.epoch, step: this.steps, point, parameters: this.carry.parameters };
      if ((await callback.onEpoch?.(info)) === 'stop') notes.ended ??= 'callback';
    }
    this.progress(notes.epoch, point.objective, this.steps, true);
    notes.epoch++;
    notes.batch = 0;
    notes.means = new Means().state();
    if (this.options.checkpoint) await this.save();
  }

  private async validateAll(): Promise<Values> {
    const means = new Means();
    const validate = this.validate as NonNullable<typeof this.validate>;
    for await (const batch of (this.options.validation as { batches: () => Batches<B> }).batches()) {
      this.checkAborted();
      const { metrics, rows } = this.here.run(() => {
        const tensors = this.here.place(toTensors(batch)) as B;
        return { metrics: validate(this.carry, tensors), rows: rowsOf(tensors) };
      });
      means.add(await readMetrics(OP, metrics, `validation after epoch ${this.notes.epoch}`), rows);
    }
    if (means.isEmpty) throw new ShapeError(OP, 'Expected at least one batch of validation data, received none');
    return means.means();
  }

  /** Early stopping: is this epoch the best, and has the best been too long ago? */
  private judge(point: TrainPoint): void {
    const { earlyStopping: stopping } = this.options;
    if (!stopping) return;
    const { metric, patience = 5, minimumDelta = 0, mode = 'min', restoreBest = true } = stopping;
    const named = { ...point.metrics, ...prefixed(point.validation) };
    const value = named[metric];
    if (value === undefined) {
      throw new DomainError(
        OP,
        `Expected earlyStopping.metric out of ${Object.keys(named).join(', ')}, received '${metric}'`,
      );
    }
    const { best, epoch } = this.notes;
    const better = !best || (mode === 'min' ? value < best.value - minimumDelta : value > best.value + minimumDelta);
    if (better) {
      this.notes.best = { value, epoch };
      if (!restoreBest) return;
      for (const leaf of treeLeaves(this.kept)) leaf.dispose();
      this.kept = this.here.run(() => copy({ parameters: this.carry.parameters, state: this.carry.state }));
    } else if (epoch - best.epoch >= patience) this.notes.ended = 'early-stopping';
  }

  private async save(): Promise<void> {
    const { folder, keep = 2 } = this.options.checkpoint as { folder: string; keep?: number };
    const leaves = [...treeLeaves(this.carry), ...treeLeaves(this.kept)];
    await saveCheckpoint(OP, folder, { step: this.steps, notes: this.notes }, leaves, keep);
  }

  private restore({ step, notes, arrays, path }: Loaded<Notes>): void {
    const { structure, seed } = this.notes;
    if (notes.structure !== structure || notes.seed !== seed) {
      const show = (n: { structure: string; seed: number }): string => `${n.structure} with seed ${n.seed}`;
      throw new DomainError(
        OP,
        `Expected a checkpoint of ${show(this.notes)} at ${path}, received one of ${show(notes)}`,
        {
          hint: 'it belongs to another model, optimiser or run',
        },
      );
    }
    const old = this.carry;
    const current = treeLeaves(old);
    this.here.run(() => {
      const hasBest = arrays.length > current.length;
      const like = hasBest ? [...current, ...treeLeaves({ parameters: old.parameters, state: old.state })] : current;
      const leaves = restoreLeaves(OP, path, arrays, like);
      this.carry = mapTree(old, (_, k) => leaves[k] as Tensor);
      if (hasBest) {
        const best = { parameters: old.parameters, state: old.state };
        this.kept = mapTree(best, (_, k) => leaves[current.length + k] as Tensor);
      }
      return [this.carry, this.kept];
    });
    for (const leaf of current) leaf.dispose();
    this.notes = notes;
    this.steps = step;
  }

  private progress(iteration: number, objective: number, step: number, always = false): void {
    const now = performance.now();
    if (!always && now - this.lastProgress < PROGRESS_INTERVAL) return;
    this.lastProgress = now;
    this.options.onProgress?.({ iteration, maxIterations: this.epochs, objective, step });
  }

  private checkAborted(): void {
    if (this.options.signal?.aborted) throw new AbortError(OP, 'Expected to run to the end, received an abort signal');
  }
}

function prefixed(validation: Readonly<Values> | undefined): Values {
  return Object.fromEntries(Object.entries(validation ?? {}).map(([name, value]) => [`validation.${name}`, value]));
}

/** Plain arrays in a batch as tensors. */
function toTensors(batch: unknown): unknown {
  if (batch instanceof Tensor || typeof batch !== 'object' || batch === null) return batch;
  if (ArrayBuffer.isView(batch)) return tensor(batch);
  if (Array.isArray(batch)) return batch.map(toTensors);
  const { data, shape, dtype } = batch as { data?: unknown; shape?: readonly number[]; dtype?: 'float32' };
  if (ArrayBuffer.isView(data) && Array.isArray(shape)) return tensor(data, { dtype, shape });
  return Object.fromEntries(Object.entries(batch).map(([name, value]) => [name, toTensors(value)]));
}
