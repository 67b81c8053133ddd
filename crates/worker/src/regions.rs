//! Decodes values whose memory arrived as descriptors beside their bytes.

use procpool_memory::passing::{self, Descriptor};
use procpool_protocol::attachments::Attachment;
use procpool_protocol::{Payload, PayloadError};
use serde::de::DeserializeOwned;

/// Decodes a value, in which shared regions are found by the descriptors that arrived with it.
pub(crate) fn decode<T: DeserializeOwned + 'static>(payload: &Payload) -> Result<T, PayloadError> {
    let attachments = payload.attachments.as_slice();
    if attachments.is_empty() {
        return payload.decode();
    }
    let descriptors: Vec<Descriptor> = attachments.iter().cloned().map(Attachment::into_inner).collect();
    passing::offering(&descriptors, || payload.decode())
}
