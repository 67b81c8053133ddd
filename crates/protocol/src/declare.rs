//! The macro [`job!`](crate::job!) declares a contract in one line.

/// Declares a job: a unit struct that implements [`Job`](crate::Job).
///
/// `job!(Name, "name", Input => Output)` is enough for a typical job. Attributes and a visibility come first.
/// Types of several tokens, such as tuples, are written as usual.
/// ```
/// # mod procpool { pub use procpool_protocol::*; }
/// use procpool::{Bytes, Job, job};
///
/// job!(Fib, "fib", u64 => u64);
/// job!(
///     /// Makes an image as small as the width says.
///     pub Thumbnail, "thumbnail", (u32, Bytes) => Bytes
/// );
/// assert_eq!((Fib::NAME, Thumbnail::VERSION), ("fib", 1));
/// ```
///
/// `chunks Type` after the output makes it a [`Streaming`](crate::Streaming) job. All other items
/// of the trait are written between braces, as in its `impl`.
///
/// ```
/// # mod procpool { pub use procpool_protocol::*; }
/// use procpool::{Encoding, Job, job};
///
/// job!(Primes, "primes", u64 => u64, chunks Vec<u64>);
/// job!(Search, "search", String => serde_json::Value {
///     const VERSION: u32 = 3;
///     const IDEMPOTENT: bool = true;
///     const ENCODING: Encoding = Encoding::Json;
/// });
/// assert_eq!((Search::NAME, Search::VERSION), ("search", 3));
/// ```
#[macro_export]
macro_rules! job {
    (
        $(#[$attribute:meta])*
        $visibility:vis $name:ident, $text:literal, $input:ty => $output:ty
        $(, chunks $chunk:ty)? $({ $($items:tt)* })? $(,)?
    ) => {
        $(#[$attribute])*
        #[doc = concat!("\n\nThe job `", $text, "`.")]
        #[derive(Clone, Copy, Debug)]
        $visibility struct $name;

        impl $crate::Job for $name {
            const NAME: &'static str = $text;
            type Input = $input;
            type Output = $output;
            $($($items)*)?
        }

        $(impl $crate::Streaming for $name {
            type Chunk = $chunk;
        })?
    };
}
