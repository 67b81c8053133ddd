// The exports of `import` from 'procpool': the same objects as those of `require`.
import procpool from './index.js';

export const {
  serve,
  Pool,
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
} = procpool;
