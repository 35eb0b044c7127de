/** The training loop: what it computes, how it ends, and that a resumed training is the same bit for bit. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { HostRandom } from '../../lib/data/random.js';
import {
  adam,
  arrayBatches,
  chain,
  clipByGlobalNorm,
  dataArray,
  disposeTree,
  equal,
  memory,
  nn,
  random,
  schedules,
  sgd,
  type Tensor,
  type TrainOptions,
  type TrainPoint,
  tensor,
  train,
  treeLeaves,
} from '../../lib/index.js';

const folders = mkdtempSync(join(tmpdir(), 'cotangent-train-'));
afterAll(() => rmSync(folders, { recursive: true, force: true }));
let count = 0;
const newFolder = (): string => join(folders, String(count++));

/** Two noisy rings of points around the origin. */
function rings(rows: number, seed: number) {
  const source = HostRandom.fromSeed(seed);
  const x = new Float32Array(2 * rows);
  const labels = new Int32Array(rows);
  for (let k = 0; k < rows; k++) {
    labels[k] = k % 2;
    const [angle, radius] = [2 * Math.PI * source.uniform(), 1 + labels[k] + 0.3 * source.uniform()];
    x.set([radius * Math.cos(angle), radius * Math.sin(angle)], 2 * k);
  }
  return { x: dataArray(x, [rows, 2]), y: dataArray(labels, [rows]) };
}

type Batch = { x: Tensor; y: Tensor };
type Parameters = { hidden: nn.DenseParameters; norm: nn.NormParameters; output: nn.DenseParameters };

/** A network with everything that a checkpoint must bring back: running statistics and dropout. */
function problem() {
  const [a, b] = random.split(random.key(11)) as [Tensor, Tensor];
  const predict = (p: Parameters, x: Tensor, state: nn.BatchNormState, key?: Tensor) => {
    const mode = key ? 'train' : 'eval';
    const [h, next] = nn.batchNorm(p.norm, state, nn.dense(p.hidden, x), { mode });
    const active = nn.relu(h);
    return { logits: nn.dense(p.output, key ? nn.dropout(key, active, 0.2) : active), next };
  };
  return {
    predict,
    parameters: { hidden: nn.heDense(a, 2, 16), norm: nn.initNorm([16]), output: nn.initDense(b, 16, 2) } as Parameters,
    state: nn.initBatchNormState(16),
    loss: (p: Parameters, { x, y }: Batch, { key, state }: { key: Tensor; state: nn.BatchNormState }) => {
      const { logits, next } = predict(p, x, state, key);
      const accuracy = equal(logits.argMax(1), y).cast('float32').mean();
      return { loss: nn.softmaxCrossEntropy(logits, y), metrics: { accuracy }, state: next };
    },
  };
}

const data = rings(90, 1);
const optimizer = chain(clipByGlobalNorm(1), adam(schedules.cosine({ initial: 0.05, steps: 60 })));
type Options = TrainOptions<Parameters, Batch, nn.BatchNormState>;
// Ten batches an epoch.
const options: Options = { optimizer, batches: arrayBatches(data, { batchSize: 9, seed: 3 }), epochs: 6, seed: 5 };

const bits = async (tree: unknown) =>
  Promise.all(treeLeaves(tree).map(async (leaf) => Buffer.from((await leaf.data()).buffer).toString('hex')));
const timeless = (history: readonly TrainPoint[]) => history.map(({ time: _, ...rest }) => rest);

describe('train', () => {
  it('learns, with metrics and validation in the history', async () => {
    const { predict, ...rest } = problem();
    const test = rings(60, 2);
    const { parameters, state, report } = await train(rest, {
      ...options,
      optimizer: adam(0.05),
      batches: arrayBatches(data, { batchSize: 30 }),
      epochs: 60,
      validation: {
        batches: () => arrayBatches(test, { batchSize: 32, shuffle: false })(),
        metrics: (p, { x, y }, s) => ({
          accuracy: equal(predict(p, x, s).logits.argMax(1), y)
            .cast('float32')
            .mean(),
        }),
      },
    });
    expect(report).toMatchObject({ reason: 'epochs', converged: false, iterations: 60, steps: 180 });
    const last = report.history.at(-1) as TrainPoint;
    expect(last.metrics.accuracy).toBeGreaterThan(0.8);
    expect(last.validation?.accuracy).toBeGreaterThan(0.9);
    expect(last.objective).toBe(last.metrics.loss);
    expect(report.objective).toBe(last.objective);
    // The validation figure is the mean over all rows: recomputed at once.
    const logits = predict(parameters, tensor(test.x.data, { shape: [60, 2] }), state).logits;
    const hits = await equal(logits.argMax(1), tensor(test.y.data)).cast('float32').mean().item();
    expect(last.validation?.accuracy).toBeCloseTo(hits, 6);
    disposeTree([parameters, state]);
  });

  it('makes the steps of its optimiser, and weighs batches by their rows', async () => {
    // w <- w − 0.1 (w − mean of the batch), from 0.
    const rows = dataArray(Float64Array.of(1, 2, 3, 4, 10), [5]);
    const losses: number[] = [];
    const { parameters, report } = await train(
      {
        parameters: { w: tensor([0], { dtype: 'float64' }) },
        loss: ({ w }, { x }: { x: Tensor }) => x.sub(w).square().mean().mul(0.5),
      },
      {
        optimizer: sgd(0.1),
        batches: arrayBatches({ x: rows }, { batchSize: 2, shuffle: false }),
        epochs: 2,
        callbacks: [{ onStep: ({ metrics }) => losses.push(metrics.loss) }],
      },
    );
    let w = 0;
    const expected: number[] = [];
    for (let epoch = 0; epoch < 2; epoch++) {
      for (const batch of [[1, 2], [3, 4], [10]]) {
        expected.push(batch.reduce((total, x) => total + (x - w) ** 2, 0) / (2 * batch.length));
        w -= 0.1 * (w - batch.reduce((total, x) => total + x, 0) / batch.length);
      }
    }
    losses.forEach((loss, k) => {
      expect(loss).toBeCloseTo(expected[k], 12);
    });
    expect(losses.length).toBe(6);
    expect((await parameters.w.data())[0]).toBeCloseTo(w, 12);
    expect(report.history[0].objective).toBeCloseTo((2 * expected[0] + 2 * expected[1] + expected[2]) / 5, 12);
  });

  it('is the same bit for bit with the same seed, and another with another one', async () => {
    const { predict: _, ...rest } = problem();
    const [a, b, c] = [
      await train(rest, options),
      await train(rest, options),
      await train(rest, { ...options, seed: 6 }),
    ];
    expect(await bits(a.parameters)).toEqual(await bits(b.parameters));
    expect(await bits(a.parameters)).not.toEqual(await bits(c.parameters));
    expect(rest.parameters.hidden.weight.disposed).toBe(false);
  });

  it('keeps the event loop free', async () => {
    const { predict: _, ...rest } = problem();
    let [worst, last] = [0, Number.POSITIVE_INFINITY];
    let running = true;
    const tick = (): void => {
      const now = performance.now();
      worst = Math.max(worst, now - last);
      last = now;
      if (running) setTimeout(tick, 0);
    };
    // The first epoch compiles; from then on no turn of the event loop is long.
    const onEpoch = ({ epoch }: { epoch: number }): void => {
      if (epoch === 1) tick();
    };
    await train(rest, { ...options, epochs: 12, callbacks: [{ onEpoch }] });
    running = false;
    // A step blocks for well below a millisecond; the rest is room for a busy machine.
    expect(worst).toBeGreaterThan(0);
    expect(worst).toBeLessThan(250);
  });

  it('leaves nothing behind, whether it ends or fails', async () => {
    const { predict: _, ...rest } = problem();
    const before = memory().handles;
    const result = await train(rest, { ...options, epochs: 2 });
    disposeTree([result.parameters, result.state]);
    expect(memory().handles).toBe(before);
    const diverging = train(
      { parameters: rest.parameters, loss: (p: Parameters) => p.hidden.weight.sum().mul(Number.NaN) },
      { ...(options as unknown as TrainOptions<Parameters, Batch>) },
    );
    await expect(diverging).rejects.toThrow(/Expected a finite loss, received NaN at step 1, epoch 1/);
    expect(memory().handles).toBe(before);
  });
});

describe('early stopping', () => {
  /** The loss after epoch k is losses[k]; w counts the steps. */
  const run = (losses: number[], stopping: object) =>
    train(
      {
        parameters: { w: tensor([0], { dtype: 'float64' }) },
        loss: ({ w }, { x }: { x: Tensor }) => x.sum().add(w.sum().mul(0)).sub(w.sum()).add(w.sum()),
      },
      {
        optimizer: {
          init: () => [],
          update: (g, state) => ({ updates: { w: (g as { w: Tensor }).w.mul(0).add(1) } as typeof g, state }),
        },
        batches: (epoch) => [{ x: dataArray(Float64Array.of(losses[epoch - 1]), [1]) }],
        epochs: losses.length,
        earlyStopping: { metric: 'loss', ...stopping },
      },
    );

  it('ends after `patience` epochs without improvement and returns the best parameters', async () => {
    const { parameters, report } = await run([5, 3, 4, 3.5, 3.2, 1], { patience: 3 });
    expect(report).toMatchObject({ reason: 'early-stopping', converged: true, iterations: 5, objective: 3 });
    expect((await parameters.w.data())[0]).toBe(2);
  });

  it('returns the last ones when asked to, counts a least change, and can look for a maximum', async () => {
    const last = await run([5, 3, 4, 3.5], { patience: 2, restoreBest: false });
    expect((await last.parameters.w.data())[0]).toBe(4);
    const delta = await run([5, 4.9, 4.8, 4.7], { patience: 2, minimumDelta: 0.5 });
    expect(delta.report).toMatchObject({ reason: 'early-stopping', iterations: 3, objective: 5 });
    const most = await run([1, 2, 1, 3, 2, 2], { patience: 2, mode: 'max' });
    expect(most.report).toMatchObject({ iterations: 6, objective: 3 });
  });

  it('refuses a metric that does not exist', async () => {
    await expect(run([1], { metric: 'validation.loss' })).rejects.toThrow(
      /earlyStopping.metric out of loss, received 'validation.loss'/,
    );
  });
});

describe('checkpoints', () => {
  const { predict: _, ...rest } = problem();
  const newest = (folder: string): string => join(folder, readdirSync(folder).sort().at(-1) as string);

  const stepOf = (path: string): number => Number(/step-(\d+)/.exec(path)?.[1]);

  /** Trains with checkpoints until step 37, in the middle of an epoch, where an error plays the crash. */
  async function interrupted(folder: string, extra: Partial<Options> = {}): Promise<void> {
    const crash = {
      onStep: ({ step }: { step: number }) => {
        if (step === 37) throw new Error('crash');
      },
    };
    const checkpoint = { folder, everySteps: 7, keep: 3 };
    await expect(train(rest, { ...options, ...extra, checkpoint, callbacks: [crash] })).rejects.toThrow('crash');
  }

  it('resume exactly: parameters, state and history are those of a training that was not interrupted', async () => {
    const whole = await train(rest, options);
    const folder = newFolder();
    await interrupted(folder);
    expect(readdirSync(folder).length).toBe(3);
    const last = stepOf(newest(folder));
    expect(last).toBe(35);
    const resumed = await train(rest, { ...options, checkpoint: { folder } });
    expect(resumed.report.resumed).toMatchObject({ step: last, refused: [] });
    expect(await bits([resumed.parameters, resumed.state])).toEqual(await bits([whole.parameters, whole.state]));
    expect(timeless(resumed.report.history)).toEqual(timeless(whole.report.history));
    expect(resumed.report.steps).toBe(60);
    // Finished is finished: another call returns the same at once.
    const again = await train(rest, { ...options, checkpoint: { folder } });
    expect(again.report.resumed?.step).toBe(60);
    expect(await bits(again.parameters)).toEqual(await bits(whole.parameters));
    expect(readdirSync(folder).length).toBe(2);
  });

  it.each([
    ['cut short', (path: string) => truncateSync(path, Math.floor(readFileSync(path).length / 2)), /truncated|header/],
    ['empty', (path: string) => truncateSync(path, 0), /truncated/],
    [
      'changed in one bit',
      (path: string) => {
        const bytes = readFileSync(path);
        bytes[bytes.length - 5] ^= 4;
        writeFileSync(path, bytes);
      },
      /intact checkpoint/,
    ],
  ] as const)('that is %s is refused, and the previous one serves', async (_, damage, reason) => {
    const whole = await train(rest, options);
    const folder = newFolder();
    await interrupted(folder);
    const path = newest(folder);
    damage(path);
    const previous = stepOf(join(folder, readdirSync(folder).sort().at(-2) as string));
    const resumed = await train(rest, { ...options, checkpoint: { folder } });
    expect(resumed.report.resumed?.step).toBe(previous);
    expect(resumed.report.resumed?.refused.length).toBe(1);
    expect(resumed.report.resumed?.refused[0]).toMatch(reason);
    expect(resumed.report.resumed?.refused[0]).toContain(path);
    expect(await bits(resumed.parameters)).toEqual(await bits(whole.parameters));
  });

  it('brings back what early stopping remembers', async () => {
    const stopping = { ...options, epochs: 40, earlyStopping: { metric: 'loss', patience: 3 } };
    const whole = await train(rest, stopping);
    const folder = newFolder();
    await interrupted(folder, { epochs: 40, earlyStopping: stopping.earlyStopping });
    const resumed = await train(rest, { ...stopping, checkpoint: { folder } });
    expect(resumed.report.iterations).toBe(whole.report.iterations);
    expect(resumed.report.objective).toBe(whole.report.objective);
    expect(await bits([resumed.parameters, resumed.state])).toEqual(await bits([whole.parameters, whole.state]));
  });

  it('are refused when all are damaged, of another model, or not expected', async () => {
    const folder = newFolder();
    await interrupted(folder);
    const other = { ...options, optimizer: sgd(0.1), checkpoint: { folder } };
    await expect(train(rest, other)).rejects.toThrow(/belongs to another model, optimiser or run/);
    await expect(train(rest, { ...options, seed: 9, checkpoint: { folder } })).rejects.toThrow(/with seed 9/);
    await expect(train(rest, { ...options, checkpoint: { folder, resume: false } })).rejects.toThrow(
      /Expected a folder without checkpoints, received 3/,
    );
    for (const name of readdirSync(folder)) truncateSync(join(folder, name), 40);
    await expect(train(rest, { ...options, checkpoint: { folder } })).rejects.toThrow(/received 3 damaged ones/);
  });

  it('leave no partial file under a final name when they cannot be written', async () => {
    const folder = newFolder();
    const blocked = join(folder, 'file');
    await train(rest, { ...options, epochs: 1, checkpoint: { folder } });
    writeFileSync(blocked, '');
    await expect(train(rest, { ...options, checkpoint: { folder: join(blocked, 'below') } })).rejects.toMatchObject({
      code: 'ERR_DOMAIN',
    });
    expect(existsSync(join(blocked, 'below'))).toBe(false);
    expect(readdirSync(folder).filter((name) => name.endsWith('.partial'))).toEqual([]);
  });
});

describe('abort', () => {
  it('ends the training, and a later call goes on from what was written', async () => {
    const { predict: _, ...rest } = problem();
    const folder = newFolder();
    const controller = new AbortController();
    const { signal } = controller;
    const stop = { onEpoch: ({ epoch }: { epoch: number }) => (epoch === 3 ? controller.abort() : undefined) };
    const aborted = train(rest, { ...options, checkpoint: { folder }, signal, callbacks: [stop] });
    await expect(aborted).rejects.toMatchObject({ code: 'ERR_ABORTED', op: 'train' });
    const [whole, resumed] = [await train(rest, options), await train(rest, { ...options, checkpoint: { folder } })];
    expect(resumed.report.resumed?.step).toBeGreaterThanOrEqual(20);
    expect(await bits(resumed.parameters)).toEqual(await bits(whole.parameters));
  });
});

describe('options', () => {
  const { predict: _, ...rest } = problem();

  it('are checked', async () => {
    await expect(train(rest, { ...options, epoch: 3 } as Options)).rejects.toThrow(/received 'epoch'/);
    await expect(train(rest, { ...options, epochs: 0 })).rejects.toThrow(
      /epochs to be a whole number >= 1, received 0/,
    );
    await expect(train(rest, { ...options, batches: () => [] })).rejects.toThrow(/at least one batch in epoch 1/);
    const vector = { ...rest, loss: (p: Parameters) => p.norm.scale };
    await expect(train(vector, options)).rejects.toThrow(/one float scalar/);
    const stop = { onEpoch: async () => 'stop' };
    expect((await train(rest, { ...options, callbacks: [stop] })).report).toMatchObject({
      reason: 'callback',
      iterations: 1,
    });
  });

  it('take batches from a stream', async () => {
    async function* stream(epoch: number) {
      for (const batch of arrayBatches(data, { batchSize: 9, seed: 3 })(epoch)) {
        await new Promise((resolve) => setImmediate(resolve));
        yield batch;
      }
    }
    const seen: number[] = [];
    const onProgress = ({ iteration }: { iteration: number }) => seen.push(iteration);
    const streamed = await train(rest, { ...options, batches: stream, epochs: 2, onProgress });
    const direct = await train(rest, { ...options, epochs: 2 });
    expect(await bits(streamed.parameters)).toEqual(await bits(direct.parameters));
    expect(seen).toContain(1);
    expect(seen.at(-1)).toBe(2);
  });
});
