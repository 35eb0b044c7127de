/** A long-lived worker process that answers one JSON line per request. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Answer, Request } from './protocol.js';

/** Characters of standard error kept to explain a failure. */
const keptErrors = 4000;

export class WorkerProcess {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly ended: Promise<void>;
  private errors = '';
  private waiting: { resolve(line: string): void; reject(error: Error): void } | undefined;
  private closed = false;

  constructor(
    readonly label: string,
    command: string,
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ) {
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...environment } });
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.errors = (this.errors + text).slice(-keptErrors);
    });
    // A worker that dies closes the pipe under a request; `ended` reports that, so the pipe's own error is not news.
    this.child.stdin.on('error', () => {});
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      const { waiting } = this;
      this.waiting = undefined;
      waiting?.resolve(line);
    });
    this.ended = new Promise((resolve) => {
      const finish = (reason: string) => {
        this.closed = true;
        this.waiting?.reject(
          new Error(`[bench] The ${this.label} process ended (${reason}).\n${this.errors}`.trimEnd()),
        );
        this.waiting = undefined;
        resolve();
      };
      this.child.on('error', (error) => finish(error.message));
      this.child.on('close', (code, signal) => finish(signal ?? `exit code ${code}`));
    });
  }

  async ask(request: Request): Promise<Answer> {
    if (this.closed) throw new Error(`[bench] The ${this.label} process has ended.\n${this.errors}`.trimEnd());
    const line = await new Promise<string>((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.child.stdin.write(`${JSON.stringify(request)}\n`);
    });
    const answer = JSON.parse(line) as Answer;
    if (answer.error !== undefined) {
      throw new Error(
        `[bench] The ${this.label} process failed at '${request.op}': ${answer.error}\n${this.errors}`.trimEnd(),
      );
    }
    return answer;
  }

  /** Asks the process to leave; after 5 s it is killed. */
  async close(): Promise<void> {
    if (!this.closed) this.child.stdin.end(`${JSON.stringify({ op: 'exit' })}\n`);
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 5000);
    await this.ended;
    clearTimeout(timer);
  }
}
