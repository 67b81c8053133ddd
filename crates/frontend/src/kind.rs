//! Every type of problem that this server answers with, in one table: its name in `type`, its `title`, and
//! the explanation of `/problems/{name}`. Does not: know statuses, which the outcome or the route decides.

macro_rules! kinds {
    ($($kind:ident $name:literal $title:literal $explanation:literal)*) => {
        /// A type of problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind { $($kind,)* }

        impl Kind {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Returns the last segment of the problem's `type`.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// Returns the summary that is the same in every occurrence, in a few words.
            pub(crate) fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)* }
            }

            /// Returns a paragraph for the person who looks the type up.
            pub(crate) fn explanation(self) -> &'static str {
                match self { $(Self::$kind => $explanation,)* }
            }
        }
    };
}

impl Kind {
    /// Returns the kind with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

kinds! {
    BadInput "bad_input" "The input is not what the job takes"
        "The body is not valid JSON, or it is valid but does not decode to the type that the job takes. The \
         function did not run. `detail` says where; send the same job again only with another body."
    BadParameter "bad_parameter" "A parameter of the request is wrong"
        "A query parameter or a part of the path is unknown, repeated, malformed or out of range; `parameter` \
         names it. Durations need a unit: `timeout=2s`, `run_timeout=500ms`."
    Refused "refused" "The pool did not accept the job"
        "The job was never accepted, so it has no outcome and certainly did not run. `reason` is one of \
         `unknown_pool`, `queue_full`, `queue_bytes_full`, `breaker_open`, `client_quarantined`, `no_slot_in_time`, \
         `deadline_unreachable`, `starting`, `draining`, `shutting_down`, `key_store_full`, `large_inputs_full`, `registry_full`, `store_busy`, `store_full`, `store_broken`, `engine_unreachable`, `not_durable`, `not_supported`, `quota_exceeded`, `too_many_streams`, `input_too_large`, `input_encoding`, \
         `runtime_ended` and `forked`. Where waiting helps, `Retry-After` says for how long."
    UnknownPool "unknown_pool" "There is no such pool"
        "`known` lists the pools of this server; so does GET /v1/pools."
    UnknownWorker "unknown_worker" "There is no such worker"
        "A worker's name is its `id` in GET /v1/pools/{pool}/workers. Names are never used again: the worker may have ended."
    WorkerGone "worker_gone" "The worker has ended"
        "There was a worker of this name, and it has ended. `death` is the address of its death, as long as that is remembered: \
         it has the worker's last lines and how it ended. Names are never used again."
    ProfileRunning "profile_running" "The worker is being profiled"
        "Another request takes a profile of this worker. Send this one again when that is done, at most a minute later."
    StackUnavailable "stack_unavailable" "The worker cannot be looked into"
        "The system forbids it, or the worker does not stop; `detail` says which rule it is, and the way out. `reason` is \
         `forbidden`, which does not change by itself, `busy`, with a `Retry-After`, or `failed`. Nothing has changed, and the \
         worker goes on."
    BadSetting "bad_setting" "The settings cannot be changed so"
        "A setting is unknown, has a value of the wrong kind, or does not fit the others; `detail` says which, and `known` \
         lists those that may change while a pool runs. Nothing has changed."
    SettingsChanged "settings_changed" "The settings are not those of If-Match"
        "`If-Match` named the `ETag` of other settings than the pool has now, which `settings` shows. Read them again with \
         GET /v1/pools/{pool}. Nothing has changed."
    UnknownSchedule "unknown_schedule" "There is no such schedule"
        "GET /v1/schedules lists the schedules of this server. They are in its configuration."
    NoCluster "no_cluster" "The server has no cluster"
        "Only a server with `[cluster]` in its configuration has hosts. This one runs its jobs itself: GET /v1/pools shows where."
    UnknownJob "unknown_job" "There is no such job"
        "No job has this id: its record has expired or made room for others, the server was restarted since, or the job ends \
         with its request and has no record. Only jobs that were sent with `Prefer: respond-async`, `Prefer: wait=…` or an \
         Idempotency-Key have one."
    ResultExpired "result_expired" "The job's result is no longer held"
        "The job has finished, as `outcome` says, and its result has expired, made room for others, or was too large to be \
         held. The job does not run again, also under its Idempotency-Key; send it under another key for that."
    InputExpired "input_expired" "The job's input is no longer held"
        "The server keeps inputs for a while (`keep_results`, `max_input_bytes`), so that their jobs can run again. Nothing was \
         run. Submit the job with its input."
    JobFinished "job_finished" "The job has finished already"
        "It cannot be cancelled any longer. `outcome` is how it ended."
    IdempotencyConflict "idempotency_conflict" "The job with this key has not finished"
        "A request with this Idempotency-Key was accepted before, and its job is waiting or running; `job` is its id. Wait \
         for its result at `Location`, or send the request again with `Prefer: wait=10`. The job runs once."
    IdempotencyMismatch "idempotency_mismatch" "The key belongs to another request"
        "This Idempotency-Key was used with another body or content type. Each request needs a key of its own; nothing was \
         run for this one. A key is free again 24 hours after the end of its job (`keep_keys`)."
    NotFound "not_found" "There is nothing at this path"
        "The server has no route with this path. Jobs are sent with POST to /v1/pools/{pool}/jobs."
    MethodNotAllowed "method_not_allowed" "The path does not take this method"
        "The header `Allow` lists the methods that it takes."
    UnsupportedMediaType "unsupported_media_type" "The body's type is not accepted"
        "A job's input is JSON (application/json, any +json, text/json, a form's type as `curl -d` sends it, or no \
         type at all) or raw bytes (application/octet-stream), without a Content-Encoding."
    NotAcceptable "not_acceptable" "The job cannot be read in this form"
        "`Accept` asks for a form in which this job cannot be read as it runs: chunks that are not raw bytes as \
         application/octet-stream, or a job with a key or a preference as events. `detail` says how to read it. Unless \
         `may_have_run` is true, no job ran."
    BodyTooLarge "body_too_large" "The body is too large"
        "The body exceeds the server's limit, which `limit` tells in bytes. Nothing was run."
    BodyTimeout "body_timeout" "The body did not arrive in time"
        "The request's head arrived but its body was not complete within the server's body timeout. Nothing was \
         run."
    IncompleteBody "incomplete_body" "The body broke off"
        "The connection or the body's framing broke before the body was complete, or the memory that `Job-Memory` names \
         is missing, too short or not sealed. Nothing was run."
    BadRequest "bad_request" "The request's head is malformed"
        "A request names one host, without a user and with a port from 1 to 65535 or without one; HTTP/1.1 names it in \
         `Host`, and an absolute target names the same one. The body has one length: a `Content-Length`, or \
         `chunked` as its only transfer coding. Nothing was run, and the connection is closed."
    Overloaded "overloaded" "The server has too much in hand"
        "As many bytes of bodies or of answers are held as the server may hold, or as many clients are connected as may be \
         and none of them is idle; `reason` says which: `bodies_full`, `answers_full` or `connections_full`. `Retry-After` says when to come back. Unless `may_have_run` is true, \
         no job ran."
    ForeignOrigin "foreign_origin" "Other sites may not use this server"
        "The request comes from a web page of another origin (by its Origin or Sec-Fetch-Site header), or it was \
         sent to a local server under a name that is not its own (DNS rebinding), or a page has embedded what runs a \
         job, as an image for instance. Programs that are no browsers send none of these headers. A proxy's public \
         name can be allowed in the server's configuration. Only GET /livez is open to everybody."
    Unauthorized "unauthorized" "The server does not know who asks"
        "Every request but a probe brings a token of this server, as `Authorization: Bearer TOKEN`. This one brings none, or \
         one that nobody has. `procpool token new NAME` makes one."
    Forbidden "forbidden" "The token is not good for this"
        "It is known who asks, and its token does not allow that: `missing_scope` names the scope, `pool` the pool, or \
         `max_priority` the highest priority that its jobs may have. The file of tokens says what a token allows."
    NotLocal "not_local" "Orders need a proof of who gives them"
        "What changes what is running is for operators, as is what a pool holds against payloads and clients: processes of the server's own user and of root, which the kernel \
         names. They ask over a loopback address without a proxy between (`orders = true` in the configuration), or on the \
         orders socket that `orders` names. Others ask with the token of `orders_token_file`, sent as Authorization: Bearer. \
         SIGHUP reloads, too."
    ReloadFailed "reload_failed" "The new executable was not put into service"
        "`reason` is one of `executable` (the file cannot be used), `canary` (its first worker did not get ready; `detail` \
         says why), `superseded` (a later reload took its place) and `shutting_down`. But for `superseded`, the workers \
         from before go on serving."
    ConfigRejected "config_rejected" "The configuration was not reloaded"
        "`reason` is one of `invalid` (`detail` names the file, the line and the mistake), `start` (a new pool does not start), \
         `no_file` (the server was started without a file) and `not_serving`. The old configuration is in effect."
    NotReady "not_ready" "The server or the pool is not ready"
        "The server is opening its store of jobs, starting or draining, or the pool that was asked for has no worker that is ready. \
         This answer is for load balancers; the next one may be different. `Retry-After` says when to come back, where that is known."
    Failed "failed" "The job returned an error"
        "The function ran and said no. `message`, `code`, `details` and `retryable` are the function's own words."
    Broke "broke" "The job broke"
        "The function broke: it threw an exception or ran into a bug, and the input is not to blame. `message`, `code`, \
         `details` and `retryable` are the function's own words. The worker goes on."
    Panicked "panicked" "The job panicked"
        "The function hit a bug in its own code. `message` and `location` are the panic's, `replay` is the file that \
         `procpool replay` runs again, where jobs are saved. The worker is replaced; other jobs are not affected."
    Crashed "crashed" "The worker died"
        "The process that had the job ended before it answered: by a signal, by exiting, by running out of memory. \
         `crash` has what is known of it: `signal` or `exit_code`, its first and last lines of standard error, its memory \
         and time, and as `replay` the file that `procpool replay` runs again, where jobs are saved. If `quarantined` is true, the payload has \
         killed so many workers that it is not run for `quarantined_ms` milliseconds. Unless \
         `may_have_run` is false, the job may have had side effects. The worker is replaced."
    TimedOut "timed_out" "The job's time is up"
        "The job was not finished within `limit_ms` milliseconds: what the request asked for (`timeout=`, `run_timeout=`), but \
         no more than the pool's `max_timeout`, or what the pool has set. `stage` says whether it was still `queued`, and \
         then did not run, or `running`, and then was ended. Then `replay` is the file that `procpool replay` runs again, \
         where jobs are saved, and `stack` is what the worker did when it was killed."
    Cancelled "cancelled" "The job was cancelled"
        "Somebody cancelled the job, or the function ended itself as cancelled. `stage` says where it was then."
    Poisoned "poisoned" "The payload kills its workers"
        "Workers that were given this payload died of it, `payload_deaths` of them lately, so the pool does not run it \
         for `remaining_ms` milliseconds. This job was not run; if `stage` is `running`, an earlier attempt at it was. \
         Another payload is not affected."
    ProtocolError "protocol_error" "The worker broke the protocol"
        "The worker sent something that it must not send and was killed for it; `violation` says what, and \
         `replay` is the file that `procpool replay` runs again, where jobs are saved. This is a bug of the worker \
         executable, or of the library that it was built with."
    OutputTooLarge "output_too_large" "The output is too large"
        "The job ended well, but its output has `size` bytes and the pool passes on at most `limit` (`max_payload` \
         in the configuration)."
    UnreadableOutput "unreadable_output" "The output cannot be passed on"
        "The job ended well, but its output is neither JSON nor raw bytes. This is a bug of the worker executable."
    ShutDown "shut_down" "The pool shut down"
        "The pool was shut down before the job ended. `stage` says where it was then; a job that was still \
         `queued` did not run and can be sent to another server."
    Internal "internal" "The server has a bug"
        "Answering the request failed inside the server, which has written down why. If the request carried a job, \
         it may have run."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_fit_a_path() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), Some(*kind));
            assert!(kind.name().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        }
    }
}
