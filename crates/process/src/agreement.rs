//! [`EncodingAgreement`]: the encodings that the callers of a pool and its workers agree on.
//!
//! Rust callers prefer bincode, which only Rust workers read. Therefore a pool asks its first worker before
//! it encodes any value, and uses JSON if the worker has no bincode. From then on, every worker must read the
//! encoding that callers send.

use procpool_protocol::carriage::{self, Uncarried};
use procpool_protocol::encodings::Encodings;
use procpool_protocol::handshake::Hello;
use procpool_protocol::{Bytes, Encoding, Job};
use std::any::TypeId;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The encodings that typed callers require.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The encoding may be JSON, or bincode if the worker reads it.
    flexible: bool,
    fixed: Encodings,
    /// The first of the callers' types that bincode cannot carry. These callers use JSON instead.
    uncarried: Option<&'static Uncarried>,
}

impl Needs {
    /// Returns the needs of a caller whose jobs are of type `J`.
    pub fn of<J: Job>() -> Self {
        let is_raw = |id| id == TypeId::of::<Bytes>();
        let (input, output) = (is_raw(TypeId::of::<J::Input>()), is_raw(TypeId::of::<J::Output>()));
        let typed = if input && output { Self::NONE } else { Self::of_values(J::ENCODING) };
        let raw = if input || output { Encoding::Bytes } else { Encoding::None };
        // JSON and raw bytes require nothing of the types.
        let checked = || carriage::check::<J::Input>().and_then(|()| carriage::check::<J::Output>());
        let uncarried = if typed.flexible { checked().err() } else { None };
        Self { fixed: typed.fixed.with(raw), uncarried, ..typed }
    }

    /// Returns the needs of a caller that sends typed values in this encoding. JSON replaces bincode where a
    /// worker requires it.
    pub fn of_values(preferred: Encoding) -> Self {
        match preferred {
            Encoding::Bincode => Self { flexible: true, ..Self::NONE },
            other => Self { fixed: Encodings::NONE.with(other), ..Self::NONE },
        }
    }

    const NONE: Self = Self { flexible: false, fixed: Encodings::NONE, uncarried: None };

    fn and(self, other: Self) -> Self {
        Self {
            flexible: self.flexible || other.flexible,
            fixed: self.fixed.union(other.fixed),
            uncarried: self.uncarried.or(other.uncarried),
        }
    }
}

impl Default for Needs {
    fn default() -> Self {
        Self::NONE
    }
}

/// The worker does not read the encoding that the pool would send, or bincode would be sent and cannot carry
/// a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodingMismatch {
    what: &'static str,
    /// The encoding that the pool would send to the worker, as a sentence names it.
    pub needed: String,
    /// The encodings that the worker reads and writes.
    pub found: Encodings,
    /// Name and version of the worker's SDK.
    pub sdk: String,
    way_out: &'static str,
    uncarried: Option<&'static Uncarried>,
}

impl std::error::Error for EncodingMismatch {}

impl fmt::Display for EncodingMismatch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, needed, found, sdk, way_out, uncarried } = self;
        match uncarried {
            Some(uncarried) => uncarried.fmt(out),
            None => write!(
                out,
                "{what} {needed}, and the worker ({sdk}) takes {found} only; let the worker take {needed} and say \
                 so in its hello, or {way_out}"
            ),
        }
    }
}

impl EncodingMismatch {
    fn of_callers(needed: String, found: Encodings, sdk: &str, way_out: &'static str) -> Self {
        Self { what: "its callers send", needed, found, sdk: sdk.into(), way_out, uncarried: None }
    }

    /// Returns the mismatch of callers whose types bincode cannot carry.
    fn of_types(uncarried: &'static Uncarried, found: Encodings, sdk: &str) -> Self {
        let needed = Encoding::Json.name().into();
        Self { uncarried: Some(uncarried), ..Self::of_callers(needed, found, sdk, "") }
    }

    /// Returns the mismatch of a worker that does not read its worker data.
    pub(crate) fn of_worker_data(encoding: Encoding, hello: &Hello) -> Self {
        Self {
            what: "its worker data is",
            needed: encoding.name().into(),
            found: hello.encodings,
            sdk: hello.sdk.clone(),
            way_out: "give it worker data that is JSON",
            uncarried: None,
        }
    }
}

/// Shared by a pool's callers and the code that starts its workers.
#[derive(Debug, Default)]
pub struct EncodingAgreement {
    /// The encoding of values whose sender prefers bincode: bincode, or JSON instead. The first hello or the
    /// first encoded value sets it.
    chosen: OnceLock<Encoding>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    needs: Needs,
    /// The encodings and the SDK of the last accepted worker.
    spoken: Option<(Encodings, String)>,
}

impl EncodingAgreement {
    /// Creates an agreement for callers with these needs. `needs` is `None` if no caller is known before the
    /// first worker.
    pub fn new(needs: Option<Needs>) -> Self {
        let state = State { needs: needs.unwrap_or_default(), spoken: None };
        Self { chosen: OnceLock::new(), state: Mutex::new(state) }
    }

    /// Adds the needs of another caller.
    ///
    /// # Errors
    /// When the present workers do not meet the needs. Then nothing is added.
    pub fn add(&self, needs: Needs) -> Result<(), EncodingMismatch> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let all = state.needs.and(needs);
        if let Some((encodings, sdk)) = &state.spoken {
            self.check(all, *encodings, sdk)?;
        }
        state.needs = all;
        Ok(())
    }

    /// Returns the encodings that the last worker reads, or all before the first worker.
    pub(crate) fn spoken(&self) -> Encodings {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.spoken.as_ref().map_or(Encodings::ALL, |(encodings, _)| *encodings)
    }

    /// Compares with a worker's encodings; the first worker decides between bincode and JSON.
    ///
    /// # Errors
    /// When a caller needs an encoding that the worker does not have.
    pub(crate) fn meet(&self, hello: &Hello) -> Result<(), EncodingMismatch> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.check(state.needs, hello.encodings, &hello.sdk)?;
        state.spoken = Some((hello.encodings, hello.sdk.clone()));
        Ok(())
    }

    /// Returns the encoding of typed values whose sender prefers this one.
    pub fn encoding(&self, preferred: Encoding) -> Encoding {
        match preferred {
            Encoding::Bincode => *self.chosen.get_or_init(|| Encoding::Bincode),
            other => other,
        }
    }

    fn check(&self, needs: Needs, found: Encodings, sdk: &str) -> Result<(), EncodingMismatch> {
        let mismatch = |needed, way_out| Err(EncodingMismatch::of_callers(needed, found, sdk, way_out));
        let other_types = "use a job of other types";
        if needs.fixed.union(found) != found {
            return mismatch(needs.fixed.to_string(), other_types);
        }
        if !needs.flexible {
            return Ok(());
        }
        let best = [Encoding::Bincode, Encoding::Json].into_iter().find(|&it| found.has(it));
        let Some(best) = best else {
            return mismatch("bincode or JSON".into(), other_types);
        };
        // Another thread may have encoded a value meanwhile.
        let chosen = *self.chosen.get_or_init(|| best);
        match found.has(chosen) {
            true => match needs.uncarried {
                Some(uncarried) if chosen == Encoding::Bincode => {
                    Err(EncodingMismatch::of_types(uncarried, found, sdk))
                }
                _ => Ok(()),
            },
            false => mismatch(chosen.name().into(), "use a job with `ENCODING = Encoding::Json`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::frame::{Frame, Kind};
    use procpool_protocol::message::json_of;

    /// Returns the hello of a worker that names these encodings, or no encodings.
    fn hello(encodings: &str) -> Hello {
        let text = format!(r#"{{"job":"j","contract":1,"modes":["jobs"],"sdk":"snake 1"{encodings}}}"#);
        json_of(&Frame::new(Kind::Hello, 0, text)).unwrap()
    }

    fn rust() -> Hello {
        hello("")
    }

    fn python() -> Hello {
        hello(r#","encodings":["json","raw"]"#)
    }

    macro_rules! job {
        ($name:ident, $input:ty => $output:ty $(, $encoding:expr)?) => {
            struct $name;
            impl Job for $name {
                const NAME: &'static str = "j";
                $(const ENCODING: Encoding = $encoding;)?
                type Input = $input;
                type Output = $output;
            }
        };
    }
    job!(Typed, u64 => u64);
    job!(Json, u64 => u64, Encoding::Json);
    job!(Raw, Bytes => Bytes);
    job!(Mixed, u64 => Bytes);

    #[derive(serde::Serialize, serde::Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
    }

    fn agreement<J: Job>() -> EncodingAgreement {
        EncodingAgreement::new(Some(Needs::of::<J>()))
    }

    #[test]
    fn the_first_worker_decides_between_bincode_and_json() {
        let pool = agreement::<Typed>();
        pool.meet(&rust()).unwrap();
        assert_eq!(pool.encoding(Encoding::Bincode), Encoding::Bincode);
        let pool = agreement::<Typed>();
        pool.meet(&python()).unwrap();
        assert_eq!(pool.encoding(Encoding::Bincode), Encoding::Json);
        assert_eq!(pool.encoding(Encoding::Json), Encoding::Json);
    }

    #[test]
    fn a_type_that_bincode_cannot_carry_is_refused_by_name_where_bincode_was_chosen() {
        job!(Untyped, u64 => Vec<Either>);
        job!(UntypedJson, Either => u64, Encoding::Json);
        let error = agreement::<Untyped>().meet(&rust()).unwrap_err().to_string();
        assert!(error.starts_with("bincode cannot carry `alloc::vec::Vec<"), "{error}");
        assert!(error.contains("`const ENCODING: Encoding = Encoding::Json`"), "{error}");
        agreement::<UntypedJson>().meet(&rust()).unwrap();
        // A worker without bincode receives JSON in any case.
        agreement::<Untyped>().meet(&python()).unwrap();
        let pool = agreement::<Typed>();
        pool.meet(&rust()).unwrap();
        assert!(pool.add(Needs::of::<Untyped>()).is_err());
        pool.meet(&rust()).expect("the caller that was refused demands nothing");
    }

    #[test]
    fn a_later_worker_has_to_take_what_callers_send_by_then() {
        let pool = agreement::<Typed>();
        pool.meet(&rust()).unwrap();
        let error = pool.meet(&python()).unwrap_err().to_string();
        assert!(
            error.starts_with(
                "its callers send bincode, and the worker (snake 1) takes JSON and raw bytes only"
            )
        );
        assert!(error.contains("`ENCODING = Encoding::Json`"), "{error}");
        let pool = agreement::<Typed>();
        pool.meet(&python()).unwrap();
        pool.meet(&rust()).unwrap();
        assert_eq!(pool.encoding(Encoding::Bincode), Encoding::Json, "as before");
    }

    #[test]
    fn a_value_that_was_encoded_before_the_first_hello_has_decided() {
        let pool = agreement::<Typed>();
        assert_eq!(pool.encoding(Encoding::Bincode), Encoding::Bincode);
        assert!(pool.meet(&python()).is_err());
    }

    #[test]
    fn what_a_job_cannot_do_without_is_demanded() {
        let only = |words| hello(&format!(r#","encodings":{words}"#));
        agreement::<Raw>().meet(&only(r#"["raw"]"#)).unwrap();
        assert_eq!(agreement::<Raw>().meet(&only(r#"["json"]"#)).unwrap_err().needed, "raw bytes");
        assert_eq!(agreement::<Mixed>().meet(&only(r#"["json"]"#)).unwrap_err().needed, "raw bytes");
        agreement::<Mixed>().meet(&python()).unwrap();
        assert_eq!(agreement::<Json>().meet(&only(r#"["bincode"]"#)).unwrap_err().needed, "JSON");
        let error = agreement::<Typed>().meet(&only(r#"["raw", "msgpack"]"#)).unwrap_err();
        assert_eq!(
            (error.needed.as_str(), error.found),
            ("bincode or JSON", Encodings::NONE.with(Encoding::Bytes))
        );
        assert!(
            agreement::<Typed>()
                .meet(&only("[]"))
                .unwrap_err()
                .to_string()
                .contains("takes no encoding only")
        );
    }

    #[test]
    fn a_pool_without_typed_callers_takes_any_worker_and_one_that_comes_later_is_asked() {
        let pool = EncodingAgreement::new(None);
        pool.meet(&rust()).unwrap();
        pool.meet(&python()).unwrap();
        pool.add(Needs::of::<Typed>()).unwrap();
        assert_eq!(pool.encoding(Encoding::Bincode), Encoding::Json);
        let pool = EncodingAgreement::new(None);
        pool.meet(&hello(r#","encodings":["json"]"#)).unwrap();
        assert!(pool.add(Needs::of::<Raw>()).is_err());
        pool.meet(&hello(r#","encodings":["json"]"#)).expect("the caller that was refused demands nothing");
    }
}
