// What `import` from 'procpool' gives: the same objects as `require`.
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
