//! The setters that `PoolBuilder` and `WorkerBuilder` share, written once so that both have the same
//! documentation.

/// Writes the setters for the environment and limits of each worker process. Takes the builder's fields for
/// them.
macro_rules! worker_setters {
    (limits: $($limits:ident).+, inherit_env: $($inherit_env:ident).+, env: $($env:ident).+,
     current_dir: $($current_dir:ident).+) => {
        /// Sets all limits of one worker process at once.
        pub fn worker_limits(mut self, limits: WorkerLimits) -> Self {
            self.$($limits).+ = limits;
            self
        }

        /// Limits the memory that one worker uses, in bytes; at least 16 MiB. Above it the worker is killed; see
        /// [`WorkerLimits::memory_limit`]. Default: `None`.
        pub fn memory_limit(mut self, bytes: impl Into<Option<u64>>) -> Self {
            self.$($limits).+.memory_limit = bytes.into();
            self
        }

        /// Limits the address space of one worker, in bytes; at least 16 MiB. Its allocations beyond that fail.
        /// Default: `None`.
        pub fn address_space_limit(mut self, bytes: impl Into<Option<u64>>) -> Self {
            self.$($limits).+.address_space_limit = bytes.into();
            self
        }

        /// Limits the time on a processor that a job may use, in whole seconds; see [`WorkerLimits::cpu_limit`].
        /// Default: `None`.
        pub fn cpu_limit(mut self, time: impl Into<Option<Duration>>) -> Self {
            self.$($limits).+.cpu_limit = time.into();
            self
        }

        /// Limits the number of file descriptors that one worker has open. Default: `None`, for the coordinator's own
        /// limit.
        pub fn open_files_limit(mut self, files: impl Into<Option<u64>>) -> Self {
            self.$($limits).+.open_files_limit = files.into();
            self
        }

        /// Limits the number of processes and threads of one worker; see [`WorkerLimits::process_limit`]. Default:
        /// `None`.
        pub fn process_limit(mut self, tasks: impl Into<Option<u64>>) -> Self {
            self.$($limits).+.process_limit = tasks.into();
            self
        }

        /// Limits the size of a file that a worker writes, in bytes. Default: `None`.
        pub fn file_size_limit(mut self, bytes: impl Into<Option<u64>>) -> Self {
            self.$($limits).+.file_size_limit = bytes.into();
            self
        }

        /// Adds to the coordinator's nice level, -20 to 19: above zero, workers give way. Default: 0.
        pub fn nice(mut self, levels: i32) -> Self {
            self.$($limits).+.nice = levels;
            self
        }

        /// Lets workers inherit these environment variables too, where they are set.
        pub fn inherit_env(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
            self.$($inherit_env).+.extend(names.into_iter().map(Into::into));
            self
        }

        /// Sets an environment variable of workers, which inherit only a few.
        pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
            self.$($env).+.push((key.into(), value.into()));
            self
        }

        /// Sets the directory in which workers start. Default: the coordinator's.
        pub fn current_dir(mut self, dir: impl Into<PathBuf>) -> Self {
            self.$($current_dir).+ = Some(dir.into());
            self
        }
    };
}

pub(crate) use worker_setters;
