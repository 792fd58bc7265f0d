//! What of a URL may be published: what tells one object from another, and nothing that opens it.

use std::borrow::Cow;

use img2tokens_schemas::redact;
use url::{Url, form_urlencoded};

/// The parameters that sign a request or say who makes it, in small letters: AWS of old, CloudFront, Google of old, OSS,
/// and what many servers call such things.
const SIGNING: [&str; 19] = [
    "access_token",
    "accesskeyid",
    "api_key",
    "apikey",
    "auth",
    "authorization",
    "awsaccesskeyid",
    "expires",
    "googleaccessid",
    "hmac",
    "key-pair-id",
    "ossaccesskeyid",
    "password",
    "policy",
    "security-token",
    "sig",
    "signature",
    "token",
    "x-xet-signed-range",
];
/// What the names of such parameters begin with: AWS, Google, OSS, COS.
const SIGNING_PREFIXES: [&str; 4] = ["x-amz-", "x-goog-", "x-oss-", "q-"];
/// Beside `sig`, those of Azure's shared access signatures. They are too short to mean that elsewhere.
const AZURE: [&str; 20] = [
    "saoid", "scid", "sdd", "se", "ses", "si", "sip", "skdutid", "ske", "skoid", "sks", "skt", "sktid",
    "skv", "sp", "spr", "sr", "st", "suoid", "sv",
];

/// A location as it may be published: of a web address without user, password and query. What of the query tells objects
/// apart is there as a digest, so that a URL that is signed anew means the same object.
#[must_use]
pub fn public_name(location: &str) -> Cow<'_, str> {
    let is_web = location
        .split_once("://")
        .is_some_and(|(scheme, _)| matches!(scheme, "http" | "https"));
    if !is_web {
        return redact(location);
    }
    let Ok(mut url) = Url::parse(location) else {
        return redact(location);
    };
    if url.username().is_empty() && url.password().is_none() && url.query().is_none() {
        return Cow::Borrowed(location);
    }
    let variant = variant(&url);
    // It fails only for a URL without a host.
    let _ = url.set_username("").and(url.set_password(None));
    url.set_query(None);
    Cow::Owned(format!("{url}{variant}"))
}

/// A digest of what of a URL's query tells objects apart, as it stands in names behind the path, `?` included; empty if
/// there is nothing but a signature.
#[must_use]
pub(super) fn variant(url: &Url) -> String {
    let parameters: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let is_azure = parameters.iter().any(|(name, _)| name == "sig");
    let signs = |name: &str| {
        let name = name.to_ascii_lowercase();
        SIGNING.contains(&name.as_str())
            || SIGNING_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || (is_azure && AZURE.contains(&name.as_str()))
    };
    let mut telling = parameters.iter().filter(|(name, _)| !signs(name)).peekable();
    if telling.peek().is_none() {
        return String::new();
    }
    let telling = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(telling)
        .finish();
    let digest = blake3::hash(telling.as_bytes()).to_hex();
    format!("?{}", digest.chars().take(16).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_is_signed_anew_has_the_name_it_had_and_no_secret_in_it() {
        for (first, second) in [
            (
                "X-Amz-Date=1&X-Amz-Signature=s3cret",
                "X-Amz-Date=2&X-Amz-Signature=d",
            ),
            (
                "sv=1&se=2030&sr=b&sp=r&sig=s3cret",
                "sv=1&se=2031&sr=b&sp=r&sig=d",
            ),
            (
                "Expires=1&Signature=s3cret&Key-Pair-Id=K",
                "Expires=2&Signature=d&Key-Pair-Id=L",
            ),
            ("X-Goog-Expires=1&X-Goog-Signature=s3cret", "X-Goog-Signature=d"),
            ("token=s3cret", "token=d"),
            ("id=7&token=s3cret", "id=7&token=d"),
        ] {
            let name = |query: &str| public_name(&format!("https://me:s3cret@h/a.csv?{query}")).into_owned();
            assert_eq!(name(first), name(second));
            assert!(
                name(first).starts_with("https://h/a.csv") && !name(first).contains("s3cret"),
                "{}",
                name(first)
            );
        }
    }

    #[test]
    fn what_tells_objects_apart_still_does_and_plain_names_stay() {
        let names = ["?id=1", "?id=2", "?se=1", "?versionId=1&token=x", "", "?secret"];
        let names = names.map(|query| public_name(&format!("https://h/a{query}")).into_owned());
        let different: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{names:?}");
        assert!(names.iter().all(|name| !name.contains("secret")), "{names:?}");
        for plain in [
            "https://h/a%20b/part-*.csv",
            "s3://bucket/part-?.csv",
            "a/b?c",
            "builtin:samples",
        ] {
            assert_eq!(public_name(plain), plain);
        }
    }
}
