//! Values whose memory is sent beside their bytes.

use procpool_memory::passing;
use procpool_protocol::attachments::Attachment;
use procpool_protocol::{Encoding, Payload, PayloadError};
use serde::Serialize;

/// Encodes a value, and attaches the memory of the shared regions in it.
pub(crate) fn encode<T: Serialize + 'static>(value: &T, encoding: Encoding) -> Result<Payload, PayloadError> {
    attached(|| Payload::encode(value, encoding))
}

/// Encodes the input of a job in the same way. A large byte string of it may stay apart from the rest.
pub(crate) fn encode_input<T: Serialize + 'static>(
    value: &T,
    encoding: Encoding,
) -> Result<Payload, PayloadError> {
    attached(|| Payload::encode_apart(value, encoding))
}

fn attached(encode: impl FnOnce() -> Result<Payload, PayloadError>) -> Result<Payload, PayloadError> {
    let (payload, descriptors) = passing::collect(encode);
    if descriptors.is_empty() {
        return payload;
    }
    let attachments: Vec<_> = descriptors.into_iter().map(Attachment::from).collect();
    let mut payload = payload?;
    let rest = payload.rest().cloned();
    payload.attachments = attachments.try_into()?;
    Ok(match rest {
        Some(rest) => payload.with_rest(rest),
        None => payload,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_memory::SharedRegion;
    use procpool_protocol::limits::MAX_ATTACHMENTS;

    #[test]
    fn the_regions_of_a_value_are_attached_up_to_a_bound() {
        let regions =
            |count| -> Vec<SharedRegion> { (0..count).map(|_| SharedRegion::new(1).unwrap()).collect() };
        for encoding in [Encoding::Bincode, Encoding::Json] {
            let attached =
                |count| encode(&regions(count), encoding).map(|payload| payload.attachments.count());
            assert_eq!(attached(0).unwrap(), 0);
            assert_eq!(attached(MAX_ATTACHMENTS).unwrap(), 16);
            let error = attached(MAX_ATTACHMENTS + 1).unwrap_err().to_string();
            assert_eq!(
                error,
                "failed to encode the value: it refers to 17 shared regions, and may refer to at most 16"
            );
        }
    }
}
