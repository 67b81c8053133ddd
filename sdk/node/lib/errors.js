// @ts-check
'use strict';
// Errors of jobs. A worker's function throws `Failure`, `BadInput` or `Cancelled`; a host catches `JobError` and its
// subclasses, one for each outcome.

/**
 * Marks what a worker's function throws, so that the error of another copy of this package counts as well: that of
 * `procpool-node` may not be the one that the function has loaded.
 */
const MARK = Symbol.for('procpool.error');

/**
 * A worker's function throws it to report an error to its caller: outcome `failed`, HTTP 422. The worker takes the
 * next job. Any other error is outcome `broke`, HTTP 500.
 */
class Failure extends Error {
  /**
   * @param {string} message a sentence for people, cut to 16 KiB
   * @param {object} [options]
   * @param {string} [options.code] a short word for programs
   * @param {unknown} [options.details] JSON for programs; left out above 16 KiB
   * @param {boolean} [options.retryable] whether the same job may succeed later
   * @param {unknown} [options.cause]
   */
  constructor(message, { code = 'failed', details, retryable = false, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'Failure';
    this.code = code;
    this.details = details;
    this.retryable = retryable;
  }

  get [MARK]() {
    return 'failure';
  }
}

/** A job did not succeed. */
class JobError extends Error {
  /**
   * @param {string} message
   * @param {Record<string, any>} [problem] the answer of the server, as docs/http.md lists its members
   */
  constructor(message, problem = {}) {
    super(message);
    this.name = new.target.name;
    this.problem = problem;
    /** @type {string | undefined} a word for programs, such as `crashed` */
    this.outcome = problem.outcome;
    /** @type {string | undefined} what the function reported, or why the pool refused the job */
    this.code = problem.code ?? problem.reason;
    /** @type {unknown} what the function reported */
    this.details = problem.details;
    /** Whether the function may have run. `false` is certain. @type {boolean} */
    this.mayHaveRun = problem.may_have_run ?? true;
  }
}

/** The input is not what the function takes. A worker's function may throw it, too. */
class BadInput extends JobError {
  get [MARK]() {
    return 'bad_input';
  }
}
/** The function threw a `Failure`. */
class Failed extends JobError {}
/** The function threw another error. Its worker goes on. */
class Broke extends JobError {}
/** An error was thrown outside of the function, and nobody caught it. The worker was replaced. */
class Panicked extends JobError {}
/** The worker died. `problem.crash` is the report. */
class Crashed extends JobError {}
/** The deadline passed. */
class TimedOut extends JobError {}
/** The worker broke the protocol. */
class ProtocolError extends JobError {}
/** The output exceeds `maxPayload`. */
class OutputTooLarge extends JobError {}
/** The payload has killed too many workers, and is not run for a while. */
class Poisoned extends JobError {}
/** The pool shut down before the job ended. */
class ShutDown extends JobError {}
/** The pool did not accept the job. `code` says why. */
class Refused extends JobError {}

/** The job was cancelled. Its name is `AbortError`, as that of other aborted operations. */
class Cancelled extends JobError {
  /**
   * @param {string} [message]
   * @param {Record<string, any>} [problem]
   */
  constructor(message = 'the job was cancelled', problem = { outcome: 'cancelled' }) {
    super(message, problem);
    this.name = 'AbortError';
  }
}

/**
 * @param {unknown} error
 * @returns {error is Failure}
 */
const isFailure = (error) => /** @type {any} */ (error)?.[MARK] === 'failure';

/**
 * @param {unknown} error
 * @returns {error is BadInput}
 */
const isBadInput = (error) => /** @type {any} */ (error)?.[MARK] === 'bad_input';

/** @type {Record<string, typeof JobError>} */
const BY_OUTCOME = {
  bad_input: BadInput,
  failed: Failed,
  broke: Broke,
  panicked: Panicked,
  crashed: Crashed,
  timed_out: TimedOut,
  cancelled: Cancelled,
  protocol_error: ProtocolError,
  output_too_large: OutputTooLarge,
  poisoned: Poisoned,
  shut_down: ShutDown,
};

/**
 * Returns the error that a server's problem stands for.
 *
 * @param {Record<string, any>} problem
 * @returns {JobError}
 */
function errorOfProblem(problem) {
  const name = String(problem.type ?? '').replace(/^.*\//, '');
  const Class = BY_OUTCOME[problem.outcome] ?? (name === 'refused' ? Refused : JobError);
  return new Class(problem.detail ?? problem.title ?? 'the server gave no reason', problem);
}

module.exports = {
  Failure,
  JobError,
  BadInput,
  Failed,
  Broke,
  Panicked,
  Crashed,
  TimedOut,
  Cancelled,
  ProtocolError,
  OutputTooLarge,
  Poisoned,
  ShutDown,
  Refused,
  isFailure,
  isBadInput,
  errorOfProblem,
};
