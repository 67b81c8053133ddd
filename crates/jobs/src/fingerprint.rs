//! The fingerprint of a job: a digest of everything that decides what runs. Two requests with one idempotency key are
//! the same request if their fingerprints are equal. Timeouts are no part of it.

use procpool_protocol::engine::Submission;
use procpool_registry::{Fingerprint, KeyText};
use ring::digest::{Context, SHA256};

/// Maximum length of an input that is digested on the calling thread, in bytes. A megabyte takes some milliseconds
/// on a machine without instructions for it.
const DIGESTED_INLINE: usize = 128 * 1024;

/// Returns the fingerprint of a job: SHA-256 of its input with the encodings of input and output. A large input is digested
/// on a thread that may block.
pub async fn fingerprint(job: &Submission) -> Fingerprint {
    let encodings = [job.input.encoding as u8, job.reply as u8];
    let bytes = job.input.bytes.clone();
    if bytes.len() <= DIGESTED_INLINE {
        return digest(encodings, &bytes);
    }
    match tokio::task::spawn_blocking(move || digest(encodings, &bytes)).await {
        Ok(fingerprint) => fingerprint,
        Err(gone) => std::panic::resume_unwind(gone.into_panic()),
    }
}

/// Returns a digest of a key and its client, which stands for both where their texts would be too long.
#[must_use]
pub fn key_digest(principal: Option<&str>, key: &KeyText) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    // A key has no space, and nobody is not the client with an empty name.
    context.update(key.as_str().as_bytes());
    if let Some(principal) = principal {
        context.update(b" ");
        context.update(principal.as_bytes());
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

fn digest(encodings: [u8; 2], bytes: &[u8]) -> Fingerprint {
    let mut context = Context::new(&SHA256);
    context.update(&encodings);
    context.update(bytes);
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    Fingerprint(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::{Encoding, Payload};

    #[test]
    fn equal_keys_of_two_clients_have_two_digests() {
        let key = |text: &str| KeyText::parse(text.as_bytes()).unwrap();
        let clients = [None, Some(""), Some("ann"), Some("bob")];
        let mut all: Vec<_> = clients.map(|client| key_digest(client, &key("k"))).into();
        all.push(key_digest(None, &key("k-2")));
        assert_eq!(all[2], key_digest(Some("ann"), &key("\"k\"")));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 5);
    }

    #[tokio::test]
    async fn equal_jobs_have_equal_fingerprints_whatever_their_length_and_timeout() {
        let job = |input: Payload| Submission::new("fib", input, Encoding::Json);
        for length in [0, 1, DIGESTED_INLINE, DIGESTED_INLINE + 1] {
            let mut other = job(Payload::raw(vec![7; length]));
            other.limits = other.limits.timeout(std::time::Duration::from_secs(1));
            let first = fingerprint(&job(Payload::raw(vec![7; length]))).await;
            assert_eq!(first, fingerprint(&other).await, "{length}");
            assert_ne!(first, fingerprint(&job(Payload::json(vec![7; length]))).await, "{length}");
            assert_ne!(first, fingerprint(&job(Payload::raw(vec![7; length + 1]))).await, "{length}");
        }
    }
}
