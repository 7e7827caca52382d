//! `/skerry/v1/certificates`: certificate authorities of devices, in the shape of the original's
//! management plane.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use skerry_tokens::Thumbprint;

use super::route::{not_allowed, unknown};
use super::{Problem, Reply, Request};
use crate::Hub;
use crate::authorities::{Authority, AuthorityError};
use crate::to_its_end::to_its_end;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    /// Base64 of the DER, or PEM.
    certificate: String,
    #[serde(default)]
    is_verified: bool,
}

impl Hub {
    /// The caller holds all rights.
    pub(super) async fn administer_authorities(
        &self,
        request: &Request,
        path: &[&str],
    ) -> Result<Reply, Problem> {
        let (authorities, devices) = (self.authorities.clone(), self.devices.clone());
        let owned = |name: &str| name.to_owned();
        let method = &request.head.method;
        let authority = match (path, method) {
            ([], &Method::GET) => {
                let all: Vec<Value> = authorities.all().iter().map(shown).collect();
                return Ok(Reply::json(200, &json!({"value": all})));
            }
            ([name], &Method::GET) => authorities.get(name)?,
            ([name], &Method::PUT) => {
                let document: Document = request.json()?;
                let der = der(&document.certificate)?;
                let may_replace = request.header("if-match").is_some();
                let (name, is_verified) = (owned(name), document.is_verified);
                let change = async move { authorities.register(&name, &der, is_verified, may_replace).await };
                to_its_end(change).await?
            }
            ([name], &Method::DELETE) => {
                let name = owned(name);
                let change = async move {
                    authorities.remove(&name).await?;
                    // Who came in by it goes.
                    devices.look_at_everybody().await;
                    Ok::<(), AuthorityError>(())
                };
                to_its_end(change).await?;
                return Ok(Reply::empty());
            }
            ([name, "generateVerificationCode"], &Method::POST) => {
                let name = owned(name);
                to_its_end(async move { authorities.new_code(&name).await }).await?
            }
            ([name, "verify"], &Method::POST) => {
                let document: Document = request.json()?;
                let (name, der) = (owned(name), der(&document.certificate)?);
                to_its_end(async move { authorities.verify(&name, &der).await }).await?
            }
            ([], _) => return Err(not_allowed(method, "GET")),
            ([_], _) => return Err(not_allowed(method, "GET, PUT, DELETE")),
            _ => return Err(unknown(request)),
        };
        Ok(Reply::json(200, &shown(&authority)).with_etag(&authority.etag()))
    }
}

fn shown(authority: &Authority) -> Value {
    let certificate = &authority.certificate;
    let mut properties = json!({
        "subject": certificate.subject,
        "expiry": certificate.not_after,
        "thumbprint": Thumbprint::sha256_of(&certificate.der).to_string(),
        "isVerified": authority.is_verified,
        "created": authority.created,
        "updated": authority.updated,
        "certificate": STANDARD.encode(&certificate.der),
    });
    if let Some(code) = &authority.code {
        properties["verificationCode"] = code.as_str().into();
    }
    json!({"name": authority.name, "etag": authority.etag(), "properties": properties})
}

/// The first certificate of a PEM text, or base64.
fn der(text: &str) -> Result<Vec<u8>, Problem> {
    let body = match text.split_once("-----BEGIN CERTIFICATE-----") {
        Some((_, rest)) => rest.split("-----END").next().unwrap_or_default(),
        None => text,
    };
    let packed: String = body.split_whitespace().collect();
    STANDARD
        .decode(packed)
        .map_err(|_| Problem::argument("the certificate must be PEM, or base64 of its DER"))
}

impl From<AuthorityError> for Problem {
    fn from(error: AuthorityError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
