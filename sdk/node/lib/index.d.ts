/// <reference types="node" />

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
  /** What the pool gave to each of its workers. */
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

/** What `init` gets. */
export interface Startup {
  /** What the pool gave to each of its workers. */
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
  /** Loads state before the worker is ready. What it throws fails the start. */
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
 * What a function throws to report an error to its caller: outcome `failed`, HTTP 422. Any other error is outcome
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
  /** What the function reported, or why the pool refused the job. */
  readonly code: string | undefined;
  /** What the function reported. */
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
