//! How servers are spared that many names lead to, and how they are kept from holding every place.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::{error::FetchCause, hosts::Patience, recent::RecentMap};

/// The most addresses of one name that count, and that are connected to.
pub(crate) const MAX_ADDRESSES: usize = 8;

/// The servers of late: an address and a port; of IPv6, a network of 64 bits, as one server may have all of it.
///
/// A request counts at every address of its name, as it may end at any: a name that lists others beside its own is held
/// back by its own all the same.
#[derive(Debug)]
pub(crate) struct Addresses {
    servers: RecentMap<Semaphore>,
    limit: usize,
}

/// A request's places at the servers of a name; they return when dropped.
#[derive(Debug)]
pub(crate) struct Seats(#[expect(dead_code, reason = "held, not looked at")] Vec<OwnedSemaphorePermit>);

impl Addresses {
    /// At most `limit` requests at one server; `capacity` servers are remembered beside those being asked.
    pub(crate) fn new(limit: usize, capacity: usize) -> Self {
        Self {
            servers: RecentMap::new(capacity, |_| false),
            limit: limit.min(Semaphore::MAX_PERMITS),
        }
    }

    /// Waits for a place at each server of the name `host`, as long as `patience` lasts.
    pub(crate) async fn enter(
        &self,
        host: &str,
        addresses: &[SocketAddr],
        patience: &mut Patience,
    ) -> Result<Seats, FetchCause> {
        let since = Instant::now();
        let seats = timeout_at(since + patience.left(), self.seats(addresses)).await;
        patience.spend(since.elapsed());
        seats.map_err(|_| FetchCause::NoTurn {
            host: host.to_owned(),
            limit: patience.whole(),
        })
    }

    async fn seats(&self, addresses: &[SocketAddr]) -> Seats {
        // In one order for all, so that none waits for another in a circle.
        let servers: BTreeSet<String> = addresses.iter().copied().map(server).collect();
        let mut seats = Vec::with_capacity(servers.len());
        for server in servers {
            let places = self
                .servers
                .get_or_insert_with(&server, || Semaphore::new(self.limit));
            // It fails only for a closed semaphore, and this one is never closed.
            seats.extend(places.acquire_owned().await.ok());
        }
        Seats(seats)
    }
}

/// The name of the server at an address.
fn server(address: SocketAddr) -> String {
    let network = match address.ip() {
        IpAddr::V6(v6) => embedded(v6).map_or_else(|| network(v6).into(), IpAddr::V4),
        v4 @ IpAddr::V4(_) => v4,
    };
    SocketAddr::new(network, address.port()).to_string()
}

fn network(address: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))
}

/// The IPv4 address that an IPv6 one carries (mapped, NAT64, 6to4): another spelling of the same server.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => (high, low),
        [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn now(servers: &Addresses, at: &[&str]) -> Option<Seats> {
        servers.seats(&addresses(at)).now_or_never()
    }

    #[test]
    fn servers_are_told_apart_by_address_and_port_and_networks_are_one() {
        let name = |text: &str| server(text.parse().unwrap());
        assert_eq!(name("[2001:db8::1]:80"), name("[2001:db8::ffff:1]:80"));
        assert_ne!(name("[2001:db8:0:1::1]:80"), name("[2001:db8::1]:80"));
        for spelling in [
            "[::ffff:1.2.3.4]:80",
            "[64:ff9b::102:304]:80",
            "[2002:102:304::9]:80",
        ] {
            assert_eq!(name(spelling), "1.2.3.4:80");
        }
        assert_ne!(name("1.2.3.4:80"), name("1.2.3.4:8080"));
        assert_ne!(name("[64:ff9b::102:304]:80"), name("[64:ff9b::102:305]:80"));
    }

    #[test]
    fn a_request_counts_at_every_address_of_its_name() {
        let servers = Addresses::new(2, 16);
        let first = now(&servers, &["1.0.0.1:80", "2.0.0.1:80"]);
        let second = now(&servers, &["3.0.0.1:80", "1.0.0.1:80"]);
        assert!(first.is_some() && second.is_some());
        assert!(now(&servers, &["4.0.0.1:80", "1.0.0.1:80"]).is_none());
        assert!(now(&servers, &["4.0.0.1:80", "2.0.0.1:80"]).is_some());
        drop(second);
        assert!(
            now(&servers, &["1.0.0.1:80", "1.0.0.1:80"]).is_some(),
            "the same one twice counts once"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn waits_take_their_turn_and_end_with_patience() {
        let servers = Addresses::new(1, 16);
        let at = addresses(&["1.0.0.1:80"]);
        let held = servers.seats(&at).await;
        let mut patience = Patience::new(Duration::from_secs(10));
        let error = servers.enter("a.test", &at, &mut patience).await.unwrap_err();
        assert!(matches!(error, FetchCause::NoTurn { host, .. } if host == "a.test"));
        assert!(patience.left().is_zero());

        let mut first = Box::pin(servers.seats(&at));
        let mut second = Box::pin(servers.seats(&at));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        drop(held);
        assert!(
            second.as_mut().now_or_never().is_none(),
            "who came first is first"
        );
        assert!(first.now_or_never().is_some());
    }
}
