/// <reference types="node" />
import { EventEmitter } from 'node:events';

/** A place in a log's order of importance. */
export type Level = 'error' | 'warn' | 'info' | 'debug' | 'trace';

/** The context of a running job: the second argument of its function. */
export interface Context {
  /** The job's public id: 32 hexadecimal digits. */
  readonly id: string;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** Milliseconds until the deadline; `Infinity` without one. The coordinator enforces it. */
  readonly remaining: number;
  /** The W3C `traceparent` of the request, if there is one. */
  readonly traceparent: string | undefined;
  /** The `tracestate` beside it, if there is one. */
  readonly tracestate: string | undefined;
  /** The data that the pool gave to each of its workers. */
  readonly workerData: unknown;
  /** Whether somebody reads chunks. */
  readonly streaming: boolean;
  /**
   * Whether the job was cancelled. With the guard, this is true at once, also in a loop that never returns to the
   * event loop.
   */
  readonly cancelled: boolean;
  /** Aborts when the job is cancelled. It needs the event loop to turn: pass it to `fetch`, timers and the like. */
  readonly signal: AbortSignal;
  /** Throws `Cancelled` if the job was cancelled. */
  check(): void;
  /**
   * Content type of an output of bytes over HTTP: `type/subtype` without parameters, at most 255 bytes.
   *
   * @throws TypeError for another text
   */
  contentType: string | undefined;
  /**
   * Reports how far the job is, in units of the function's choice.
   *
   * @throws RangeError unless both are whole numbers, 0 or more
   */
  progress(done: number | bigint, total?: number | bigint): void;
  /**
   * Emits one piece of output: JSON or bytes, at most 1 MiB. Resolves when the next one may follow: the reader is at
   * most 16 chunks behind. Without a reader, chunks are dropped and counted.
   *
   * @throws RangeError for a longer chunk
   * @throws Cancelled if the job was cancelled
   */
  chunk(value: unknown): Promise<void>;
  /** Writes a line to the server's log, with the job's id. `message` and `target` are cut at 16 KiB. */
  log(level: Level, message: unknown, target?: string): void;
}

/** The argument of `init`. */
export interface Startup {
  /** The data that the pool gave to each of its workers. */
  readonly workerData: unknown;
  /** The worker's name in logs and reports. */
  readonly worker: string;
  /** The pool's name. */
  readonly pool: string | undefined;
}

/** https://standardschema.dev: zod, valibot, arktype and others. */
export interface StandardSchema<Output> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    validate(value: unknown): StandardResult<Output> | Promise<StandardResult<Output>>;
  };
}
type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string }[] };

/** A JSON Schema. It is shown, and compared between workers. It checks nothing. */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown };

/** A function's output, or a generator whose yields are chunks and whose return value is the output. */
export type Result<Output> =
  | Output
  | PromiseLike<Output>
  | Generator<unknown, Output, void>
  | AsyncGenerator<unknown, Output, void>;

/** A job, as `serve` takes it. */
export interface JobDefinition<Input, Output> {
  /** Name of the job. Default: the function's, or else the file's. */
  name?: string;
  /** Version of the contract. Raise it when input or output change their meaning. Default: 1. */
  version?: number;
  /** Version of the worker's own package, for people. */
  build?: string;
  /** Checks inputs, if it is a Standard Schema: others get `bad_input` (400). */
  input?: StandardSchema<Input> | JsonSchema;
  /** Checks outputs, if it is a Standard Schema. */
  output?: StandardSchema<Output> | JsonSchema;
  /** Loads state before the worker is ready. An error fails the start. */
  init?(startup: Startup): unknown;
  /**
   * Runs one job. The input is JSON, or a `Buffer` with memory of its own. Bytes that it returns are sent as they are.
   */
  run(input: Input, context: Context): Result<Output>;
  /**
   * `false`: no thread reads cancels and the end of the coordinator. For functions that never block the event loop.
   * Default: `true`.
   */
  guard?: boolean;
}

/**
 * Makes this process a worker: runs the function for each job, one after the other, until the coordinator ends the
 * process. A process that no coordinator started explains itself and exits with code 2.
 *
 * @throws TypeError for a definition that is none
 */
export function serve<Input = any, Output = unknown>(
  job: JobDefinition<Input, Output> | ((input: Input, context: Context) => Result<Output>),
): void;

/**
 * A function throws it to report an error to its caller: outcome `failed`, HTTP 422. Any other error is outcome
 * `broke`, HTTP 500. In both cases the worker takes the next job.
 */
export class Failure extends Error {
  constructor(message: string, options?: FailureOptions);
  readonly code: string;
  readonly details: unknown;
  readonly retryable: boolean;
}

export interface FailureOptions {
  /** A short word for programs. Default: `failed`. */
  code?: string;
  /** JSON for programs; left out above 16 KiB. */
  details?: unknown;
  /** Whether the same job may succeed later. Default: `false`. */
  retryable?: boolean;
  cause?: unknown;
}

/** A job did not succeed. Its subclasses stand for the outcomes. */
export class JobError extends Error {
  constructor(message: string, problem?: Problem);
  /** The server's answer. */
  readonly problem: Problem;
  /** The outcome's name, such as `crashed`. */
  readonly outcome: string | undefined;
  /** The code that the function reported, or the reason for which the pool refused the job. */
  readonly code: string | undefined;
  /** The details that the function reported. */
  readonly details: unknown;
  /** Whether the function may have run. `false` is certain. */
  readonly mayHaveRun: boolean;
}

/** An answer in `application/problem+json`. */
export interface Problem {
  readonly type?: string;
  readonly status?: number;
  readonly detail?: string;
  readonly outcome?: string;
  readonly may_have_run?: boolean;
  readonly [member: string]: any;
}

/** The input is not what the function takes. A worker's function may throw it, too. */
export class BadInput extends JobError {}
/** The function threw a `Failure`. */
export class Failed extends JobError {}
/** The function threw another error. Its worker goes on. */
export class Broke extends JobError {}
/** Nobody caught an error outside of the function. The worker was replaced. */
export class Panicked extends JobError {}
/** The worker died. `problem.crash` is the report. */
export class Crashed extends JobError {}
/** The deadline passed. */
export class TimedOut extends JobError {}
/** The job was cancelled. Its `name` is `AbortError`. */
export class Cancelled extends JobError {
  constructor(message?: string, problem?: Problem);
}
/** The worker broke the protocol. */
export class ProtocolError extends JobError {}
/** The output exceeds `maxPayload`. */
export class OutputTooLarge extends JobError {}
/** The payload has killed too many workers, and is not run for a while. */
export class Poisoned extends JobError {}
/** The pool shut down before the job ended. */
export class ShutDown extends JobError {}
/** The pool did not accept the job. `code` says why. */
export class Refused extends JobError {}

/** Options of a pool's `run`. */
export interface RunOptions {
  /** Cancels the job, and rejects with `Cancelled`, whose name is `AbortError`. An emitter of `abort` serves, too. */
  signal?: AbortSignal | EventEmitter | null;
  /** Deadline for queue and run together: milliseconds, or a text such as `2s`. */
  timeout?: number | string | null;
  /** Another function of the file. */
  name?: string | null;
  /** Another file than the pool's. Not in a pool with `listen`, where others may send jobs. */
  filename?: string | URL | null;
  /** Buffers that become unusable here, as between threads. */
  transferList?: readonly ArrayBuffer[] | null;
}

/** A time: milliseconds, a text such as `30s`, or `none`. `null` and `Infinity` are `none`. */
export type Duration = number | string | null;
/** A size: bytes, or a text such as `64 MiB`. */
export type Size = number | string;

/**
 * Options of a pool. Each key of `[pools.NAME]` in docs/configuration.md is an option in camelCase, with the default of
 * the server.
 */
export interface PoolOptions {
  /** A file that exports a function: a path, or a `file:` URL. */
  filename?: string | URL | null;
  /** The function's name. Default: `default`, which is `module.exports` of a CommonJS module. */
  name?: string;
  /** Instead of `filename`: program and arguments of any worker. Values are JSON and bytes then. */
  command?: readonly string[];
  minWorkers?: number;
  maxWorkers?: number;
  /** The same as `minWorkers` and `maxWorkers`. */
  minThreads?: number;
  maxThreads?: number;
  /** Maximum number of jobs that wait for a worker. */
  queue?: number;
  maxQueue?: number | 'auto';
  timeout?: Duration;
  runTimeout?: Duration;
  maxTimeout?: Duration;
  grace?: Duration;
  startTimeout?: Duration;
  stopTimeout?: Duration;
  idleTimeout?: Duration;
  /** Arguments of the file, and of Node. */
  argv?: readonly unknown[];
  execArgv?: readonly string[];
  /** JSON: `workerData` of `node:worker_threads` in the file. */
  workerData?: unknown;
  /** Limits of a worker's heap, in MiB. A worker above them crashes, and is replaced. */
  resourceLimits?: {
    maxOldGenerationSizeMb?: number;
    maxYoungGenerationSizeMb?: number;
    stackSizeMb?: number;
  };
  currentDir?: string;
  env?: Readonly<Record<string, string>>;
  inheritEnv?: readonly string[];
  queueBytes?: Size;
  maxPayload?: Size;
  idempotent?: boolean;
  maxAttempts?: number;
  saveFailedJobs?: string;
  savedJobs?: number;
  saveHistory?: number;
  admission?: boolean;
  spares?: number;
  processPerJob?: boolean;
  recycleJobs?: number;
  recycleLifetime?: Duration;
  recycleMemory?: Size;
  breakerFailures?: number;
  breakerWindow?: Duration;
  poisonDeaths?: number;
  poisonWindow?: Duration;
  retryOutOfMemory?: boolean;
  memoryLimit?: Size;
  cpuLimit?: Duration;
  openFilesLimit?: number;
  processLimit?: number;
  fileSizeLimit?: Size;
  nice?: number;
  niceIncrement?: number;
  /** Options of Piscina's threads, which mean nothing to processes. */
  useAtomics?: boolean;
  recordTiming?: boolean;
  trackUnmanagedFds?: boolean;
  /** A worker runs one job at a time. */
  concurrentTasksPerWorker?: 1;
  /** Where the pool's server listens. Default: a Unix socket that only this user can use. */
  listen?: string;
}

/**
 * Runs jobs in the processes of a server. Emits `drain` when a job has ended and none waits, and `needsDrain` when a
 * job came that fills the queue.
 */
export interface JobRunner extends NodeJS.EventEmitter {
  /**
   * Runs a job, and resolves to its output.
   *
   * @throws JobError of a subclass, by the outcome
   */
  run(task: any, options?: RunOptions): Promise<any>;
  /** The workers, as `GET /v1/pools/{pool}/workers` shows them. */
  workers(): Promise<readonly Record<string, any>[]>;
  /** Queue, outcomes and times, as `GET /v1/pools/{pool}` shows them. */
  stats(): Promise<Record<string, any>>;
  /** Number of jobs that have been given to `run` and have not ended. */
  readonly pending: number;
  /** Number of jobs that have ended, however they ended. */
  readonly completed: number;
  /** Milliseconds since the pool was made. */
  readonly duration: number;
  /** Number of jobs that wait for a worker. Of a server that runs already: of those that have not ended. */
  readonly queueSize: number;
  /** Whether the next job would be refused because `maxQueue` jobs wait. */
  readonly needsDrain: boolean;
  /** Accepts no further jobs, lets the others end, and closes. */
  close(): Promise<void>;
  /** Closes at once. Jobs that run or wait are rejected with `ShutDown`. */
  destroy(): Promise<void>;
}

/**
 * A pool with a `procpool serve` of its own, which ends with this process. The executable is `$PROCPOOL`, that of the
 * package for this platform, or `procpool` on PATH. An idle pool does not keep its program alive.
 */
export class Pool extends EventEmitter implements JobRunner {
  /** @throws TypeError for an option that does not exist */
  constructor(options: PoolOptions);
  /** Returns a pool of a server that runs already. Values are JSON and bytes. */
  static at(url: string, pool: string): JobRunner;
  run(task: any, options?: RunOptions): Promise<any>;
  workers(): Promise<readonly Record<string, any>[]>;
  stats(): Promise<Record<string, any>>;
  readonly pending: number;
  readonly completed: number;
  readonly duration: number;
  readonly queueSize: number;
  readonly needsDrain: boolean;
  /** A copy of the options, by the names of this package: `maxWorkers` for `maxThreads`. */
  readonly options: Readonly<Record<string, any>>;
  /** Minimum and maximum number of workers. */
  readonly minThreads: number;
  readonly maxThreads: number;
  /** Version of this package. */
  static readonly version: string;
  close(): Promise<void>;
  destroy(): Promise<void>;
}
