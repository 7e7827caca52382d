//! The certificate service: certificates by id, and requests signed by the Edge CA.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;
use skerry_keys::{Authority, CertificateError, CertificateStore, EDGE_CA, EdgeCa, KeyError, KeyStore};
use skerry_model::{Clock, Random};

use super::handles::{Handles, Key};
use super::{blocking, check_local};
use crate::api::{Api, CERTIFICATE_VERSIONS, Call, Problem, Reply, Versions};
use crate::caller::Callers;

pub(crate) struct CertificateService {
    pub(crate) certificates: Arc<CertificateStore>,
    pub(crate) edge_ca: Arc<EdgeCa>,
    pub(crate) keys: Arc<dyn KeyStore>,
    pub(crate) handles: Arc<Handles>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) callers: Callers,
}

impl Api for CertificateService {
    fn versions(&self) -> Versions {
        CERTIFICATE_VERSIONS
    }

    fn answer<'a>(
        &'a self,
        call: &'a Call,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, Problem>> + Send + 'a>> {
        Box::pin(self.route(call))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewCertificate {
    cert_id: String,
    csr: String,
    #[serde(default)]
    issuer: Option<Issuer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Issuer {
    cert_id: String,
    private_key_handle: String,
}

#[derive(Deserialize)]
struct Import {
    pem: String,
}

impl CertificateService {
    async fn route(&self, call: &Call) -> Result<Reply, Problem> {
        let words: Vec<&str> = call.segments.iter().map(String::as_str).collect();
        match (call.method.as_str(), words.as_slice()) {
            ("POST", ["certificates"]) => {
                check_local(&self.callers, call)?;
                self.issue(call.json()?).await
            }
            ("GET", ["certificates", id]) => {
                let (certificates, id) = (Arc::clone(&self.certificates), (*id).to_owned());
                let pem = blocking(move || certificates.get(&id).map_err(failed)).await?;
                let pem = pem.ok_or_else(Problem::not_found)?;
                Ok(Reply::json(200, &json!({ "pem": pem })))
            }
            ("PUT", ["certificates", id]) => {
                check_local(&self.callers, call)?;
                check_id(id)?;
                let (certificates, id, body) =
                    (Arc::clone(&self.certificates), (*id).to_owned(), call.json::<Import>()?);
                let pem = blocking(move || {
                    certificates.import(&id, &body.pem).map_err(failed)?;
                    Ok(body.pem)
                });
                Ok(Reply::json(201, &json!({ "pem": pem.await? })))
            }
            ("DELETE", ["certificates", id]) => {
                check_local(&self.callers, call)?;
                check_id(id)?;
                let (certificates, id) = (Arc::clone(&self.certificates), (*id).to_owned());
                blocking(move || certificates.delete(&id).map_err(failed)).await?;
                Ok(Reply::empty())
            }
            (_, ["certificates"] | ["certificates", _]) => Err(Problem::method()),
            _ => Err(Problem::not_found()),
        }
    }

    /// Below the Edge CA, or another authority that is kept here and whose key the caller holds.
    async fn issue(&self, new: NewCertificate) -> Result<Reply, Problem> {
        check_id(&new.cert_id)?;
        let (edge_ca, certificates) = (Arc::clone(&self.edge_ca), Arc::clone(&self.certificates));
        let (keys, handles) = (Arc::clone(&self.keys), Arc::clone(&self.handles));
        let (now, random) = (self.clock.now(), Arc::clone(&self.random));
        let pem = blocking(move || {
            let other = new.issuer.as_ref().filter(|issuer| issuer.cert_id != EDGE_CA);
            let pem = match other {
                None => edge_ca.sign_request(&new.csr),
                Some(issuer) => {
                    let unknown = || Problem::parameter("issuer.certId");
                    let chain = certificates.chain(&issuer.cert_id).map_err(failed)?.ok_or_else(unknown)?;
                    let key =
                        handles.open(&issuer.private_key_handle).map_err(|error| failed(error.into()))?;
                    let Some(Key::Pair(key)) = key else {
                        return Err(Problem::parameter("issuer.privateKeyHandle"));
                    };
                    let (keys, name) = (&*keys, issuer.cert_id.as_str());
                    Authority { chain: &chain, keys, key: &key, name }.sign_request(&new.csr, now, &*random)
                }
            };
            let pem = pem.map_err(failed)?;
            certificates.import(&new.cert_id, &pem).map_err(failed)?;
            Ok(pem)
        });
        Ok(Reply::json(201, &json!({ "pem": pem.await? })))
    }
}

/// What the daemon lives by is not replaced over this service.
fn check_id(id: &str) -> Result<(), Problem> {
    let is_ours =
        id.starts_with("aziot-edged-") || id.starts_with("skerry-") || id == crate::cloud::DEVICE_KEY;
    if is_ours { Err(Problem::parameter("certId")) } else { Ok(()) }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn failed(error: CertificateError) -> Problem {
    let status = match &error {
        CertificateError::Request
        | CertificateError::NoAuthority { .. }
        | CertificateError::Mismatch { .. }
        | CertificateError::Unreadable { .. }
        | CertificateError::Key(KeyError::Id { .. }) => 400,
        _ => 500,
    };
    Problem::of(status, &error)
}
