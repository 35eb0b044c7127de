/**
 * Times one case beside its peers: our Node worker and the peers' (Python, or Node as well) live through the whole case, get the same files, must produce
 * equal results, and then take turns: ours, peer, ours, peer, ... Without a peer on the device ours is timed alone.
 */
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readArrays, writeArrays } from './data.js';
import { benchFolder } from './paths.js';
import { WorkerProcess } from './process.js';
import type { Idle } from './protocol.js';
import { type Block, compareBlocks, largestDifference, median, significant } from './statistics.js';
import { caseId, type DataSet, type DetailedRow, type PairedCase, type Peer } from './types.js';

export interface PairingOptions {
  /** Where both sides compute. */
  readonly device: string;
  /** Undefined: there are no peers in Python on the device. */
  readonly python: string | undefined;
  readonly threads: number;
  readonly blocks: number;
  /** Aimed length of a side's part of a block. */
  readonly blockSeconds: number;
  readonly seed: number;
  readonly log: (line: string) => void;
}

export interface Versions {
  readonly ours: Readonly<Record<string, string>>;
  readonly peers: Readonly<Record<string, string>>;
}

export interface PairingResult {
  readonly rows: readonly DetailedRow[];
  readonly versions: Versions;
}

/** The versions of one more case: its peers may be others than those of the cases before. */
export function addVersions(before: Versions | undefined, { ours, peers }: Versions): Versions {
  return { ours, peers: { ...before?.peers, ...peers } };
}

/** The pause before each timed part: longer than any thread pool on either side spins after its last work. */
const settleMilliseconds = 50;
/** Parts shorter than this are too short to calibrate from. */
const calibrationSeconds = 0.05;

export function nodeWorker(): WorkerProcess {
  return new WorkerProcess('Node', process.execPath, [join(benchFolder, 'dist', 'worker.js')]);
}

function nodePeer(): WorkerProcess {
  return new WorkerProcess('Node peer', process.execPath, [join(benchFolder, 'dist', 'worker.js'), '--peer']);
}

function pythonWorker(python: string, threads: number): WorkerProcess {
  // The peer's own defaults, except: the thread count, and no pool of compiler processes that outlives torch.compile.
  return new WorkerProcess('Python', python, [join(benchFolder, 'worker.py')], {
    OMP_NUM_THREADS: String(threads),
    MKL_NUM_THREADS: String(threads),
    TORCHINDUCTOR_COMPILE_THREADS: '1',
  });
}

function startOther(paired: PairedCase, python: string | undefined, threads: number): WorkerProcess | undefined {
  if (paired.startPeer) return nodePeer();
  return python === undefined ? undefined : pythonWorker(python, threads);
}

/** Starts a worker on the device and returns its versions. @throws {Error} the device or the thread count cannot be had. */
async function startSide(
  worker: WorkerProcess,
  { device, threads }: Pick<PairingOptions, 'device' | 'threads'>,
  threaded = true,
): Promise<Readonly<Record<string, string>>> {
  const answer = await worker.ask({ op: 'start', threads, device });
  if (answer.unavailable !== undefined) throw new Error(answer.unavailable);
  // A peer in Node has one thread, and no setting.
  if (threaded && answer.threads !== threads) {
    throw new Error(`[bench] Expected ${worker.label} to run on ${threads} threads, received ${answer.threads}.`);
  }
  return answer.versions ?? {};
}

/** @throws {Error} why the device cannot be used: the message of the `DeviceError`. */
export async function requireDevice(device: string): Promise<void> {
  const worker = nodeWorker();
  try {
    await startSide(worker, { device, threads: 1 });
  } finally {
    await worker.close();
  }
}

/** One side of a pair. */
class Side {
  repetitions = 1;
  idleLoad = 0;

  constructor(
    private readonly worker: WorkerProcess,
    private readonly peer: string,
  ) {}

  /** Seconds of one timed part. */
  async time(): Promise<number> {
    await sleep(settleMilliseconds);
    const answer = await this.worker.ask({ op: 'time', peer: this.peer, repetitions: this.repetitions });
    this.noteIdle(answer.idle);
    return answer.seconds as number;
  }

  private noteIdle({ wall, cpu }: Idle): void {
    this.idleLoad = Math.max(this.idleLoad, cpu / wall);
  }

  /** Warms up, then chooses how many repetitions fill a part. */
  async calibrate(seconds: number): Promise<void> {
    await this.time();
    let elapsed = await this.time();
    while (elapsed < calibrationSeconds) {
      this.repetitions = Math.ceil(
        this.repetitions * Math.min(10, (1.5 * calibrationSeconds) / Math.max(elapsed, 1e-9)),
      );
      elapsed = await this.time();
    }
    this.repetitions = Math.max(1, Math.round((this.repetitions * seconds) / elapsed));
    this.idleLoad = 0;
  }
}

function values(arrays: DataSet): Record<string, ArrayLike<number>> {
  return Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, array.values]));
}

/** How far a peer's result is from ours (or from the data that it reproduces on purpose). @throws {Error} beyond the tolerance. */
async function checkPeer(
  paired: PairedCase,
  peer: Peer,
  worker: WorkerProcess,
  folder: string,
  ours: DataSet,
  data: DataSet,
): Promise<number> {
  const { arrays = {} } = await worker.ask({ op: 'result', peer: peer.name, folder });
  const theirs = await readArrays(arrays);
  await Promise.all(Object.values(arrays).map(({ file }) => rm(file)));
  const wanted = peer.reproduces ? { [peer.reproduces[0]]: data[peer.reproduces[1]] as DataSet[string] } : ours;
  const agreement = largestDifference(values(wanted), values(theirs));
  const tolerance = peer.reproduces ? 0 : paired.tolerance;
  if (!(agreement <= tolerance)) {
    throw new Error(
      `[bench] Expected ${paired.name} and ${peer.name} to agree within ${tolerance}, received a difference of ${agreement}.`,
    );
  }
  return agreement;
}

async function timeAlone(paired: PairedCase, node: WorkerProcess, options: PairingOptions): Promise<DetailedRow> {
  options.log(`${paired.name} alone: ${options.blocks} blocks`);
  const side = new Side(node, 'none');
  await side.calibrate(options.blockSeconds);
  const milliseconds: number[] = [];
  for (let block = 0; block < options.blocks; block++) {
    milliseconds.push(((await side.time()) * 1e3) / (side.repetitions * paired.callsPerRepetition));
  }
  return {
    name: paired.name,
    size: paired.size,
    ours_ms: significant(median(milliseconds)),
    peer: 'none',
    peer_ms: null,
    ratio: null,
    agreement: null,
    limit: null,
    met: null,
    ratio_min: null,
    ratio_max: null,
    blocks: options.blocks,
    repetitions: [side.repetitions, 0],
    idle_load: [significant(side.idleLoad), 0],
  };
}

async function timePeer(
  paired: PairedCase,
  peer: Peer,
  node: WorkerProcess,
  other: WorkerProcess,
  options: PairingOptions,
) {
  const ours = new Side(node, peer.name);
  const theirs = new Side(other, peer.name);
  await ours.calibrate(options.blockSeconds);
  await theirs.calibrate(options.blockSeconds);
  const blocks: Block[] = [];
  for (let block = 0; block < options.blocks; block++) {
    const oursSeconds = await ours.time();
    const peerSeconds = await theirs.time();
    blocks.push({
      ours: (oursSeconds * 1e3) / (ours.repetitions * paired.callsPerRepetition),
      peer: (peerSeconds * 1e3) / (theirs.repetitions * paired.callsPerRepetition),
    });
  }
  return { blocks, ours, theirs };
}

export async function runPaired(paired: PairedCase, options: PairingOptions): Promise<PairingResult> {
  const folder = await mkdtemp(join(tmpdir(), 'cotangent-bench-'));
  // An interrupt ends this process without running `finally`; the workers leave when their input closes.
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', removeFolder);
  const { device, python, threads } = options;
  const peers = paired.peers.filter(({ host }) => device === 'cpu' || (python !== undefined && !host));
  const node = nodeWorker();
  const other = startOther(paired, peers.length > 0 ? python : undefined, threads);
  try {
    const data = paired.data(options.seed);
    const files = await writeArrays(data, folder, 'data');
    const prepare = { op: 'prepare', case: caseId(paired), parameters: paired.parameters, data: files } as const;
    const versions = { ours: await startSide(node, options), peers: {} as Readonly<Record<string, string>> };
    if (!other) {
      await node.ask(prepare);
      return { rows: [await timeAlone(paired, node, options)], versions };
    }
    versions.peers = await startSide(other, options, !paired.startPeer);
    await node.ask(prepare);
    await other.ask(prepare);
    const { arrays = {} } = await node.ask({ op: 'result', peer: 'ours', folder });
    const ours = await readArrays(arrays);

    // Every peer is checked before any is timed.
    const agreements: number[] = [];
    for (const peer of peers) agreements.push(await checkPeer(paired, peer, other, folder, ours, data));

    const rows: DetailedRow[] = [];
    for (const [index, peer] of peers.entries()) {
      options.log(`${paired.name} beside ${peer.name}: ${options.blocks} blocks`);
      const timed = await timePeer(paired, peer, node, other, options);
      const comparison = compareBlocks(timed.blocks);
      const limit = device === 'cpu' ? peer.limit : null;
      rows.push({
        name: paired.name,
        size: paired.size,
        ours_ms: significant(comparison.ours),
        peer: peer.name,
        peer_ms: significant(comparison.peer),
        ratio: significant(comparison.ratio),
        agreement: significant(agreements[index] as number),
        limit,
        met: limit === null ? null : comparison.ratio <= limit,
        ratio_min: significant(comparison.ratioMin),
        ratio_max: significant(comparison.ratioMax),
        blocks: options.blocks,
        repetitions: [timed.ours.repetitions, timed.theirs.repetitions],
        idle_load: [significant(timed.ours.idleLoad), significant(timed.theirs.idleLoad)],
      });
    }
    return { rows, versions };
  } finally {
    await Promise.all([node.close(), other?.close()]);
    process.off('exit', removeFolder);
    removeFolder();
  }
}
