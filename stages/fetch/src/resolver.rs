//! Names to public addresses.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::{
    TokioResolver,
    config::{
        ConnectionConfig, LookupIpStrategy, NameServerConfig, ProtocolConfig, ResolverConfig, ResolverOpts,
    },
    lookup_ip::LookupIp,
    net::{NetError, runtime::TokioRuntimeProvider},
};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::{
    config::FetchConfig, error::is_out_of_files, public_address::AddressRule, setup::FetchSetupError,
};

/// The client's resolver: caching, and blind to every address that is not public.
///
/// The client connects to the addresses it gets here and to no others, so there is no second look-up that could give
/// something else.
#[derive(Debug, Clone)]
pub(crate) struct PublicResolver {
    /// None if the system names no DNS server and the config names none.
    resolver: Option<TokioResolver>,
    permits: AddressRule,
}

tokio::task_local! {
    /// The name that a request is for, and the addresses that it has places at.
    static FOUND: (String, Vec<IpAddr>);
}

/// Runs a request that connects to no other addresses of `host` than these, which were found for it before, if any were.
pub(crate) async fn connecting_to<T>(
    host: &str,
    addresses: Vec<IpAddr>,
    request: impl Future<Output = T>,
) -> T {
    FOUND.scope((host.to_owned(), addresses), request).await
}

/// Why a name gave no address; found again among the causes of the client's error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResolveError {
    #[error("`{host}` is at {address}, which is not public")]
    Blocked { host: String, address: IpAddr },
    #[error("this process may open no more files")]
    OutOfFiles,
    #[error("`{host}` does not resolve: {why}")]
    NoAddress {
        host: String,
        why: String,
        transient: bool,
    },
}

impl PublicResolver {
    /// Only addresses that `permits` permits come through.
    pub(crate) fn new(config: &FetchConfig, permits: AddressRule) -> Result<Self, FetchSetupError> {
        let Some((servers, mut options)) = servers(&config.dns_servers) else {
            return Ok(Self {
                resolver: None,
                permits,
            });
        };
        // One question a name, where there is an IPv4 address at all.
        options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
        options.timeout = config.dns_timeout;
        options.attempts = 1; // after the first
        options.cache_size = config.dns_cache_entries;
        options.negative_min_ttl = Some(config.dns_negative_ttl);
        options.negative_max_ttl = Some(config.dns_negative_ttl.max(std::time::Duration::from_secs(3600)));
        options.max_active_requests = 4096;
        options.preserve_intermediates = false;
        let mut builder = TokioResolver::builder_with_config(servers, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        let resolver = builder
            .build()
            .map_err(|source| FetchSetupError::Resolver { source })?;
        Ok(Self {
            resolver: Some(resolver),
            permits,
        })
    }

    /// The addresses of a name, none of them forbidden.
    pub(crate) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let no_address = |why: String, transient| ResolveError::NoAddress {
            host: host.to_owned(),
            why,
            transient,
        };
        let Some(resolver) = &self.resolver else {
            return Err(no_address("the system names no dns server".to_owned(), false));
        };
        // Fully qualified, or the system's search domains would be tried too.
        let name = format!("{}.", host.trim_end_matches('.'));
        let found = resolver.lookup_ip(name).await.map_err(|error| match &error {
            NetError::Io(cause) if is_out_of_files(&**cause) => ResolveError::OutOfFiles,
            _ => no_address(error.to_string(), is_transient(&error)),
        })?;
        self.permitted(host, &found)
    }

    fn permitted(&self, host: &str, found: &LookupIp) -> Result<Vec<IpAddr>, ResolveError> {
        let (permitted, blocked): (Vec<_>, Vec<_>) =
            found.iter().partition(|address| (self.permits)(*address));
        match (permitted.is_empty(), blocked.first()) {
            (false, _) => Ok(permitted),
            (true, Some(address)) => Err(ResolveError::Blocked {
                host: host.to_owned(),
                address: *address,
            }),
            (true, None) => Err(ResolveError::NoAddress {
                host: host.to_owned(),
                why: "it has no address".to_owned(),
                transient: false,
            }),
        }
    }
}

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        let found = FOUND.try_with(|(host, addresses)| {
            let is_it = name.as_str().trim_end_matches('.').eq_ignore_ascii_case(host);
            (is_it && !addresses.is_empty()).then(|| addresses.clone())
        });
        Box::pin(async move {
            let addresses = match found.ok().flatten() {
                Some(addresses) => addresses,
                None => resolver.addresses(name.as_str()).await?,
            };
            // Port 0: the client puts the URL's there.
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

/// The DNS servers to ask and the system's options, or none if there are none.
fn servers(configured: &[SocketAddr]) -> Option<(ResolverConfig, ResolverOpts)> {
    if configured.is_empty() {
        let (config, options) = hickory_resolver::system_conf::read_system_conf().ok()?;
        return (!config.name_servers().is_empty()).then_some((config, options));
    }
    let servers = configured.iter().map(|server| {
        let connections = [ProtocolConfig::Udp, ProtocolConfig::Tcp].map(|protocol| {
            let mut connection = ConnectionConfig::new(protocol);
            connection.port = server.port();
            connection
        });
        NameServerConfig::new(server.ip(), true, connections.to_vec())
    });
    Some((
        ResolverConfig::from_name_servers(servers.collect()),
        ResolverOpts::default(),
    ))
}

/// Whether another look may help: the answer that there is nothing, or a name that cannot be asked for, is final.
fn is_transient(error: &NetError) -> bool {
    !error.is_no_records_found() && !matches!(error, NetError::Proto(_))
}
