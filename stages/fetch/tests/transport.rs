//! How requests travel: TLS, HTTP/2, a proxy, headers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::Write;

use img2tokens_fetch::{FetchConfig, FetchSetupError, Fetcher};
use img2tokens_schemas::FailureReason;
use img2tokens_test_support::{CertificateKind, Fault, FaultServer, Reply, StaticSite};
use support::{PICTURE, config, fetch_with, reason};

/// A site over TLS and a config that trusts its authority.
fn tls_site(certificate: CertificateKind) -> (StaticSite, FetchConfig, tempfile::NamedTempFile) {
    let site = StaticSite::start_tls(certificate);
    site.put("/a", Reply::ok(PICTURE));
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(site.authority_pem().unwrap().as_bytes()).unwrap();
    let config = FetchConfig {
        ca_file: Some(file.path().to_owned()),
        ..config()
    };
    (site, config, file)
}

#[tokio::test]
async fn a_site_of_the_given_authority_is_trusted_and_spoken_to_by_http_2() {
    let (site, config, _file) = tls_site(CertificateKind::Valid);
    let fetched = fetch_with(config, &site.url("/a")).await.unwrap();
    assert_eq!(fetched.bytes, PICTURE);
    assert_eq!(
        format!("{:?}", site.last_request("/a").unwrap().version),
        "HTTP/2.0"
    );
}

#[tokio::test]
async fn a_certificate_that_proves_nothing_is_a_tls_failure() {
    let (stranger, _, _) = tls_site(CertificateKind::Valid);
    let (expired, trusts_expired, _file) = tls_site(CertificateKind::Expired);
    let (other, trusts_other, _other_file) = tls_site(CertificateKind::OtherName);
    for (site, config) in [
        (stranger, config()),
        (expired, trusts_expired),
        (other, trusts_other),
    ] {
        let outcome = fetch_with(config, &site.url("/a")).await;
        assert_eq!(reason(&outcome), Some(FailureReason::Tls), "{outcome:?}");
        assert_eq!(site.total_requests(), 0);
    }
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_a_tls_failure() {
    let site = StaticSite::start();
    let outcome = fetch_with(config(), &format!("https://{}/", site.address())).await;
    assert_eq!(reason(&outcome), Some(FailureReason::Tls), "{outcome:?}");
}

#[tokio::test]
async fn requests_say_who_asks_and_that_nothing_may_be_compressed() {
    let site = StaticSite::start();
    site.put("/a", Reply::ok(PICTURE));
    let config = FetchConfig {
        user_agent: "collector/1.0 (+mailto:data@example.org)".to_owned(),
        headers: vec![("X-Purpose".to_owned(), "training".to_owned())],
        ..config()
    };
    fetch_with(config, &site.url("/a")).await.unwrap();
    let headers = site.last_request("/a").unwrap().headers;
    assert_eq!(headers["user-agent"], "collector/1.0 (+mailto:data@example.org)");
    assert_eq!(headers["accept-encoding"], "identity");
    assert_eq!(headers["x-purpose"], "training");
}

#[tokio::test]
async fn the_final_url_is_that_after_all_redirects() {
    let site = StaticSite::start();
    site.put("/a", Reply::redirect("b/c?x=1"));
    site.put("/b/c", Reply::redirect("../d"));
    site.put("/d", Reply::ok(PICTURE));
    let fetched = fetch_with(config(), &site.url("/a")).await.unwrap();
    assert_eq!(
        (fetched.final_url.as_str(), fetched.attempts),
        (&*site.url("/d"), 1)
    );
}

#[tokio::test]
async fn a_proxy_is_asked_for_everything() {
    let proxy = FaultServer::start(PICTURE);
    let config = FetchConfig {
        proxy: Some(format!("http://{}", proxy.address())),
        ..config()
    };
    let fetched = fetch_with(config, "http://a-name-only-the-proxy-knows.test/")
        .await
        .unwrap();
    assert_eq!((&fetched.bytes[..], proxy.requests(Fault::None)), (PICTURE, 1));
}

#[test]
fn a_config_that_cannot_work_is_refused_with_its_key() {
    let refusal = |config| Fetcher::new(config).err().unwrap();
    let missing = || Some("/no/such/file".into());
    assert!(matches!(
        refusal(FetchConfig {
            ca_file: missing(),
            ..config()
        }),
        FetchSetupError::File { key: "ca_file", .. }
    ));
    assert!(matches!(
        refusal(FetchConfig {
            deny_list: missing(),
            ..config()
        }),
        FetchSetupError::File { key: "deny_list", .. }
    ));
    let empty = tempfile::NamedTempFile::new().unwrap();
    let no_certificates = FetchConfig {
        ca_file: Some(empty.path().to_owned()),
        ..config()
    };
    assert!(matches!(
        refusal(no_certificates),
        FetchSetupError::Certificates { .. }
    ));
    for proxy in ["socks5://127.0.0.1:1", "no url"] {
        let config = FetchConfig {
            proxy: Some(proxy.to_owned()),
            ..config()
        };
        assert!(
            matches!(refusal(config), FetchSetupError::Proxy { .. }),
            "{proxy}"
        );
    }
    let headers = vec![("a b".to_owned(), "c".to_owned())];
    assert!(matches!(
        refusal(FetchConfig { headers, ..config() }),
        FetchSetupError::Header { .. }
    ));
}
