//! A store that fails at any call: what counts as committed is whole, and the next attempt completes the unit.
#![allow(clippy::unwrap_used, reason = "a test's panic is its failure")]

mod support;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use img2tokens_schemas::FailureReason;
use img2tokens_shard::verify::{KeyLedger, verify_unit};
use img2tokens_shard::{Compression, Destination, ShardConfig, UnitId, committed, sweep};
use support::failing_store::{Lost, failing};
use support::{Pair, config, mixed_pairs, write};

const UNIT: UnitId = UnitId(0);

/// One attempt meets the fault, then another, which saw another world, meets a healthy store.
async fn one_fault(at: u64, when: Lost, config: &ShardConfig, worlds: [&[Pair]; 2]) -> ControlFlow<()> {
    let (failing, healthy, fault) = failing(at, when);
    let first = write(&failing, UNIT, config, worlds[0]).await;
    let reached = fault.was_met();
    if let Err(error) = &first {
        assert!(error.is_transient(), "{at} {when:?}: {error:?}");
    }
    if !committed(&healthy).await.unwrap().is_empty() {
        assert_whole(&healthy).await;
    }
    let second = write(&healthy, UNIT, config, worlds[1]).await.unwrap();
    if let Ok(first) = first {
        assert_eq!(second, first, "{at} {when:?}: a committed unit changed");
    }
    assert_whole(&healthy).await;
    sweep(&healthy, Duration::from_secs(86_400)).await.unwrap();
    assert_eq!(
        healthy.names(".tmp").await.unwrap(),
        Vec::<String>::new(),
        "{at} {when:?}"
    );
    if reached {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(())
    }
}

async fn assert_whole(destination: &Destination) {
    let keys = Arc::new(KeyLedger::new().unwrap());
    let report = verify_unit(destination, UNIT, None, &keys).await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

async fn every_fault(config: &ShardConfig, worlds: [&[Pair]; 2]) {
    for when in [Lost::Request, Lost::Answer] {
        let mut at = 0;
        while one_fault(at, when, config, worlds).await.is_continue() {
            at += 1;
        }
        assert!(at >= 9, "only {at} calls were met by a fault");
    }
}

#[tokio::test]
async fn whichever_call_fails_the_unit_is_whole_or_not_committed() {
    every_fault(&config(), [&mixed_pairs(40), &mixed_pairs(30)]).await;
}

#[tokio::test]
async fn whichever_call_fails_of_an_upload_in_parts_the_unit_is_whole_or_not_committed() {
    // Longer than one part of 8 MiB.
    let detail = "no such host ".repeat(400_000);
    let fails = |rows: usize| vec![Pair::Fails(FailureReason::Dns, None, detail.clone()); rows];
    let config = ShardConfig {
        compression: Compression::None,
        ..config()
    };
    every_fault(&config, [&fails(2), &fails(3)]).await;
}
