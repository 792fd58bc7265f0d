//! Certificates for `localhost`, made on the spot.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

/// What certificate a site shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateKind {
    /// One for `localhost`.
    Valid,
    /// One for `localhost` that has expired.
    Expired,
    /// One for another name.
    OtherName,
}

/// A server's TLS side, and the authority that vouches for it, in PEM form.
pub(crate) struct Identity {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) authority_pem: String,
}

impl Identity {
    /// A fresh authority and a certificate by it; the server offers HTTP/2 and HTTP/1.1.
    pub(crate) fn new(kind: CertificateKind) -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, key()).expect("sign the authority");

        let name = if kind == CertificateKind::OtherName {
            "elsewhere.test"
        } else {
            "localhost"
        };
        let mut site = CertificateParams::new([name.to_owned()]).expect("a name for the certificate");
        if kind == CertificateKind::Expired {
            (site.not_before, site.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
        }
        let site_key = key();
        let certificate = site
            .signed_by(&site_key, &authority)
            .expect("sign the certificate");
        let private = PrivateKeyDer::try_from(site_key.serialize_der()).expect("the key's own form");
        let acceptor = acceptor(certificate.der().clone(), private);
        Self {
            acceptor,
            authority_pem: AsRef::<rcgen::Certificate>::as_ref(&authority).pem(),
        }
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("make a key")
}

fn acceptor(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> TlsAcceptor {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider's versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate that fits its key");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}
