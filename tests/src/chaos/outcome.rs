//! The outcomes of jobs by the names that the server gives them.

macro_rules! outcomes {
    ($($outcome:ident $name:literal)*) => {
        /// How a job ended, or that it was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Outcome { $($outcome,)* }

        impl Outcome {
            /// Returns the name in problems and in `jobs` of a pool's status.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$outcome => $name,)* }
            }

            pub(crate) fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$outcome),)* _ => None }
            }
        }
    };
}

outcomes! {
    Ok "ok"
    BadInput "bad_input"
    Failed "failed"
    Broke "broke"
    Panicked "panicked"
    Crashed "crashed"
    Poisoned "poisoned"
    ProtocolError "protocol_error"
    TimedOut "timed_out"
    Cancelled "cancelled"
    OutputTooLarge "output_too_large"
    ShutDown "shut_down"
    Refused "refused"
}
