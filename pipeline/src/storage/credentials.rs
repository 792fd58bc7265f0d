//! Credentials that are asked for when the first request needs them, and what to do where there are none.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use object_store::{CredentialProvider, Error, Result};

/// Passes credentials on. Until some have been had, that there are none is no accident that may pass.
#[derive(Debug)]
pub(super) struct Sought<Credential> {
    provider: Arc<dyn CredentialProvider<Credential = Credential>>,
    advice: &'static str,
    found: AtomicBool,
}

#[derive(Debug, thiserror::Error)]
#[error("no credentials: {advice}")]
struct NoCredentials {
    advice: &'static str,
    source: Error,
}

impl<Credential> Sought<Credential> {
    /// Asks `provider`; `advice` says how a user can give it credentials.
    pub(super) fn new(
        provider: Arc<dyn CredentialProvider<Credential = Credential>>,
        advice: &'static str,
    ) -> Arc<Self> {
        Arc::new(Self {
            provider,
            advice,
            found: AtomicBool::new(false),
        })
    }
}

#[async_trait]
impl<Credential: Debug + Send + Sync> CredentialProvider for Sought<Credential> {
    type Credential = Credential;

    async fn get_credential(&self) -> Result<Arc<Credential>> {
        match self.provider.get_credential().await {
            Ok(credential) => {
                self.found.store(true, Ordering::Relaxed);
                Ok(credential)
            }
            Err(source) if !self.found.load(Ordering::Relaxed) => Err(Error::Unauthenticated {
                path: "/".to_owned(),
                source: Box::new(NoCredentials {
                    advice: self.advice,
                    source,
                }),
            }),
            Err(error) => Err(error),
        }
    }
}
