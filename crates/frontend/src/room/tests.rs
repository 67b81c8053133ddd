//! Who gets in, from addresses that a test has no sockets for.

use super::*;
use http::Version;

const STRANGER: &str = "192.0.2.1";
const OTHER: &str = "192.0.2.2";

fn room(configure: impl FnOnce(&mut HttpConfig)) -> Arc<Room> {
    let mut config = HttpConfig::default();
    configure(&mut config);
    Room::new(&config)
}

/// Returns a connection from there that has asked and been answered.
fn idle(room: &Arc<Room>, peer: &str) -> Place {
    let activity = Activity::begin();
    drop(activity.asked(Version::HTTP_11));
    enter(room, peer, activity)
}

/// Returns a connection from there whose request is handled, for as long as what is returned lives.
fn busy(room: &Arc<Room>, peer: &str) -> (Place, Arc<crate::activity::Exchange>) {
    let activity = Activity::begin();
    let exchange = activity.asked(Version::HTTP_11);
    (enter(room, peer, activity), exchange)
}

fn enter(room: &Arc<Room>, peer: &str, activity: Arc<Activity>) -> Place {
    room.enter(Some(peer.parse().unwrap()), activity)
}

#[tokio::test]
async fn one_address_gets_its_share_and_others_get_in() {
    let room = room(|config| config.max_connections_per_peer = 2);
    let _crowd = [busy(&room, STRANGER), busy(&room, STRANGER)];
    let third = idle(&room, STRANGER);
    assert!(!third.is_admitted() && !third.admit().await);
    assert!(idle(&room, OTHER).is_admitted());
    assert!(idle(&room, "127.0.0.1").is_admitted());
}

#[tokio::test]
async fn one_address_makes_room_only_among_its_own() {
    let room = room(|config| config.max_connections_per_peer = 1);
    let theirs = idle(&room, OTHER);
    let older = idle(&room, STRANGER);
    let newer = idle(&room, STRANGER);
    let going = async {
        older.told_to_leave().await;
        drop(older);
    };
    let (is_admitted, ()) = tokio::join!(newer.admit(), going);
    assert!(is_admitted && newer.is_admitted());
    assert!(theirs.is_admitted());
    let further = idle(&room, OTHER);
    tokio::select! {
        biased;
        _ = further.admit() => panic!("its neighbour is still there"),
        () = theirs.told_to_leave() => {}
    }
}

#[test]
fn a_proxy_that_is_named_is_not_capped() {
    let room = room(|config| {
        config.max_connections_per_peer = 1;
        config.uncapped_peers = vec![STRANGER.parse().unwrap()];
    });
    let places = [idle(&room, STRANGER), idle(&room, STRANGER), idle(&room, "::ffff:192.0.2.1")];
    assert!(places.iter().all(Place::is_admitted));
}

#[test]
fn a_place_is_free_again_when_its_connection_is_gone() {
    let room = room(|config| config.max_connections_per_peer = 1);
    for _ in 0..3 {
        assert!(idle(&room, STRANGER).is_admitted());
    }
    assert!(room.inside().per_peer.is_empty() && room.inside().guests.is_empty());
}

#[tokio::test]
async fn in_a_full_reserve_the_oldest_makes_room() {
    let room = room(|config| config.max_connections = 1);
    let _admitted = busy(&room, OTHER);
    let reserve: Vec<_> = (0..RESERVE).map(|_| idle(&room, OTHER)).collect();
    let newest = idle(&room, OTHER);
    reserve[0].told_to_leave().await;
    assert!(!newest.is_admitted());
    room.has_place().await;
}
