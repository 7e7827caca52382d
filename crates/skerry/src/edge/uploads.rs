//! Logs and bundles of the agent, put into storage behind a signed address.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use skerry_edge_agent::{Blob, BlobKind, UploadError, Uploads};
use skerry_runtime::Answer;
use skerry_uplink::Place;

use super::doors::Doors;

/// Between tries; there is one more try than pauses.
const PAUSES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(20)];
/// For one request with its answer.
const LIMIT: Duration = Duration::from_secs(300);
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// What storage takes in one append.
const APPEND_BYTES_MAX: usize = 4 << 20;
const STORAGE_VERSION: &str = "2019-12-12";
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

pub struct BlobUploads {
    pub tls: Arc<ClientConfig>,
    pub doors: Arc<Doors>,
}

enum Trouble {
    /// Another try may go well.
    Passing(String),
    Lasting(String),
    /// The storage does not take this request, whoever sends it.
    Kind(String),
}

impl Uploads for BlobUploads {
    fn put<'a>(&'a self, container: &'a str, blob: Blob) -> Answer<'a, (), UploadError> {
        Box::pin(async move {
            let mut pauses = PAUSES.into_iter();
            loop {
                let (reason, pause) = match Box::pin(self.once(container, &blob)).await {
                    Ok(()) => return Ok(()),
                    Err(Trouble::Lasting(reason) | Trouble::Kind(reason)) => {
                        return Err(UploadError { reason });
                    }
                    Err(Trouble::Passing(reason)) => (reason, pauses.next()),
                };
                let Some(pause) = pause else { return Err(UploadError { reason }) };
                tracing::warn!(reason, "An upload failed, the next try follows.");
                tokio::time::sleep(pause).await;
            }
        })
    }
}

impl BlobUploads {
    async fn once(&self, container: &str, blob: &Blob) -> Result<(), Trouble> {
        let place = Address::parse(container, &blob.name).map_err(Trouble::Lasting)?;
        match blob.kind {
            BlobKind::Block => self.send(&place, "", Some("BlockBlob"), blob.bytes.clone()).await,
            BlobKind::Append => {
                match self.send(&place, "", Some("AppendBlob"), Bytes::new()).await {
                    // Ours has none: the whole text in one blob serves as well.
                    Err(Trouble::Kind(_)) => {
                        return self.send(&place, "", Some("BlockBlob"), blob.bytes.clone()).await;
                    }
                    done => done?,
                }
                for start in (0..blob.bytes.len()).step_by(APPEND_BYTES_MAX) {
                    let end = blob.bytes.len().min(start + APPEND_BYTES_MAX);
                    self.send(&place, "comp=appendblock&", None, blob.bytes.slice(start..end)).await?;
                }
                Ok(())
            }
        }
    }

    async fn send(&self, to: &Address, query: &str, kind: Option<&str>, body: Bytes) -> Result<(), Trouble> {
        let mut request = Request::put(format!("{}?{query}{}", to.path, to.query))
            .header(HOST, &to.authority)
            .header(USER_AGENT, concat!("skerry-edge/", env!("CARGO_PKG_VERSION")))
            .header("x-ms-version", STORAGE_VERSION)
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, body.len());
        if let Some(kind) = kind {
            request = request.header("x-ms-blob-type", kind);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| Trouble::Lasting(format!("the address: {error}")))?;
        let late = |_| Err(Trouble::Passing(format!("no answer within {} s", LIMIT.as_secs())));
        tokio::time::timeout(LIMIT, Box::pin(self.exchange(to, request))).await.unwrap_or_else(late)
    }

    async fn exchange(&self, to: &Address, request: Request<Full<Bytes>>) -> Result<(), Trouble> {
        let passing = |error: &dyn std::fmt::Display| Trouble::Passing(format!("{}: {error}", to.host));
        let proxy = self.doors.proxy(&to.host);
        let found = self.doors.find(&to.host, to.port, proxy, 0).await;
        let (address, relay) = found.map_err(Trouble::Passing)?;
        let name = ServerName::try_from(to.host.clone()).map_err(|error| passing(&error))?;
        let tls = Some((name, Arc::clone(&self.tls)));
        let place = Place { address, relay, tls, websocket: None, connect_timeout: LIMIT };
        let stream = place.open().await.map_err(|error| passing(&error))?;
        let (mut sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| passing(&error))?;
        let connection = tokio::spawn(connection);
        let answer = async {
            let response = sender.send_request(request).await.map_err(|error| passing(&error))?;
            let status = response.status();
            if status.is_success() {
                return Ok(());
            }
            let text = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            let text = text.map(|text| String::from_utf8_lossy(&text.to_bytes()).into_owned());
            let text: String = text.unwrap_or_default().chars().take(300).collect();
            let reason = format!("the storage answers with HTTP status {}: {text}", status.as_u16());
            Err(match status {
                StatusCode::BAD_REQUEST => Trouble::Kind(reason),
                status if status.is_server_error() => Trouble::Passing(reason),
                _ => Trouble::Lasting(reason),
            })
        };
        let answer = answer.await;
        connection.abort();
        answer
    }
}

/// A blob behind the signature of its container.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    host: String,
    port: u16,
    authority: String,
    path: String,
    query: String,
}

impl Address {
    fn parse(container: &str, blob: &str) -> Result<Self, String> {
        // The address holds the signature, so no message repeats it.
        let uri: Uri =
            container.parse().map_err(|_| "the address of the storage cannot be read".to_owned())?;
        if uri.scheme_str() != Some("https") {
            return Err("the address of the storage does not begin with https://".to_owned());
        }
        let authority = uri.authority().ok_or("the address of the storage names no host")?;
        Ok(Self {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(443),
            authority: authority.to_string(),
            path: format!("{}/{}", uri.path().trim_end_matches('/'), utf8_percent_encode(blob, PATH)),
            query: uri.query().unwrap_or_default().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_lies_below_its_container() {
        let address = Address::parse("https://store.test:8443/logs/?sv=1&sig=a%2Bb", "hub/a b.log").unwrap();
        assert_eq!((address.host.as_str(), address.port), ("store.test", 8443));
        assert_eq!(address.path, "/logs/hub/a%20b.log");
        assert_eq!(address.query, "sv=1&sig=a%2Bb");
        for text in ["http://store.test/logs?sig=secret", "logs?sig=secret", "https:// ?sig=secret"] {
            let error = Address::parse(text, "a").unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
