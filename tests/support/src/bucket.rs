//! What an S3-compatible store holds: objects, and uploads under way.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::{HeaderMap, Method, StatusCode, Uri, header};

/// One answer: status, headers, body.
pub(crate) type Answer = (StatusCode, Vec<(&'static str, String)>, Bytes);

/// Objects by `bucket/key`, and the parts of unfinished uploads by their id.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    pub(crate) objects: BTreeMap<String, Bytes>,
    pub(crate) uploads: BTreeMap<String, BTreeMap<u32, Bytes>>,
    /// Writes over what is there even where it is asked not to.
    pub(crate) ignores_conditions: bool,
    uploads_begun: usize,
}

/// Later than any test: an object of the future has no age, so nothing is removed for being old.
const MODIFIED: &str = "2200-01-01T00:00:00.000Z";

impl Bucket {
    /// Does what the request asks for.
    pub(crate) fn answer(&mut self, method: &Method, uri: &Uri, headers: &HeaderMap, body: Bytes) -> Answer {
        let key = uri.path().trim_start_matches('/').to_owned();
        let query = query_of(uri);
        match (method.as_str(), query.get("uploadId").cloned()) {
            ("GET", _) if query.contains_key("list-type") => self.list(&key, &query),
            ("GET" | "HEAD", _) => self.get(&key),
            ("PUT", Some(upload)) => self.put_part(&upload, &query, body),
            ("PUT", None) => self.put(&key, headers, body),
            ("POST", Some(upload)) => self.complete(&key, &upload),
            ("POST", None) if query.contains_key("uploads") => self.begin_upload(),
            ("DELETE", Some(upload)) => {
                self.uploads.remove(&upload);
                empty(StatusCode::NO_CONTENT)
            }
            ("DELETE", None) => {
                self.objects.remove(&key);
                empty(StatusCode::NO_CONTENT)
            }
            _ => empty(StatusCode::NOT_IMPLEMENTED),
        }
    }

    fn get(&self, key: &str) -> Answer {
        match self.objects.get(key) {
            Some(bytes) => (StatusCode::OK, vec![tag()], bytes.clone()),
            None => empty(StatusCode::NOT_FOUND),
        }
    }

    fn put(&mut self, key: &str, headers: &HeaderMap, body: Bytes) -> Answer {
        if let Some(source) = headers.get("x-amz-copy-source") {
            let source = source
                .to_str()
                .expect("a source in ASCII")
                .trim_start_matches('/');
            return match self.objects.get(source).cloned() {
                Some(bytes) => {
                    self.objects.insert(key.to_owned(), bytes);
                    xml("<CopyObjectResult><ETag>\"0\"</ETag></CopyObjectResult>".to_owned())
                }
                None => empty(StatusCode::NOT_FOUND),
            };
        }
        let must_be_new = headers.contains_key(header::IF_NONE_MATCH) && !self.ignores_conditions;
        if must_be_new && self.objects.contains_key(key) {
            return empty(StatusCode::PRECONDITION_FAILED);
        }
        self.objects.insert(key.to_owned(), body);
        (StatusCode::OK, vec![tag()], Bytes::new())
    }

    fn list(&self, bucket: &str, query: &BTreeMap<String, String>) -> Answer {
        let bucket = bucket.trim_end_matches('/');
        let prefix = format!("{bucket}/{}", query.get("prefix").map_or("", String::as_str));
        let found = self.objects.iter().filter(|(key, _)| key.starts_with(&prefix));
        let contents: String = found
            .map(|(key, bytes)| {
                let key = key.trim_start_matches(bucket).trim_start_matches('/');
                let size = bytes.len();
                format!(
                    "<Contents><Key>{key}</Key><Size>{size}</Size><LastModified>{MODIFIED}</LastModified>\
                     <ETag>\"0\"</ETag></Contents>"
                )
            })
            .collect();
        xml(format!("<ListBucketResult>{contents}</ListBucketResult>"))
    }

    fn begin_upload(&mut self) -> Answer {
        self.uploads_begun += 1;
        let id = format!("upload-{}", self.uploads_begun);
        self.uploads.insert(id.clone(), BTreeMap::new());
        xml(format!(
            "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
        ))
    }

    fn put_part(&mut self, upload: &str, query: &BTreeMap<String, String>, body: Bytes) -> Answer {
        let number = query.get("partNumber").and_then(|number| number.parse().ok());
        match (self.uploads.get_mut(upload), number) {
            (Some(parts), Some(number)) => {
                parts.insert(number, body);
                (StatusCode::OK, vec![tag()], Bytes::new())
            }
            _ => empty(StatusCode::NOT_FOUND),
        }
    }

    fn complete(&mut self, key: &str, upload: &str) -> Answer {
        let Some(parts) = self.uploads.remove(upload) else {
            return empty(StatusCode::NOT_FOUND);
        };
        let whole: Vec<u8> = parts.into_values().flatten().collect();
        self.objects.insert(key.to_owned(), whole.into());
        xml("<CompleteMultipartUploadResult><ETag>\"0\"</ETag></CompleteMultipartUploadResult>".to_owned())
    }
}

fn tag() -> (&'static str, String) {
    ("etag", "\"0\"".to_owned())
}

fn empty(status: StatusCode) -> Answer {
    (status, Vec::new(), Bytes::new())
}

fn xml(body: String) -> Answer {
    let headers = vec![("content-type", "application/xml".to_owned())];
    (StatusCode::OK, headers, body.into())
}

fn query_of(uri: &Uri) -> BTreeMap<String, String> {
    let pairs = uri.query().unwrap_or_default().split('&');
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), value.replace("%2F", "/"))
        })
        .collect()
}
