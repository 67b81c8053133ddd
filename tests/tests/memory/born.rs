//! A worker that can receive no descriptors is born with its arenas.

use procpool::{Bytes, Pool};
use procpool_tests::eventually;
use procpool_tests::large::{ECHO, FILL, Large, WHERE, input};
use procpool_tests::library::executable;

const MIB: usize = 1 << 20;

async fn born() -> Pool<Large> {
    Pool::builder(executable("born")).workers(1..=1).queue(10_000).start().await.unwrap()
}

/// How many inputs and outputs lay in arenas so far.
async fn shared(pool: &Pool<Large>) -> (u32, u32) {
    let told = pool.run(input(WHERE, 0, 1)).await.unwrap();
    let text = String::from_utf8_lossy(&told).into_owned();
    let mut numbers = text.split(|it: char| !it.is_ascii_digit()).filter_map(|it| it.parse().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Waits until payloads of this length lie in arenas both ways.
async fn shares(pool: &Pool<Large>, length: usize) {
    let question = async || {
        let before = shared(pool).await;
        pool.run(input(ECHO, 0, length)).await.unwrap();
        let after = shared(pool).await;
        (after.0 > before.0 && after.1 > before.1).then_some(())
    };
    eventually("input and output to lie in arenas", question).await;
}

#[tokio::test]
async fn large_payloads_lie_in_arenas_that_grow_and_come_back_as_they_were() {
    let pool = born().await;
    for length in [256 * 1024, MIB, 16 * MIB, 3 * MIB] {
        shares(&pool, length).await;
        let mut bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
        bytes[0] = ECHO;
        let bytes = Bytes::from(bytes);
        assert!(pool.run(bytes.clone()).await.unwrap() == bytes, "{length}");
        let filled = pool.run(input(FILL, 9, length)).await.unwrap();
        assert!(filled.len() == length && filled.iter().all(|&byte| byte == 9), "{length}");
    }
    assert_eq!(pool.status().deaths, 0);
}

#[tokio::test]
async fn inputs_of_different_lengths_that_are_sent_at_once_are_not_mixed_up() {
    let pool = born().await;
    for round in 1..=4_usize {
        // Arenas grow meanwhile: each round asks for longer ones.
        let jobs: Vec<_> = (0..40_u8)
            .map(|number| (number, (MIB / 2) * round + usize::from(number)))
            .map(|(number, length)| (number, length, pool.try_submit(input(ECHO, number, length)).unwrap()))
            .collect();
        for (number, length, job) in jobs {
            let output = job.await.unwrap();
            assert!(output.len() == length && output[1..].iter().all(|&byte| byte == number), "{number}");
        }
    }
    assert_eq!(pool.status().deaths, 0);
}
