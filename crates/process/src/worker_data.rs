//! [`WorkerData`]: the data that each worker of a pool receives at its start, in an encoding that the worker
//! reads.

use procpool_protocol::encodings::Encodings;
use procpool_protocol::{Encoding, Payload, PayloadError};

/// Maximum length of bincode for which the same value is also encoded as JSON, in bytes: 1 MiB. Both are held
/// as long as the pool.
const MAX_WITH_JSON: usize = 1024 * 1024;

/// Encoded worker data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerData {
    preferred: Payload,
    /// The same value for a worker without bincode.
    json: Option<Payload>,
}

impl WorkerData {
    /// Encodes a value with `encode`. Bincode of up to 1 MiB is also encoded as JSON, for workers that do not
    /// read bincode.
    ///
    /// # Errors
    /// When the value cannot be represented in the encoding.
    pub fn encode(
        encoding: Encoding,
        encode: impl Fn(Encoding) -> Result<Payload, PayloadError>,
    ) -> Result<Self, PayloadError> {
        let preferred = encode(encoding)?;
        let has_json = preferred.encoding == Encoding::Bincode && preferred.bytes.len() <= MAX_WITH_JSON;
        // A value that JSON cannot represent has no JSON form.
        let json = has_json.then(|| encode(Encoding::Json).ok()).flatten();
        Ok(Self { preferred, json })
    }

    /// Returns the data for a worker that reads these encodings. Returns the preferred encoding if the worker
    /// reads none of them.
    pub fn given_to(&self, encodings: Encodings) -> &Payload {
        let all = [Some(&self.preferred), self.json.as_ref()];
        let readable = all.into_iter().flatten().find(|data| encodings.has(data.encoding));
        readable.unwrap_or(&self.preferred)
    }

    /// Returns the same data without the encodings that are larger than `limit` bytes.
    ///
    /// # Errors
    /// The size of the data, in bytes, when all of it is larger.
    pub fn within(self, limit: usize) -> Result<Self, usize> {
        let size = self.preferred.bytes.len();
        if size > limit {
            return Err(size);
        }
        Ok(Self { json: self.json.filter(|json| json.bytes.len() <= limit), ..self })
    }
}

/// Uses data that is already encoded as it is.
impl From<Payload> for WorkerData {
    fn from(preferred: Payload) -> Self {
        Self { preferred, json: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;
    use std::collections::BTreeMap;

    const JSON: Encodings = Encodings::NONE.with(Encoding::Json);

    fn encoded<T: Serialize + 'static>(data: &T, encoding: Encoding) -> WorkerData {
        WorkerData::encode(encoding, |encoding| Payload::encode(data, encoding)).unwrap()
    }

    fn given(data: &WorkerData, encodings: Encodings) -> Encoding {
        data.given_to(encodings).encoding
    }

    #[test]
    fn a_worker_is_given_what_it_reads() {
        let data = encoded(&7_u64, Encoding::Bincode);
        assert_eq!(given(&data, Encodings::ALL), Encoding::Bincode);
        assert_eq!(data.given_to(JSON), &Payload::json("7"));
        assert_eq!(given(&data, Encodings::NONE), Encoding::Bincode);
        assert_eq!(WorkerData::default().given_to(Encodings::NONE), &Payload::none());
        let json = encoded(&7_u64, Encoding::Json);
        assert_eq!(given(&json, Encodings::NONE.with(Encoding::Bincode)), Encoding::Json);
    }

    #[test]
    fn what_has_no_json_or_too_much_of_it_is_bincode_alone() {
        let keys = BTreeMap::from([((1_u8, 2_u8), 3_u8)]);
        assert_eq!(given(&encoded(&keys, Encoding::Bincode), JSON), Encoding::Bincode);
        let large = vec![1_u8; MAX_WITH_JSON];
        assert_eq!(given(&encoded(&large, Encoding::Bincode), JSON), Encoding::Bincode);
        // Four bytes of bincode; JSON takes more.
        let data = encoded(&[100_u8; 3].to_vec(), Encoding::Bincode);
        assert_eq!(given(&data.clone().within(4).unwrap(), JSON), Encoding::Bincode);
        assert_eq!(given(&data.clone().within(100).unwrap(), JSON), Encoding::Json);
        assert_eq!(data.within(3), Err(4));
    }
}
