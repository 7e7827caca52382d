//! The routes of the workload API.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde::Deserialize;
use serde_json::json;
use skerry_keys::{CertificateError, Issued, ServerRequest, open, seal};
use skerry_model::ModuleId;
use tokio::task::spawn_blocking;

use super::Workload;
use crate::api::{Api, Call, EDGE_VERSIONS, Problem, Reply, Versions};
use crate::caller::container_of;
use crate::management::list_modules;

impl Api for Workload {
    fn versions(&self) -> Versions {
        EDGE_VERSIONS
    }

    fn answer<'a>(
        &'a self,
        call: &'a Call,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, Problem>> + Send + 'a>> {
        Box::pin(self.route(call))
    }
}

/// All of them may carry more, which nobody reads.
#[derive(Deserialize)]
struct Sign {
    data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Encrypt {
    plaintext: String,
    initialization_vector: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Decrypt {
    ciphertext: String,
    initialization_vector: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Server {
    common_name: String,
}

impl Workload {
    async fn route(&self, call: &Call) -> Result<Reply, Problem> {
        let words: Vec<&str> = call.segments.iter().map(String::as_str).collect();
        let only = |method: Method| if call.method == method { Ok(()) } else { Err(Problem::method()) };
        match words.as_slice() {
            ["modules"] => {
                only(Method::GET)?;
                list_modules(&*self.runtime, &self.parts).await
            }
            ["trust-bundle"] => {
                only(Method::GET)?;
                self.trust_bundle().await
            }
            ["manifest-trust-bundle"] => {
                only(Method::GET)?;
                let trust = self.trust.clone();
                let pem = blocking(move || trust.manifest_pem())
                    .await?
                    .map_err(|error| Problem::of(500, &error))?;
                Ok(Reply::json(200, &json!({ "certificate": pem })))
            }
            ["modules", module, "genid", generation, what @ ("sign" | "encrypt" | "decrypt")] => {
                only(Method::POST)?;
                let module = self.module(call, module).await?;
                match *what {
                    "sign" => self.sign(call, &module).await,
                    "encrypt" => self.encrypt(call, &module, generation).await,
                    _ => self.decrypt(call, &module, generation).await,
                }
            }
            ["modules", module, "certificate", "identity"] => {
                only(Method::POST)?;
                let module = self.module(call, module).await?;
                self.identity_certificate(&module).await
            }
            ["modules", module, "genid", _, "certificate", "server"] => {
                only(Method::POST)?;
                let module = self.module(call, module).await?;
                self.server_certificate(call, &module).await
            }
            _ => Err(Problem::not_found()),
        }
    }

    /// The module in the path, if the caller is it.
    async fn module(&self, call: &Call, text: &str) -> Result<ModuleId, Problem> {
        let module: ModuleId = text.parse().map_err(|_| Problem::forbidden())?;
        self.callers.check_module(call.peer, &module).await?;
        Ok(module)
    }

    async fn trust_bundle(&self) -> Result<Reply, Problem> {
        let (trust, edge_ca) = (self.trust.clone(), Arc::clone(&self.edge_ca));
        let pem = blocking(move || trust.pem(&edge_ca)).await?.map_err(|error| Problem::of(500, &error))?;
        Ok(Reply::json(200, &json!({ "certificate": pem })))
    }

    async fn sign(&self, call: &Call, module: &ModuleId) -> Result<Reply, Problem> {
        let body: Sign = call.json()?;
        let data = base64(&body.data, "data")?;
        let digest = self.identities.sign(module, data).await.map_err(|error| Problem::of(500, &error))?;
        Ok(Reply::json(200, &json!({ "digest": STANDARD.encode(digest) })))
    }

    async fn encrypt(&self, call: &Call, module: &ModuleId, generation: &str) -> Result<Reply, Problem> {
        let body: Encrypt = call.json()?;
        let text = base64(&body.plaintext, "plaintext")?;
        let iv = base64(&body.initialization_vector, "initializationVector")?;
        let (keys, module, generation) = (Arc::clone(&self.keys), module.clone(), generation.to_owned());
        let sealed = blocking(move || seal(&*keys, module.as_str(), &generation, &iv, &text)).await?;
        let sealed = sealed.map_err(|error| Problem::of(500, &error))?;
        Ok(Reply::json(200, &json!({ "ciphertext": STANDARD.encode(sealed) })))
    }

    async fn decrypt(&self, call: &Call, module: &ModuleId, generation: &str) -> Result<Reply, Problem> {
        let body: Decrypt = call.json()?;
        let sealed = base64(&body.ciphertext, "ciphertext")?;
        let iv = base64(&body.initialization_vector, "initializationVector")?;
        let (keys, module, generation) = (Arc::clone(&self.keys), module.clone(), generation.to_owned());
        let text = blocking(move || open(&*keys, module.as_str(), &generation, &iv, &sealed)).await?;
        let text = text.map_err(|error| Problem::of(500, &error))?;
        Ok(Reply::json(200, &json!({ "plaintext": STANDARD.encode(&*text) })))
    }

    async fn identity_certificate(&self, module: &ModuleId) -> Result<Reply, Problem> {
        let (edge_ca, device, module) =
            (Arc::clone(&self.edge_ca), self.identities.device().clone(), module.clone());
        let algorithm = self.module_keys;
        certificate(move || {
            edge_ca.issue_identity(device.hub.name(), device.id.as_str(), module.as_str(), algorithm)
        })
        .await
    }

    async fn server_certificate(&self, call: &Call, module: &ModuleId) -> Result<Reply, Problem> {
        let body: Server = call.json()?;
        if body.common_name.trim().is_empty() {
            return Err(Problem::parameter("commonName"));
        }
        let mut names = vec![container_of(module).to_owned()];
        names.extend(self.server_names.iter().cloned());
        let request = ServerRequest { common_name: body.common_name, names, algorithm: self.module_keys };
        let edge_ca = Arc::clone(&self.edge_ca);
        certificate(move || edge_ca.issue_server(request)).await
    }
}

async fn certificate(
    issue: impl FnOnce() -> Result<Issued, CertificateError> + Send + 'static,
) -> Result<Reply, Problem> {
    let issued = blocking(issue).await?.map_err(|error| match error {
        CertificateError::Name { .. } => Problem::parameter("commonName"),
        error => Problem::of(500, &error),
    })?;
    let expiration = issued.not_after.to_string().replace('Z', "+00:00");
    Ok(Reply::json(
        201,
        &json!({
            "privateKey": { "type": "key", "bytes": issued.key_pem.as_str() },
            "certificate": issued.chain_pem,
            "expiration": expiration,
        }),
    ))
}

fn base64(text: &str, name: &str) -> Result<Vec<u8>, Problem> {
    STANDARD.decode(text).map_err(|_| Problem::parameter(name))
}

/// Keys and certificates take their time.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    spawn_blocking(work).await.map_err(|_| Problem::new(500, "the work broke off, see the daemon's log"))
}
