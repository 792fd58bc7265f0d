use std::sync::mpsc::{self as blocking, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::mpsc::channel;

use super::*;
use crate::Measure;

/// Numbers pass; those of a block wait until its sender is dropped, which stands for a decoder that never returns.
struct Numbers {
    blocked: Mutex<Vec<(u32, blocking::Receiver<()>)>>,
    given_up: blocking::Sender<u32>,
    /// Numbers that were late, as their threads were told.
    late: blocking::Sender<u32>,
    goes_on: bool,
}

impl Numbers {
    /// Of which none waits: were one given up or late after all, nobody would be there to be told.
    fn without_blocks() -> Self {
        Self {
            blocked: Mutex::default(),
            given_up: blocking::channel().0,
            late: blocking::channel().0,
            goes_on: true,
        }
    }
}

impl WatchedWork for Numbers {
    type In = u32;
    type Out = u32;
    type Ticket = u32;

    fn work(&self, number: u32, watch: &Watch<u32>) -> Result<Crossing<u32>, LeftBehind> {
        let block = {
            let mut blocked = self.blocked.lock().unwrap();
            let place = blocked.iter().position(|block| block.0 == number);
            place.map(|place| blocked.remove(place).1)
        };
        let watched = watch.over(number, || {
            if let Some(block) = block {
                assert!(block.recv().is_err());
            }
            if number == 99 {
                panic!("on purpose");
            }
            number * 2
        });
        match watched {
            Ok((ticket, made)) => {
                assert_eq!(ticket, number);
                Ok(Crossing::Onward(made))
            }
            Err(left_behind) => {
                self.late.send(number).unwrap();
                Err(left_behind)
            }
        }
    }

    fn give_up(&self, ticket: u32) -> bool {
        self.given_up.send(ticket).unwrap();
        self.goes_on
    }
}

/// A hop over 20 numbers.
struct Scene {
    /// Numbers whose work does not return before their senders are dropped.
    blocks: Vec<u32>,
    threads: usize,
    may_be_left_behind: usize,
    goes_on: bool,
}

struct Seen {
    ended: Result<(), WatchedError>,
    onward: Vec<u32>,
    given_up: Vec<u32>,
    failed: u64,
}

/// All time counts, and there is next to none: whatever blocks takes too long.
fn limits(left_behind: usize) -> WatchLimits {
    WatchLimits {
        work: Duration::from_millis(500),
        measure: Measure::WallTime,
        left_behind,
    }
}

async fn run(scene: Scene) -> Seen {
    let (given_up, all_given_up) = blocking::channel();
    let (late, all_late) = blocking::channel();
    let (holds, blocked): (Vec<_>, Vec<_>) = scene
        .blocks
        .iter()
        .map(|number| {
            let (hold, block) = blocking::channel::<()>();
            (hold, (*number, block))
        })
        .unzip();
    let numbers = Numbers {
        blocked: Mutex::new(blocked),
        given_up,
        late,
        goes_on: scene.goes_on,
    };
    let (send, input) = channel(32);
    for number in 0..20 {
        send.send(number).await.unwrap();
    }
    drop(send);
    let (output, mut received) = channel(32);
    let (meter, cancel) = (Arc::new(Meter::default()), CancellationToken::new());
    let limits = (scene.threads, limits(scene.may_be_left_behind));
    let ended = each_watched("test", limits, input, output, meter.clone(), cancel, numbers).await;
    // The queue is closed though threads that were left behind still live.
    let mut onward = Vec::new();
    while let Some(number) = received.recv().await {
        onward.push(number);
    }
    // What they bring now is late.
    drop(holds);
    let given_up: Vec<u32> = all_given_up.try_iter().collect();
    for _ in &given_up {
        assert!(given_up.contains(&all_late.recv().unwrap()));
    }
    let end = all_late.recv_timeout(Duration::from_secs(60));
    if ended.is_ok() {
        assert_eq!(end, Err(RecvTimeoutError::Disconnected), "all threads have ended");
    }
    onward.sort_unstable();
    Seen {
        ended,
        onward,
        given_up,
        failed: meter.read().failed,
    }
}

#[tokio::test]
async fn work_that_never_returns_costs_its_record_and_no_other() {
    for threads in [1, 3] {
        let seen = run(Scene {
            blocks: vec![3, 7],
            threads,
            may_be_left_behind: 2,
            goes_on: true,
        })
        .await;
        assert_eq!(seen.ended, Ok(()));
        let expected: Vec<u32> = (0..20).filter(|number| ![3, 7].contains(number)).collect();
        assert_eq!(
            seen.onward,
            expected.iter().map(|number| number * 2).collect::<Vec<_>>()
        );
        let mut given_up = seen.given_up;
        given_up.sort_unstable();
        assert_eq!(given_up, [3, 7]);
        assert_eq!(seen.failed, 2);
    }
}

#[tokio::test]
async fn one_thread_too_many_that_never_returns_ends_the_hop_after_its_record() {
    let seen = run(Scene {
        blocks: vec![3, 7],
        threads: 1,
        may_be_left_behind: 1,
        goes_on: true,
    })
    .await;
    let hop = "test".to_owned();
    assert_eq!(seen.ended, Err(WatchedError::NeverReturned { hop, threads: 2 }));
    assert_eq!(seen.given_up, [3, 7]);
    assert_eq!(seen.onward, [0, 2, 4, 8, 10, 12]);
}

#[tokio::test]
async fn a_hop_that_cannot_go_on_without_what_the_thread_holds_ends() {
    let seen = run(Scene {
        blocks: vec![3],
        threads: 1,
        may_be_left_behind: 9,
        goes_on: false,
    })
    .await;
    let hop = "test".to_owned();
    assert_eq!(seen.ended, Err(WatchedError::NeverReturned { hop, threads: 1 }));
    assert_eq!(seen.given_up, [3]);
}

#[tokio::test]
async fn a_panic_is_a_dead_hop_and_not_a_hang() {
    let (send, input) = channel(4);
    let (output, _received) = channel(4);
    send.send(99).await.unwrap();
    // The queue stays open: the other thread has not ended, and is not waited for.
    let cancel = CancellationToken::new();
    let ended = each_watched(
        "test",
        (2, limits(1)),
        input,
        output,
        Arc::default(),
        cancel,
        Numbers::without_blocks(),
    )
    .await;
    assert_eq!(ended, Err(WatchedError::Died("test".to_owned())));
    drop(send);
}

#[tokio::test]
async fn the_hop_ends_when_the_next_one_is_gone() {
    let (send, input) = channel(4);
    let (output, received) = channel(4);
    drop(received);
    send.send(1).await.unwrap();
    drop(send);
    let cancel = CancellationToken::new();
    let ended = each_watched(
        "test",
        (2, limits(1)),
        input,
        output,
        Arc::default(),
        cancel,
        Numbers::without_blocks(),
    )
    .await;
    assert_eq!(ended, Ok(()));
}
