//! The servers that the black-box tests need. All bind to loopback, on a port the system picks, and stop when dropped.
//!
//! Each runs on its own thread, so a plain `#[test]` that starts the program as a child process can use it, and so
//! can an asynchronous test.
//!
//! - [`StaticSite`]: a well-behaved web site in memory, over HTTP or HTTPS, that counts what it is asked for.
//! - [`FaultServer`]: a web site that breaks, with a path per [`Fault`].
//! - [`HubServer`]: a hub of models and the store it redirects to.
//! - [`NameServer`]: a DNS server whose answers may change from one question to the next.
#![expect(
    clippy::expect_used,
    reason = "a test server that cannot start must fail the test that started it"
)]

mod bucket;
mod certificate;
mod fault;
mod fault_server;
mod hub;
mod loopback;
mod name_server;
mod reply;
mod static_site;
mod store_server;

pub use certificate::CertificateKind;
pub use fault::Fault;
pub use fault_server::FaultServer;
pub use hub::{HubFault, HubRequest, HubServer};
pub use name_server::NameServer;
pub use reply::Reply;
pub use static_site::{Asked, StaticSite};
pub use store_server::{StoreFault, StoreServer};
