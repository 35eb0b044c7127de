/** The Node side of the pairing harness: one long-lived process that answers one JSON line per JSON line (harness/protocol.ts). */
import { createInterface } from 'node:readline';
import { hardwareInfo, setThreads } from 'cotangent';
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

async function answerTo(request: Request): Promise<Omit<Answer, 'idle'>> {
  switch (request.op) {
    case 'start': {
      if (isPeer) return { versions: { node: process.version } };
      setThreads(request.threads);
      const device = hardwareInfo();
      return {
        threads: device.threads,
        versions: { node: process.version, blas: device.blas, simd: device.simdTarget },
      };
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
      const started = performance.now();
      await run.call(runner, request.repetitions);
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
