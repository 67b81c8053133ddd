//! The OpenAPI document: the fixed routes, and a path for each pool with the types of its job as its workers report them.
//! It is built when a schema changes, not for each request. Does not: answer requests.

mod keywords;
mod names;
mod pools;
mod references;
mod schema;
mod skeleton;

use crate::access::Principal;
use crate::answer::ascii;
use crate::app::Shared;
use bytes::Bytes;
use http::HeaderValue;
use procpool_protocol::engine::PoolSchemas;
use procpool_protocol::printable::{printable, printable_json};
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

pub use self::pools::schema_faults;

/// Maximum number of documents that are held: clients that may use other pools see other documents.
const HELD: usize = 8;

/// A document as it is sent.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) text: Bytes,
    pub(crate) etag: HeaderValue,
}

type Held = VecDeque<(Contents, Arc<Document>)>;

/// The documents of the last schemas, the most recently used one last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Documents {
    held: Arc<Mutex<Held>>,
    /// Held while a document is built: the others who wait for it find it afterwards.
    building: Arc<tokio::sync::Mutex<()>>,
}

impl Documents {
    /// Returns the document of the pools that this client may use.
    pub(crate) async fn of(&self, shared: &Shared, principal: &Principal) -> Arc<Document> {
        let contents = Contents::of(shared, principal);
        if let Some(document) = self.find(&contents) {
            return document;
        }
        let has_tokens = shared.app.tokens.is_some();
        let turn = self.building.clone().lock_owned().await;
        if let Some(document) = self.find(&contents) {
            return document;
        }
        let documents = self.clone();
        // Workers decide how long this takes, within bounds. It goes on if its client leaves, for the next one.
        let building = tokio::task::spawn_blocking(move || {
            let document = Arc::new(built(&contents, has_tokens));
            documents.hold(contents, document.clone());
            drop(turn);
            document
        });
        building.await.unwrap_or_else(|gone| std::panic::resume_unwind(gone.into_panic()))
    }

    fn find(&self, contents: &Contents) -> Option<Arc<Document>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let at = held.iter().position(|(of, _)| of.is(contents))?;
        let found = held.remove(at)?;
        let document = found.1.clone();
        held.push_back(found);
        Some(document)
    }

    fn hold(&self, contents: Contents, document: Arc<Document>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|(of, _)| !of.is(&contents));
        held.push_back((contents, document));
        if held.len() > HELD {
            held.pop_front();
        }
    }
}

/// The changing part of a document: pools with the schemas of their jobs.
#[derive(Debug)]
struct Contents(Vec<(String, Option<Arc<PoolSchemas>>)>);

impl Contents {
    fn of(shared: &Shared, principal: &Principal) -> Self {
        let admin = &shared.app.admin;
        let names = admin.pools().into_iter().map(|pool| pool.name).filter(|pool| principal.may_use(pool));
        Self(names.map(|name| (admin.schemas(&name), name)).map(|(schemas, name)| (name, schemas)).collect())
    }

    /// Returns whether both are the same pools with the same answers of workers. As each is held, its address is its own.
    fn is(&self, other: &Self) -> bool {
        let same = |one: &Option<Arc<PoolSchemas>>, other: &Option<Arc<PoolSchemas>>| match (one, other) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        let pairs = self.0.iter().zip(&other.0);
        self.0.len() == other.0.len()
            && pairs.into_iter().all(|(one, other)| one.0 == other.0 && same(&one.1, &other.1))
    }
}

fn built(contents: &Contents, has_tokens: bool) -> Document {
    let mut document = skeleton::with_security(has_tokens);
    let pools = contents.0.iter().map(|(name, schemas)| (name.as_str(), schemas.as_deref()));
    for (pool, fault) in pools::add_all(&mut document, pools) {
        tracing::warn!(pool, "the OpenAPI document: {}", printable(&fault));
    }
    // Strings and names of workers are in it, and a person may see the text.
    let text = printable_json(&document.to_string()).into_owned();
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    Document { etag: ascii(format!("\"{:016x}\"", hasher.finish())), text: text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(pools: &[(&str, Option<&Arc<PoolSchemas>>)]) -> Contents {
        Contents(pools.iter().map(|(name, schemas)| ((*name).to_owned(), schemas.cloned())).collect())
    }

    #[test]
    fn a_document_is_held_until_a_worker_has_answered_anew() {
        let [one, other] = [(); 2].map(|()| Arc::new(PoolSchemas::default()));
        let documents = Documents::default();
        let of_one = || contents(&[("fib", Some(&one)), ("ping", None)]);
        assert!(documents.find(&of_one()).is_none());
        let document = Arc::new(built(&of_one(), false));
        documents.hold(of_one(), document.clone());
        assert!(Arc::ptr_eq(&documents.find(&of_one()).unwrap(), &document));
        for changed in [
            contents(&[("fib", Some(&other)), ("ping", None)]),
            contents(&[("fib", None), ("ping", None)]),
            contents(&[("fib", Some(&one))]),
            contents(&[("fob", Some(&one)), ("ping", None)]),
        ] {
            assert!(documents.find(&changed).is_none(), "{changed:?}");
        }
    }

    #[test]
    fn few_documents_are_held_and_the_one_in_use_stays() {
        let documents = Documents::default();
        let of = |number: usize| contents(&[(&format!("p{number}"), None)]);
        for number in 0..50 {
            documents.hold(of(number), Arc::new(built(&of(number), false)));
            assert!(documents.find(&of(0)).is_some(), "{number}");
        }
        assert_eq!(documents.held.lock().unwrap().len(), HELD);
        assert!(documents.find(&of(1)).is_none() && documents.find(&of(49)).is_some());
    }

    #[test]
    fn the_same_pools_have_the_same_tag_in_every_server() {
        let (one, again) =
            (built(&contents(&[("fib", None)]), false), built(&contents(&[("fib", None)]), false));
        assert_eq!(one.etag, again.etag);
        assert_ne!(one.etag, built(&contents(&[("fob", None)]), false).etag);
        assert_ne!(one.etag, built(&contents(&[("fib", None)]), true).etag);
    }
}
