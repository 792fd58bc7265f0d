//! One URL to its bytes, safely and politely.
//!
//! [`Fetcher::fetch`] is the room's one verb: it asks for a URL, follows its redirects, repeats what is worth
//! repeating, and returns the body or the reason why there is none. It is shared by thousands of concurrent calls
//! and spawns nothing. How many calls run at once is the caller's affair, how many requests are in flight is not.
//!
//! What it promises about a web that is not to be trusted:
//! - **Only where allowed**: http and https, the allowed ports, nothing on the deny list, and no address that is not
//!   public. The last is decided on the addresses the connection is made to: the resolver drops every other one, and
//!   there is no second look-up between the check and the connection. Every redirect is checked like a first URL.
//! - **Bounded**: every wait has a limit (connecting, first byte, next byte, the attempt as a whole), so has every
//!   size (headers, redirects, body), and bodies together hold no more than a byte budget, whose share travels in
//!   [`Fetched`] and returns when that is dropped.
//! - **Fair**: a call that waits, for a host that is slow or rests or before a retry, takes no place from the others.
//! - **Polite**: at most so many requests at one host, and at one server, whatever its names are; backoff with jitter, `Retry-After` heeded for the whole host,
//!   a circuit breaker for hosts that fail, opt-outs in headers respected, robots.txt by option.
//! - **Discreet**: the configured headers and the user and password of a URL go to the origin of that URL; where it
//!   redirects to another, they stay behind for good.
//! - **As sent**: nothing is decompressed and no `Content-Type` is believed.
//!
//! With a proxy, names are resolved by the proxy: keeping requests away from private networks is then its task.

mod addresses;
mod admission;
mod attempt;
mod body;
mod breaker;
mod budget;
mod classify;
mod client;
mod clock;
mod config;
mod deny_list;
mod error;
mod fetcher;
mod hosts;
mod opt_out;
mod public_address;
mod recent;
mod resolver;
mod retry;
mod robots;
mod robots_cache;
mod robots_file;
mod setup;
mod trail;

pub use budget::ByteCredit;
pub use config::{FetchConfig, RobotsPolicy};
pub use error::{FetchCause, FetchError, RedirectFault, Waiting};
pub use fetcher::{Fetched, Fetcher};
pub use public_address::is_public;
pub use setup::FetchSetupError;
pub use trail::Trail;
