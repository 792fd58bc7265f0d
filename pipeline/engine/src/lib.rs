//! How records move, whatever they are: hops between bounded queues, batches, restored order, one cancellation, a
//! budget of memory, a watchdog over work that may never return.
//!
//! The engine knows no stage. It is generic over records, so that `pipeline::run` reads top to bottom like the flow
//! and holds all of the program's concurrency, while what a hop, a batch or a worker thread is stands here once and
//! is tested here without a stage in sight.
//!
//! Three rules hold for all of it: every queue is bounded (a slow hop stops those before it), every wait also watches
//! the [`CancellationToken`], and every hop keeps a [`Meter`].

mod batcher;
mod hop;
mod memory;
mod order;
mod telemetry;
mod thread_clock;
mod threads;
mod watch;
mod watched;
mod worker;

pub use batcher::{BatchLimits, gather_batches};
pub use hop::{Crossing, each_concurrently};
pub use memory::{MemoryBudget, MemoryCredit};
pub use order::{OutOfOrder, Reorder};
pub use telemetry::{Meter, Reading};
pub use thread_clock::Measure;
pub use threads::{ThreadDied, each_on_threads};
pub use tokio_util::sync::CancellationToken;
pub use watch::{LeftBehind, Watch, WatchLimits};
pub use watched::{WatchedError, WatchedWork, each_watched};
pub use worker::{WorkerError, work_on_threads};
