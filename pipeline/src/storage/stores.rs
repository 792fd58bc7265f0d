//! Object stores as a user's environment describes them, asked with patience.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, ObjectStoreScheme, Result, RetryConfig, parse_url_opts,
};
use url::Url;

use super::connector::Connector;
use super::credentials::Sought;
use super::settings::Settings;

/// For so long a store may be away before a request fails. The client asks again with the signature of the first time,
/// and AWS takes that for at most five minutes.
const AWAY_AT_MOST: Duration = Duration::from_secs(180);
/// The longest wait between two attempts.
const BETWEEN_ATTEMPTS_AT_MOST: Duration = Duration::from_secs(10);
/// A connection on which nothing arrives for so long is given up. (The client's default ends the whole answer after as
/// long, however well it flows.)
const SILENT_AT_MOST: Duration = Duration::from_secs(30);

/// Opens the store behind `url`, which names a bucket and no path.
pub(super) fn open(url: &Url, settings: &Settings) -> Result<Arc<dyn ObjectStore>> {
    match ObjectStoreScheme::parse(url)?.0 {
        ObjectStoreScheme::AmazonS3 => s3(url, settings),
        ObjectStoreScheme::GoogleCloudStorage => gcs(url, settings),
        ObjectStoreScheme::MicrosoftAzure => azure(url, settings),
        ObjectStoreScheme::Http => {
            let options = client(settings).with_allow_http(true);
            let builder = HttpBuilder::new().with_url(url.as_str());
            Ok(Arc::new(
                builder
                    .with_http_connector(Connector::default())
                    .with_client_options(options)
                    .with_retry(patience())
                    .build()?,
            ))
        }
        _ => Ok(Arc::from(parse_url_opts(url, settings.pairs())?.0)),
    }
}

/// The time alone decides, not the number of attempts.
fn patience() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: BETWEEN_ATTEMPTS_AT_MOST,
            base: 3.,
        },
        max_retries: 1_000,
        retry_timeout: AWAY_AT_MOST,
    }
}

/// Of services that give out credentials: where there is none, a user should not wait minutes to read so.
fn impatience() -> RetryConfig {
    RetryConfig {
        max_retries: 2,
        ..RetryConfig::default()
    }
}

fn client(settings: &Settings) -> ClientOptions {
    let options = ClientOptions::new()
        .with_timeout_disabled()
        .with_read_timeout(SILENT_AT_MOST);
    if settings.endpoint_is_plain_http() {
        options.with_allow_http(true)
    } else {
        options
    }
}

fn s3(url: &Url, settings: &Settings) -> Result<Arc<dyn ObjectStore>> {
    let builder = settings.apply(
        AmazonS3Builder::new()
            .with_url(url.as_str())
            .with_http_connector(Connector::default())
            .with_client_options(client(settings))
            // Files are removed one at a time, and not every S3 knows how to remove many.
            .with_disable_bulk_delete(true),
        AmazonS3Builder::with_config,
    );
    let asking = builder.clone().with_retry(impatience()).build()?;
    let credentials = Sought::new(
        asking.credentials().clone(),
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where an instance, task or pod has a role",
    );
    let builder = builder.with_credentials(credentials).with_retry(patience());
    Ok(Arc::new(builder.build()?))
}

fn gcs(url: &Url, settings: &Settings) -> Result<Arc<dyn ObjectStore>> {
    let builder = settings.apply(
        GoogleCloudStorageBuilder::new()
            .with_url(url.as_str())
            .with_http_connector(Connector::default())
            .with_client_options(client(settings)),
        GoogleCloudStorageBuilder::with_config,
    );
    let asking = builder.clone().with_retry(impatience()).build()?;
    let credentials = Sought::new(
        asking.credentials().clone(),
        "set GOOGLE_APPLICATION_CREDENTIALS, run `gcloud auth application-default login`, or run where an instance has a service account",
    );
    let builder = builder.with_credentials(credentials).with_retry(patience());
    Ok(Arc::new(builder.build()?))
}

fn azure(url: &Url, settings: &Settings) -> Result<Arc<dyn ObjectStore>> {
    let builder = settings.apply(
        MicrosoftAzureBuilder::new()
            .with_url(url.as_str())
            .with_http_connector(Connector::default())
            .with_client_options(client(settings)),
        MicrosoftAzureBuilder::with_config,
    );
    let asking = builder.clone().with_retry(impatience()).build()?;
    let credentials = Sought::new(
        asking.credentials().clone(),
        "set AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_CLIENT_ID with its secret, or run where an instance has an identity",
    );
    let builder = builder.with_credentials(credentials).with_retry(patience());
    Ok(Arc::new(builder.build()?))
}
