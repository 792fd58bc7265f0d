//! One answer of a [`StaticSite`](crate::StaticSite).

use bytes::Bytes;
use hyper::StatusCode;

/// What a path answers: status, headers, body.
#[derive(Debug, Clone)]
pub struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) together: usize,
    pub(crate) after: usize,
    pub(crate) authorization: Option<String>,
}

impl Reply {
    /// 200 with a body.
    #[must_use]
    pub fn ok(body: impl Into<Bytes>) -> Self {
        Self {
            status: StatusCode::OK,
            headers: Vec::new(),
            body: body.into(),
            together: 1,
            after: 0,
            authorization: None,
        }
    }

    /// A status with an empty body.
    ///
    /// # Panics
    /// If `status` is no HTTP status.
    #[must_use]
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).expect("a status from 100 to 999");
        Self {
            status,
            ..Self::ok(Bytes::new())
        }
    }

    /// 302 to `location`.
    #[must_use]
    pub fn redirect(location: impl Into<String>) -> Self {
        Self::status(302).header("location", location)
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same, but 401 for whoever does not send this `Authorization`.
    #[must_use]
    pub fn only_with(mut self, authorization: impl Into<String>) -> Self {
        self.authorization = Some(authorization.into());
        self
    }

    /// What whoever sends this `Authorization` gets.
    pub(crate) fn for_whom(self, authorization: Option<&str>) -> Self {
        match self.authorization.as_deref() {
            Some(_) if self.authorization.as_deref() != authorization => Self::status(401),
            _ => self,
        }
    }

    /// The part of the body that a `Range` header asks for, as 206; the whole if it is not 200 or the range is none of it.
    pub(crate) fn part(self, range: &str) -> Self {
        let bounds = range
            .strip_prefix("bytes=")
            .and_then(|range| range.split_once('-'));
        let (Some((first, last)), StatusCode::OK) = (bounds, self.status) else {
            return self;
        };
        let whole = self.body.len();
        match (first.parse::<usize>(), last.parse::<usize>()) {
            (Ok(first), Ok(last)) if first <= last && first < whole => {
                let last = last.min(whole - 1);
                Self {
                    status: StatusCode::PARTIAL_CONTENT,
                    body: self.body.slice(first..=last),
                    ..self
                }
                .header("content-range", format!("bytes {first}-{last}/{whole}"))
            }
            _ => self,
        }
    }

    /// The same, but sent only when `count` requests for this path wait for it: proof that they were in flight at
    /// one time.
    #[must_use]
    pub const fn together(mut self, count: usize) -> Self {
        self.together = count;
        self
    }

    /// The same, but sent only when the site has sent `count` replies: proof that those did not wait for this one.
    #[must_use]
    pub const fn after(mut self, count: usize) -> Self {
        self.after = count;
        self
    }
}
