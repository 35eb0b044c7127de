/** The Node side of the pairing harness: one long-lived process that answers one JSON line per JSON line (harness/protocol.ts). */
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { DeviceError, defaultDevice, hardwareInfo, setDefaultDevice, setThreads } from 'cotangent';
import { findCase } from './cases/index.js';
import { readArrays, writeArrays } from './harness/data.js';
import type { Answer, Request } from './harness/protocol.js';
import type { Runner } from './harness/types.js';

/** Whether this process is a peer's: a case's `startPeer`. */
const isPeer = process.argv.includes('--peer');

let runner: Runner | undefined;

function prepared(): Runner {
  if (!runner) throw new Error("Expected 'prepare' first, received no case.");
  return runner;
}

/** The version of jax-js, which exports neither it nor its package.json. */
async function jaxVersion(): Promise<string> {
  const description = new URL('../package.json', import.meta.resolve('@jax-js/jax'));
  return (JSON.parse(await readFile(description, 'utf8')) as { version: string }).version;
}

async function answerTo(request: Request): Promise<Omit<Answer, 'idle'>> {
  switch (request.op) {
    case 'start': {
      if (isPeer) return { versions: { node: process.version, 'jax-js': await jaxVersion() } };
      try {
        setDefaultDevice(request.device);
      } catch (error) {
        if (error instanceof DeviceError) return { unavailable: error.message };
        throw error;
      }
      setThreads(request.threads);
      const { threads, blas, simdTarget } = hardwareInfo();
      const on = defaultDevice();
      const device: Record<string, string> = on.kind === 'cpu' ? {} : { device: on.describe() };
      return { threads, versions: { node: process.version, blas, simd: simdTarget, ...device } };
    }
    case 'prepare': {
      const found = findCase(request.case);
      if (found.kind !== 'paired') throw new Error(`Expected a paired case, received '${request.case}'.`);
      const begin = isPeer ? found.startPeer : found.start;
      if (!begin) throw new Error(`Expected a case with a peer in Node, received '${request.case}'.`);
      runner = await begin.call(found, request.parameters, await readArrays(request.data));
      return {};
    }
    case 'result': {
      await prepared().begin?.();
      const values = await prepared().result();
      const arrays = Object.fromEntries(
        Object.entries(values).map(([name, array]) => [name, { values: array, shape: [array.length] }]),
      );
      return { arrays: await writeArrays(arrays, request.folder, 'ours') };
    }
    case 'time': {
      const { begin, run } = prepared();
      await begin?.call(runner);
      const timed = () => run.call(runner, request.repetitions);
      if (!isPeer) return { seconds: await defaultDevice().time(timed) };
      const started = performance.now();
      await timed();
      return { seconds: (performance.now() - started) / 1e3 };
    }
    case 'measure': {
      const found = findCase(request.case);
      if (found.kind !== 'limit') throw new Error(`Expected a case with limits, received '${request.case}'.`);
      return { measurements: await found.measure() };
    }
    case 'exit':
      process.exit(0);
  }
}

// The protocol owns standard output; what a library logs goes to standard error.
const send = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr) as typeof process.stdout.write;

let answered = performance.now();
let used = process.cpuUsage();
for await (const line of createInterface({ input: process.stdin })) {
  const spent = process.cpuUsage(used);
  const idle = { wall: (performance.now() - answered) / 1e3, cpu: (spent.user + spent.system) / 1e6 };
  let answer: Answer;
  try {
    answer = { ...(await answerTo(JSON.parse(line) as Request)), idle };
  } catch (error) {
    answer = { error: error instanceof Error ? (error.stack ?? error.message) : String(error), idle };
  }
  send(`${JSON.stringify(answer)}\n`);
  answered = performance.now();
  used = process.cpuUsage();
}
