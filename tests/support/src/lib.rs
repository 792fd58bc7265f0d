//! The servers that the black-box tests need. All bind to loopback, on a port the system picks, and stop when dropped.
//!
//! Each runs on its own thread, so a plain `#[test]` that starts the program as a child process can use it, and so
//! can an asynchronous test.
//!
//! - [`StaticSite`]: a well-behaved web site in memory that counts what it is asked for.
#![expect(clippy::expect_used, reason = "a test server that cannot start must fail the test that started it")]

mod loopback;
mod reply;
mod static_site;

pub use reply::Reply;
pub use static_site::{Asked, StaticSite};
