//! Values whose memory is sent beside their bytes.

use procpool_memory::passing;
use procpool_protocol::attachments::Attachment;
use procpool_protocol::{Encoding, Payload, PayloadError};
use serde::Serialize;

/// Encodes a value, and attaches the memory of the shared regions in it.
pub(crate) fn encode<T: Serialize + 'static>(value: &T, encoding: Encoding) -> Result<Payload, PayloadError> {
    let (payload, descriptors) = passing::collect(|| Payload::encode(value, encoding));
    if descriptors.is_empty() {
        return payload;
    }
    let attachments: Vec<_> = descriptors.into_iter().map(Attachment::from).collect();
    Ok(Payload { attachments: attachments.try_into()?, ..payload? })
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
