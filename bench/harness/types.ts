/** What a bench case is, and what the harness makes of it. */

export type HostArray = Float32Array | Float64Array | Int32Array | Uint8Array;

/** A host array with its shape; Uint8Array holds bools. */
export interface Data {
  readonly values: HostArray;
  readonly shape: readonly number[];
}

export type DataSet = Readonly<Record<string, Data>>;

/** Numbers that both twins read; they are part of a case's size. */
export type Parameters = Readonly<Record<string, number>>;

/** Our side of a paired case, living in the worker process. */
export interface Runner {
  /** The values that are compared with the peers', by name. */
  result(): Promise<Record<string, Float32Array | Float64Array>>;
  /** `repetitions` timed repetitions; resolves when the last result exists. */
  run(repetitions: number): Promise<void>;
  /** Restores the input before `result` and before each timed block; not timed. */
  begin?(): Promise<void>;
}

export interface Peer {
  /** The key of the twin's `PEERS`. */
  readonly name: string;
  /** Ours over the peer's time may be at most this, on the CPU. */
  readonly limit: number;
  /** It computes on the host, whatever the device: a peer on the CPU only. */
  readonly host?: true;
  /** For a peer that computes something else on purpose: the data it must reproduce, as [its result, our data] names. */
  readonly reproduces?: readonly [result: string, data: string];
}

/** A case timed beside Python peers; the twin is cases/<name>.py. */
export interface PairedCase {
  readonly kind: 'paired';
  readonly name: string;
  /** Tells cases of one name and twin apart, which differ in their size. */
  readonly variant?: string;
  readonly size: string;
  readonly parameters: Parameters;
  /** Calls in one repetition of `run`, on both sides; times are per call. */
  readonly callsPerRepetition: number;
  readonly peers: readonly Peer[];
  /** Largest difference from a peer's result, in units of that result's largest magnitude. */
  readonly tolerance: number;
  data(seed: number): DataSet;
  start(parameters: Parameters, data: DataSet): Promise<Runner>;
  /** For a peer that lives in Node, too: it runs in a process of its own, instead of the Python one. */
  startPeer?(parameters: Parameters, data: DataSet): Promise<Runner>;
}

/** A figure with an absolute limit, both in ms. */
export interface Measurement {
  readonly size: string;
  readonly measured: number;
  readonly limit: number;
}

/** A case without a peer, run in a fresh worker process on the hardware's threads. */
export interface LimitCase {
  readonly kind: 'limit';
  readonly name: string;
  measure(): Promise<readonly Measurement[]>;
}

export type BenchCase = PairedCase | LimitCase;

/** Unique: the name, and the variant where there are several. */
export function caseId(one: BenchCase): string {
  return one.kind === 'paired' && one.variant !== undefined ? `${one.name}:${one.variant}` : one.name;
}

/** Whether a case means anything on a device: what measures the host, or has a peer in Node, is the CPU's. */
export function runsOn(one: BenchCase, device: string): boolean {
  return device === 'cpu' || (one.kind === 'paired' && !one.startPeer);
}

/** One line of `bench --json`. Times are ms per call, medians over the blocks. */
export interface Row {
  readonly name: string;
  readonly size: string;
  readonly ours_ms: number;
  /** `limit`: an absolute limit; `none`: nothing was timed beside ours, and what would compare is null. */
  readonly peer: string;
  readonly peer_ms: number | null;
  /** Ours over the peer's: the median of the per-block ratios; against the peer `limit`, measured over allowed. */
  readonly ratio: number | null;
  /** Largest difference between the two results, in units of the result's largest magnitude; null against `limit` and `none`. */
  readonly agreement: number | null;
}

/** A row with what the table, the picture and the results file show besides. */
export interface DetailedRow extends Row {
  /** Null where there is none: limits are the CPU's. */
  readonly limit: number | null;
  readonly met: boolean | null;
  readonly ratio_min: number | null;
  readonly ratio_max: number | null;
  readonly blocks: number;
  readonly repetitions: readonly [ours: number, peer: number];
  /** The largest share of one core that each side used while the other one was timed. */
  readonly idle_load: readonly [ours: number, peer: number];
}

/** The row as `--json` prints it: these keys, in this order. */
export function publicRow({ name, size, ours_ms, peer, peer_ms, ratio, agreement }: Row): Row {
  return { name, size, ours_ms, peer, peer_ms, ratio, agreement };
}
