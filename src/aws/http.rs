//! How calls reach AWS: one HTTP client for all of them, TLS by rustls with ring, the certificates that the system trusts.

use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// The client for every service.
pub(super) fn client() -> SharedHttpClient {
    SharedHttpClient::new(OnDemand(Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()))
}

/// Makes a connector for the first call, and no other before: the SDK would make one, with all certificates of the system
/// parsed, for each of its clients, only to see that it can.
#[derive(Debug)]
struct OnDemand(SharedHttpClient);

impl HttpClient for OnDemand {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}
