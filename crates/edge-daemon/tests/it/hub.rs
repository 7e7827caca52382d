//! A small hub over HTTPS that keeps modules of one device, checks who asks, and falls ill when told.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use skerry_model::Timestamp;
use skerry_tokens::{Claim, KeyPair, KeyUse, ModuleRule, SasToken, SharedKey, covers};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

pub const HOST: &str = "hub.test";
pub const DEVICE: &str = "Edge-A";
pub const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

#[derive(Clone)]
pub struct FakeHub {
    state: Arc<Mutex<State>>,
    pub port: u16,
    /// What devices have to trust.
    pub root_pem: String,
}

#[derive(Default)]
struct State {
    modules: BTreeMap<String, Value>,
    made: u64,
    seen: Vec<String>,
    is_down: bool,
    answers: Option<StatusCode>,
    answers_after: Option<(usize, StatusCode)>,
    /// Of the certificate that the device must show; then no token is wanted.
    certificate: Option<Vec<u8>>,
    now: i64,
}

impl FakeHub {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let made = rcgen::generate_simple_self_signed([HOST.to_owned(), "parent.test".to_owned()]).unwrap();
        let state = Arc::new(Mutex::new(State { now: crate::clock::START, ..State::default() }));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(Arc::new(AnyCertificate))
            .with_single_cert(
                vec![made.cert.der().clone()],
                PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let hub = Self { state, port, root_pem: made.cert.pem() };
        let serving = hub.clone();
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                if serving.state.lock().unwrap().is_down {
                    continue;
                }
                let (hub, acceptor) = (serving.clone(), acceptor.clone());
                tokio::spawn(async move {
                    let Ok(tls) = acceptor.accept(tcp).await else { return };
                    let shown = tls.get_ref().1.peer_certificates().map(|chain| chain[0].to_vec());
                    let service = service_fn(move |request| {
                        let (hub, shown) = (hub.clone(), shown.clone());
                        async move { Ok::<_, Infallible>(hub.answer(request, shown).await) }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(tls), service)
                        .await;
                });
            }
        });
        hub
    }

    pub fn set_down(&self, is_down: bool) {
        self.state.lock().unwrap().is_down = is_down;
    }

    /// Answers everything with this status.
    pub fn answer_all(&self, status: Option<u16>) {
        self.state.lock().unwrap().answers = status.map(|status| StatusCode::from_u16(status).unwrap());
    }

    /// So many answers are right, those after them have this status.
    pub fn answer_after(&self, count: usize, status: u16) {
        self.state.lock().unwrap().answers_after = Some((count, StatusCode::from_u16(status).unwrap()));
    }

    pub fn remove(&self, id: &str) {
        self.state.lock().unwrap().modules.remove(id);
    }

    pub fn want_certificate(&self, certificate: &[u8]) {
        self.state.lock().unwrap().certificate = Some(certificate.to_vec());
    }

    /// What was asked since the last time: method, path, `If-Match`.
    pub fn take_seen(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }

    pub fn module(&self, id: &str) -> Option<Value> {
        self.state.lock().unwrap().modules.get(id).cloned()
    }

    /// A module that somebody else has made.
    pub fn put(&self, id: &str, generation: &str) {
        let module = json!({ "moduleId": id, "deviceId": DEVICE, "generationId": generation });
        self.state.lock().unwrap().modules.insert(id.to_owned(), module);
    }

    async fn answer(&self, request: Request<Incoming>, shown: Option<Vec<u8>>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let mut state = self.state.lock().unwrap();
        let if_match = head.headers.get("if-match").map(|value| value.to_str().unwrap().to_owned());
        let path = head.uri.path_and_query().unwrap().to_string();
        state.seen.push(format!("{} {path} {}", head.method, if_match.as_deref().unwrap_or("-")));
        match &mut state.answers_after {
            Some((0, status)) => {
                let status = *status;
                state.answers_after = None;
                state.answers = Some(status);
            }
            Some((count, _)) => *count -= 1,
            None => {}
        }
        if let Some(status) = state.answers {
            return reply(status, &json!({ "Message": "ErrorCode:Told;as it was told" }));
        }
        let authorization = head.headers.get("authorization").map(|value| value.to_str().unwrap());
        let is_known = match &state.certificate {
            Some(certificate) => shown.as_ref() == Some(certificate) && authorization.is_none(),
            None => authorization.is_some_and(|token| is_genuine(token, state.now)),
        };
        if !is_known {
            return reply(
                StatusCode::UNAUTHORIZED,
                &json!({ "Message": "ErrorCode:IotHubUnauthorized;who?" }),
            );
        }
        assert_eq!(head.uri.query(), Some("api-version=2017-11-08-preview"));
        let prefix = format!("/devices/{DEVICE}/modules");
        let module = head
            .uri
            .path()
            .strip_prefix(&prefix)
            .unwrap()
            .strip_prefix('/')
            .map(|id| percent_encoding::percent_decode_str(id).decode_utf8().unwrap().into_owned());
        state.serve(&head.method, module.as_deref(), if_match.as_deref(), &body)
    }
}

impl State {
    fn serve(
        &mut self,
        method: &Method,
        module: Option<&str>,
        if_match: Option<&str>,
        body: &[u8],
    ) -> Response<Full<Bytes>> {
        let absent = json!({ "Message": "ErrorCode:ModuleNotFound;no such module" });
        match (method.as_str(), module) {
            ("GET", None) => reply(StatusCode::OK, &self.modules.values().cloned().collect()),
            ("GET", Some(id)) => match self.modules.get(id) {
                Some(module) => reply(StatusCode::OK, module),
                None => reply(StatusCode::NOT_FOUND, &absent),
            },
            ("PUT", Some(id)) => {
                let body: Value = serde_json::from_slice(body).unwrap();
                assert_eq!((body["moduleId"].as_str(), body["deviceId"].as_str()), (Some(id), Some(DEVICE)));
                match (self.modules.get_mut(id), if_match) {
                    (Some(_), None) => reply(
                        StatusCode::CONFLICT,
                        &json!({ "Message": "ErrorCode:ModuleAlreadyExists;twice" }),
                    ),
                    (None, Some(_)) => reply(StatusCode::NOT_FOUND, &absent),
                    (Some(known), Some("*")) => {
                        let generation = known["generationId"].clone();
                        *known = body;
                        known["generationId"] = generation;
                        reply(StatusCode::OK, &known.clone())
                    }
                    (None, None) => {
                        self.made += 1;
                        let mut made = body;
                        made["generationId"] = format!("generation-{}", self.made).into();
                        self.modules.insert(id.to_owned(), made.clone());
                        reply(StatusCode::OK, &made)
                    }
                    other => panic!("{other:?}"),
                }
            }
            ("DELETE", Some(id)) => {
                assert_eq!(if_match, Some("*"));
                match self.modules.remove(id) {
                    Some(_) => Response::builder().status(204).body(Full::default()).unwrap(),
                    None => reply(StatusCode::NOT_FOUND, &absent),
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

fn is_genuine(token: &str, now: i64) -> bool {
    let token = SasToken::parse(token).unwrap();
    covers(token.resource(), &[HOST], Claim::Device(DEVICE), ModuleRule::OwnTokenOnly).unwrap();
    let key: SharedKey = KEY.parse().unwrap();
    let keys = KeyPair { primary: &key, secondary: &key };
    token.verify(keys, KeyUse::Hub, Timestamp::from_unix_seconds(now), std::time::Duration::ZERO).is_ok()
}

fn reply(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::new(body.to_string().into())).unwrap()
}

/// Asks for a certificate and takes any whose key is there.
#[derive(Debug)]
struct AnyCertificate;

impl rustls::server::danger::ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[rustls::DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::server::danger::ClientCertVerified, rustls::Error> {
        Ok(rustls::server::danger::ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
