//! One attempt: a request, its redirects, a body.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime},
};

use reqwest::{
    Response, StatusCode,
    header::{HeaderMap, LOCATION},
};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use url::{Host, Url};

use crate::{
    addresses::MAX_ADDRESSES,
    body::{Body, BodyLimit, read_body},
    classify::{request_error, resolve_error},
    clock::AttemptClock,
    error::{FetchCause, RedirectFault, Waiting},
    fetcher::Fetcher,
    hosts::{Patience, Visit},
    opt_out::opt_out,
    resolver::connecting_to,
    retry::retry_after,
    robots_file::MAX_ROBOTS_BYTES,
    trail::Trail,
};

/// The longest rest of a host that is believed.
const MAX_REST: Duration = Duration::from_secs(3600);

/// How long and how large things may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) max_bytes: u32,
    pub(crate) max_redirects: u32,
    pub(crate) connect: Duration,
    pub(crate) first_byte: Duration,
    pub(crate) stall: Duration,
    pub(crate) whole: Duration,
    /// The longest `Retry-After` that is waited for.
    pub(crate) max_retry_after: Duration,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errand {
    /// A picture, by all rules.
    Picture,
    /// A site's rules, to which neither they nor opt-outs apply.
    Robots,
}

/// One attempt at a URL.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    fetcher: &'a Fetcher,
    errand: Errand,
    clock: AttemptClock,
    asked: bool,
    http_status: Option<u16>,
}

/// An attempt that gave no body.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) cause: FetchCause,
    /// The rest that the host asked for.
    rest: Option<Duration>,
    /// Whether that rest is too long to wait for.
    rest_is_long: bool,
}

impl From<FetchCause> for Refusal {
    fn from(cause: FetchCause) -> Self {
        Self {
            cause,
            rest: None,
            rest_is_long: false,
        }
    }
}

impl Refusal {
    pub(crate) const fn is_worth_a_retry(&self) -> bool {
        self.cause.is_transient() && !self.rest_is_long
    }

    pub(crate) fn retry_after(&self) -> Duration {
        self.rest.unwrap_or_default()
    }
}

/// What an attempt is for: a body, where it came from, and the place among the requests in flight that it takes.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) body: Body,
    pub(crate) url: Url,
    pub(crate) place: Option<OwnedSemaphorePermit>,
}

/// What one request led to.
enum Answer {
    Body(Body),
    Redirect(Url),
}

/// An answer, and the place among the requests in flight that it takes.
type Visited = (Answer, Option<OwnedSemaphorePermit>);

impl<'a> Attempt<'a> {
    pub(crate) fn new(fetcher: &'a Fetcher, errand: Errand) -> Self {
        let clock = AttemptClock::start(fetcher.limits.whole);
        Self {
            fetcher,
            errand,
            clock,
            asked: false,
            http_status: None,
        }
    }

    /// Whether a request was made.
    pub(crate) const fn has_asked(&self) -> bool {
        self.asked
    }

    /// The last status that a server gave.
    pub(crate) const fn http_status(&self) -> Option<u16> {
        self.http_status
    }

    /// Asks for `first` and follows its redirects. Each is checked like the first URL, and waits for its own host's turn
    /// after giving up the place at the last: nobody waits for one host while keeping another from others. Who has the
    /// host's turn waits for a place at the servers behind it, and then for one among all requests, which those who wait
    /// for a host or a server do not take. Credentials go along while `trail` is at home.
    pub(crate) async fn run(
        &mut self,
        first: &Url,
        mut trail: Trail,
        patience: &mut Patience,
    ) -> Result<Arrival, Refusal> {
        let limit = self.fetcher.limits.max_redirects;
        let mut url = first.clone();
        for _ in 0..=limit {
            self.fetcher.admission.check(&url)?;
            if self.errand == Errand::Picture {
                self.heed_robots(&url, &trail).await?;
            }
            let visit = self
                .clock
                .uncounted(self.fetcher.hosts.enter(host_of(&url), patience))
                .await?;
            let earlier_status = self.http_status.take();
            let outcome = self.visit(&url, &trail, patience).await;
            self.report(&visit, &outcome);
            self.http_status = self.http_status.or(earlier_status);
            match outcome? {
                (Answer::Body(body), place) => {
                    name_no_user(&mut url);
                    return Ok(Arrival { body, url, place });
                }
                (Answer::Redirect(next), _) => {
                    url = next;
                    trail.follow(&url);
                    if trail.is_home() {
                        name_user_of(first, &mut url);
                    }
                }
            }
        }
        Err(FetchCause::Redirect(RedirectFault::TooMany { limit }).into())
    }

    async fn heed_robots(&mut self, url: &Url, trail: &Trail) -> Result<(), FetchCause> {
        let fetcher = self.fetcher;
        let Some(robots) = &fetcher.robots else {
            return Ok(());
        };
        self.clock
            .uncounted(robots.check(url, async || fetcher.robots_txt(url, trail).await))
            .await
    }

    /// One request at a host whose turn it is: it waits for the servers behind the name, and then for a place.
    async fn visit(&mut self, url: &Url, trail: &Trail, patience: &mut Patience) -> Result<Visited, Refusal> {
        let addresses = self.look_up(url).await;
        self.asked |= addresses.is_err();
        let addresses = addresses?;
        let _seats = match &self.fetcher.servers {
            Some(servers) => {
                let seats = servers.enter(host_of(url), &addresses, patience);
                Some(self.clock.uncounted(seats).await?)
            }
            None => None,
        };
        let place = self.clock.uncounted(self.fetcher.place()).await;
        let addresses = addresses.iter().map(SocketAddr::ip).collect();
        Ok((self.ask(url, trail, addresses).await?, place))
    }

    /// The servers that a request for `url` may end at; none are known behind a proxy.
    /// No more names are looked up at one time than requests may be in flight: resolvers drop what is too much for them.
    async fn look_up(&mut self, url: &Url) -> Result<Vec<SocketAddr>, FetchCause> {
        let Fetcher {
            limits,
            resolver,
            questions,
            ..
        } = self.fetcher;
        let addresses = match url.host() {
            _ if self.fetcher.servers.is_none() => Vec::new(),
            Some(Host::Ipv4(v4)) => vec![IpAddr::V4(v4)],
            Some(Host::Ipv6(v6)) => vec![IpAddr::V6(v6)],
            Some(Host::Domain(_)) | None => {
                let _question = self.clock.uncounted(questions.acquire()).await;
                let found = resolver.addresses(host_of(url));
                let found = self
                    .clock
                    .within(limits.connect, Waiting::Connection, found)
                    .await?;
                found.map_err(resolve_error)?
            }
        };
        let port = url.port_or_known_default().unwrap_or_default();
        let addresses = addresses.into_iter().take(MAX_ADDRESSES);
        Ok(addresses.map(|address| SocketAddr::new(address, port)).collect())
    }

    /// One request, without its redirect.
    async fn ask(&mut self, url: &Url, trail: &Trail, addresses: Vec<IpAddr>) -> Result<Answer, Refusal> {
        let Fetcher {
            client,
            headers,
            limits,
            ..
        } = self.fetcher;
        self.asked = true;
        let mut request = client.get(url.clone());
        if trail.is_home() {
            request = request.headers(headers.clone());
        }
        let answer = connecting_to(host_of(url), addresses, request.send());
        let response = self
            .clock
            .within(limits.first_byte, Waiting::FirstByte, answer)
            .await?
            .map_err(|error| request_error(error, host_of(url), limits.connect))?;
        let status = response.status();
        self.http_status = Some(status.as_u16());
        if is_redirect(status) {
            self.heed_opt_out(response.headers())?;
            return Ok(Answer::Redirect(location(url, response.headers())?));
        }
        if !status.is_success() {
            return Err(self.refused(status, response.headers()));
        }
        self.heed_opt_out(response.headers())?;
        self.body(response).await.map(Answer::Body)
    }

    async fn body(&mut self, response: Response) -> Result<Body, Refusal> {
        let Fetcher {
            limits,
            budget,
            admission,
            ..
        } = self.fetcher;
        let limit = match self.errand {
            Errand::Picture => BodyLimit::Refuse(limits.max_bytes),
            Errand::Robots => BodyLimit::Cut(limits.max_bytes.min(MAX_ROBOTS_BYTES)),
        };
        let mut hasher = admission.deny_list.hasher();
        let body = read_body(
            response,
            limit,
            limits.stall,
            budget,
            &mut self.clock,
            &mut hasher,
        )
        .await?;
        admission.deny_list.check_body(hasher)?;
        Ok(body)
    }

    fn heed_opt_out(&self, headers: &HeaderMap) -> Result<(), FetchCause> {
        match (&self.fetcher.opt_out_agent, self.errand) {
            (Some(agent), Errand::Picture) => match opt_out(headers, agent) {
                Some(header) => Err(FetchCause::OptOut { header }),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn refused(&self, status: StatusCode, headers: &HeaderMap) -> Refusal {
        let asks_for_rest = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        );
        let rest = asks_for_rest
            .then(|| retry_after(headers, SystemTime::now()))
            .flatten();
        Refusal {
            cause: FetchCause::Status {
                status: status.as_u16(),
            },
            rest,
            rest_is_long: rest.is_some_and(|rest| rest > self.fetcher.limits.max_retry_after),
        }
    }

    /// Tells the host's health what came of a request.
    fn report(&self, visit: &Visit, outcome: &Result<Visited, Refusal>) {
        let Err(refusal) = outcome else {
            return visit.succeeded();
        };
        if matches!(refusal.cause, FetchCause::OutOfFiles) {
            // It says nothing of the host.
        } else if refusal.cause.is_transient() {
            visit.failed();
        } else if self.http_status.is_some() {
            visit.succeeded();
        }
        if let Some(rest) = refusal.rest {
            let until = Instant::now() + rest.min(MAX_REST);
            if refusal.rest_is_long {
                visit.refuse_until(until);
            } else {
                visit.pause_until(until);
            }
        }
    }
}

fn host_of(url: &Url) -> &str {
    url.host_str().unwrap_or_default().trim_end_matches('.')
}

/// The statuses that send a GET elsewhere; 300 and 304 do not.
const fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Takes user and password out of a URL. It fails only for a URL without a host, which has none.
fn name_no_user(url: &mut Url) {
    let _ = url.set_username("").and(url.set_password(None));
}

/// Puts the user and password of one URL into another, from which the client makes an authorization.
fn name_user_of(from: &Url, url: &mut Url) {
    let _ = url
        .set_username(from.username())
        .and(url.set_password(from.password()));
}

/// Where a redirect leads. Servers write raw UTF-8 there, too.
fn location(url: &Url, headers: &HeaderMap) -> Result<Url, FetchCause> {
    let value = headers
        .get(LOCATION)
        .ok_or(FetchCause::Redirect(RedirectFault::NoLocation))?;
    let location = String::from_utf8_lossy(value.as_bytes());
    match url.join(&location) {
        Ok(mut next) if matches!(next.scheme(), "http" | "https") => {
            // A redirect does not say who we are.
            name_no_user(&mut next);
            Ok(next)
        }
        _ => Err(FetchCause::Redirect(RedirectFault::BadLocation {
            location: location.into_owned(),
        })),
    }
}
