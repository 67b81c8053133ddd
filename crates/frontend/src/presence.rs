//! Finds out whether a client that has closed its sending side still waits for its answer.
//!
//! A client that is done sending (`nc -N`, `socat`) and one that is gone look the same: the kernel
//! reports the end of what they send. The difference shows when something is sent to them: who is
//! gone answers with a reset. So the answer's first bytes, which do not depend on how the job ends, are
//! sent one by one while it runs. The chunk of an answer that has begun is announced by its length, which may
//! begin with zeros: those are sent one by one.

use crate::activity::Activity;
use crate::life::Owed;
use crate::wire::Wire;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Time from the end of what a client sends to the first byte that is sent to find out whether it is
/// there. Each further byte takes twice as long: a client that goes later is noticed in proportion.
///
/// Clients that call `recv` once and take what comes for the whole answer are common in scripts. Most jobs are
/// done within this time, and then the answer comes in one piece.
const FIRST_DOUBT: Duration = Duration::from_secs(1);

/// Returns once the client is known to be gone: its connection has failed.
pub(crate) async fn gone(wire: &Wire, activity: &Activity) {
    if wire.closed_or_failed().await || wire.is_encrypted() {
        // Programs that speak TLS close both sides at once, and nothing can be sent between two records to find out.
        return;
    }
    let mut doubt = FIRST_DOUBT;
    // On a Unix socket the kernel knows, so nothing has to be sent to find out.
    while let Some(is_gone) = wire.is_hung_up().await {
        if is_gone {
            return;
        }
        sleep(FIRST_DOUBT).await;
    }
    while timeout(doubt, wire.failed()).await.is_err() {
        let owed = activity.life().owes_over_http_1();
        match owed {
            Some(Owed::Answer) => wire.send_byte_ahead(),
            Some(Owed::Chunk) => wire.send_zero_ahead(),
            None => {}
        }
        doubt = doubt.saturating_mul(2);
    }
}
