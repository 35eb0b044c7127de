/** `cotangent doctor`: what this installation runs on, and whether it computes correctly. */
import { type DeviceState, device, devices, hardwareInfo } from '../core/device.js';
import type { NativeInfo } from '../core/native.js';
import { namedDatasets } from '../data/dataset.js';
import { packageInfo } from './package-info.js';
import { exitCodes, oneLine, type Surroundings, writeJson } from './terminal.js';
import { formatBytes } from './text.js';

interface DeviceDiagnosis extends DeviceState {
  /** What it is, when it can be used. */
  readonly description?: string;
}

export interface Diagnosis {
  readonly version: string;
  readonly node: { readonly version: string; readonly required: string; readonly supported: boolean };
  readonly platform: string;
  readonly addon: { readonly loaded: boolean; readonly error?: string };
  /** These four are null without the addon. */
  readonly simd: { readonly target: string; readonly supported: readonly string[] } | null;
  readonly blas: { readonly name: string; readonly faults: readonly string[] } | null;
  readonly threads: { readonly used: number; readonly hardware: number } | null;
  readonly memory: { readonly used: number; readonly limit: number } | null;
  readonly devices: readonly DeviceDiagnosis[];
  readonly datasets: readonly { readonly name: string; readonly available: boolean; readonly install: string }[];
  /** Everything that is broken, one sentence each; missing data sets and devices are not. */
  readonly problems: readonly string[];
}

/** Asks every part. Never throws for a part that is broken: that is what it reports. */
export function diagnose(): Diagnosis {
  const { version, engines } = packageInfo();
  const supported = isAtLeast(process.versions.node, engines.node.replace('>=', ''));
  const addon = askAddon();
  const problems: string[] = [];
  if (!supported) problems.push(`Node ${process.versions.node} is older than cotangent needs (${engines.node}).`);
  if (!addon.info) problems.push(addon.error);
  for (const fault of addon.info?.blasFaults ?? []) problems.push(`BLAS computes wrongly: ${fault}`);
  const info = addon.info;
  return {
    version,
    node: { version: process.versions.node, required: engines.node, supported },
    platform: `${process.platform}-${process.arch}`,
    addon: info ? { loaded: true } : { loaded: false, error: addon.error },
    simd: info ? { target: info.simdTarget, supported: info.simdTargets } : null,
    blas: info ? { name: info.blas, faults: info.blasFaults } : null,
    threads: info ? { used: info.threads, hardware: info.hardwareThreads } : null,
    memory: info ? addon.memory : null,
    devices: info
      ? devices().map(tryDevice)
      : ['cpu', 'cuda', 'cuda:emulated'].map((name) => ({
          name,
          available: false,
          reason: 'the native addon cannot be loaded',
        })),
    datasets: namedDatasets.map(({ name, available, install }) => ({ name, available: available(), install })),
    problems,
  };
}

/** Opens what should be there: only then is it known to work. */
function tryDevice(state: DeviceState): DeviceDiagnosis {
  if (!state.available) return state;
  try {
    return { ...state, description: device(state.name).describe() };
  } catch (error) {
    return { name: state.name, available: false, reason: oneLine((error as Error).message) };
  }
}

type AddonState =
  | { readonly info: NativeInfo; readonly memory: { readonly used: number; readonly limit: number } }
  | { readonly info?: undefined; readonly error: string };

function askAddon(): AddonState {
  try {
    const info = hardwareInfo();
    const { used, limit } = device('cpu').memory();
    return { info, memory: { used, limit } };
  } catch (error) {
    // The loader adds the list of modules that asked for the addon; only its first line says what is wrong.
    return { error: oneLine((error as Error).message.replace(/\nRequire stack:(\n- .*\.js)*/, '')) };
  }
}

function isAtLeast(version: string, required: string): boolean {
  const numbers = version.split('.').map(Number);
  for (const [k, least] of required.split('.').map(Number).entries()) {
    if ((numbers[k] ?? 0) !== least) return (numbers[k] ?? 0) > least;
  }
  return true;
}

/** Prints the diagnosis. Returns 1 when something is broken. */
export function doctor({ stdout }: Surroundings, options: { readonly json?: boolean }): number {
  const diagnosis = diagnose();
  if (options.json) writeJson(stdout, diagnosis);
  else stdout.write(describe(diagnosis));
  return diagnosis.problems.length > 0 ? exitCodes.failure : exitCodes.success;
}

function describe(diagnosis: Diagnosis): string {
  const { node, addon, simd, blas, threads, memory: bytes, devices, datasets, problems } = diagnosis;
  const lines: [good: boolean | undefined, name: string, value: string][] = [
    [node.supported, 'Node', `${node.version} on ${diagnosis.platform} (needs ${node.required})`],
    [addon.loaded, 'native addon', addon.loaded ? 'loaded' : (addon.error as string)],
  ];
  if (simd) lines.push([true, 'SIMD', `${simd.target} (this machine can run ${simd.supported.join(', ')})`]);
  if (blas) {
    const verdict = blas.faults.length === 0 ? 'computes correctly' : blas.faults.join('; ');
    lines.push([blas.faults.length === 0, 'BLAS', `${blas.name}: ${verdict}`]);
  }
  if (threads) lines.push([true, 'threads', `${threads.used} (hardware: ${threads.hardware})`]);
  if (bytes) lines.push([true, 'memory', `${formatBytes(bytes.used)} used, limit ${formatBytes(bytes.limit)}`]);
  for (const { name, available, reason, description } of devices) {
    const state = available ? `ready: ${description}` : `unavailable: ${reason}`;
    lines.push([available || undefined, `device ${name}`, state]);
  }
  for (const { name, available, install } of datasets) {
    lines.push([available || undefined, `data ${name}`, available ? 'installed' : `missing: ${install}`]);
  }
  const width = Math.max(...lines.map(([, name]) => name.length));
  const mark = (good: boolean | undefined) => (good === undefined ? '-' : good ? '✓' : '✗');
  const verdict =
    problems.length === 0 ? 'Everything works.' : `${problems.length} problem${problems.length > 1 ? 's' : ''} found.`;
  const body = lines.map(([good, name, value]) => `  ${mark(good)} ${name.padEnd(width)}  ${value}`).join('\n');
  return `cotangent ${diagnosis.version}\n\n${body}\n\n${verdict}\n`;
}
