//! The supervision of workers that fail, wear out, idle or are replaced, and about payloads that kill: with
//! real processes, after the scheduler's own tests have tried every order of events.

mod attack;
mod breaker;
mod clients;
mod configuration;
mod figures;
mod hung_up;
mod innocent;
mod poison;
mod quarantine;
mod recycling;
mod reload;
mod remembered;
mod scaling;
mod stopped;
