//! The key service: keys by id become handles, handles sign, encrypt and derive.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use skerry_keys::{Hash, KeyError, KeyStore, PairAlgorithm, PublicParts, Symmetric};

use super::handles::{Handles, Key};
use super::{blocking, check_local, rsa};
use crate::api::{Api, Call, KEY_VERSIONS, Problem, Reply, Versions};
use crate::caller::Callers;

/// Behind the ciphertext.
const TAG_BYTES: usize = 16;
/// The curve's number, as it is encoded: 1.2.840.10045.3.1.7.
const P256_OID: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

pub(crate) struct KeyService {
    pub(crate) keys: Arc<dyn KeyStore>,
    pub(crate) callers: Callers,
    pub(crate) handles: Arc<Handles>,
}

impl Api for KeyService {
    fn versions(&self) -> Versions {
        KEY_VERSIONS
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
struct NewKey {
    key_id: String,
    #[serde(default)]
    preferred_algorithms: Option<String>,
    #[serde(default)]
    key_bytes: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ByHandle {
    key_handle: String,
}

#[derive(Deserialize)]
struct From {
    from: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Derive {
    base_key_handle: String,
    derivation_data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sign {
    key_handle: String,
    algorithm: String,
    #[serde(default)]
    parameters: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Crypt {
    key_handle: String,
    algorithm: String,
    #[serde(default)]
    parameters: Value,
    #[serde(default)]
    plaintext: Option<String>,
    #[serde(default)]
    ciphertext: Option<String>,
}

impl KeyService {
    async fn route(&self, call: &Call) -> Result<Reply, Problem> {
        let words: Vec<&str> = call.segments.iter().map(String::as_str).collect();
        match (call.method.as_str(), words.as_slice()) {
            // With an id: only for those who may name keys.
            ("POST", [kind @ ("key" | "keypair")]) => {
                check_local(&self.callers, call)?;
                self.make(call.json()?, *kind == "keypair").await
            }
            ("GET", [kind @ ("key" | "keypair"), id]) => {
                check_local(&self.callers, call)?;
                self.load(id, *kind == "keypair").await
            }
            ("PUT", ["keypair", id]) => {
                call.since("2021-05-01")?;
                check_local(&self.callers, call)?;
                let (from, to) = (call.json::<From>()?.from, (*id).to_owned());
                let keys = Arc::clone(&self.keys);
                blocking(move || keys.move_pair(&from, &to).map_err(failed)).await?;
                Ok(Reply::empty())
            }
            ("DELETE", ["key" | "keypair"]) => self.delete(call.json()?).await,
            // With a handle: for whoever holds it.
            ("POST", ["derivedkey"]) => self.derive(call.json()?).await,
            ("POST", ["derivedkey", "export"]) => self.export(call.json()?).await,
            ("POST", ["sign"]) => self.sign(call.json()?).await,
            ("POST", ["encrypt"]) => self.encrypt(call.json()?).await,
            ("POST", ["decrypt"]) => self.decrypt(call.json()?).await,
            ("POST", ["parameters", name]) => self.parameter(name, call.json()?).await,
            (_, ["key" | "keypair" | "derivedkey" | "sign" | "encrypt" | "decrypt"])
            | (_, ["key" | "keypair", _] | ["derivedkey", "export"] | ["parameters", _]) => {
                Err(Problem::method())
            }
            _ => Err(Problem::not_found()),
        }
    }

    async fn work(
        &self,
        work: impl FnOnce(&dyn KeyStore, &Handles) -> Result<Value, Problem> + Send + 'static,
    ) -> Result<Reply, Problem> {
        let (keys, handles) = (Arc::clone(&self.keys), Arc::clone(&self.handles));
        Ok(Reply::json(200, &blocking(move || work(&*keys, &handles)).await?))
    }

    async fn make(&self, new: NewKey, is_pair: bool) -> Result<Reply, Problem> {
        self.work(move |keys, handles| {
            if is_pair {
                let list = new.preferred_algorithms.as_deref().unwrap_or("*");
                let algorithm = PairAlgorithm::preferred(list);
                let algorithm = algorithm.ok_or_else(|| Problem::parameter("preferredAlgorithms"))?;
                keys.make_pair(&new.key_id, algorithm).map_err(failed)?;
                return handle(handles, Key::Pair(new.key_id));
            }
            match new.key_bytes {
                Some(bytes) => keys.import_key(&new.key_id, &base64(&bytes, "keyBytes")?).map_err(failed)?,
                None => keys.make_key(&new.key_id).map_err(failed)?,
            }
            handle(handles, Key::Symmetric(new.key_id))
        })
        .await
    }

    async fn load(&self, id: &str, is_pair: bool) -> Result<Reply, Problem> {
        let id = id.to_owned();
        self.work(move |keys, handles| {
            if is_pair {
                keys.public_key(&id).map_err(failed)?;
                return handle(handles, Key::Pair(id));
            }
            if !keys.has(&id).map_err(failed)? {
                return Err(failed(KeyError::NotFound { id }));
            }
            handle(handles, Key::Symmetric(id))
        })
        .await
    }

    async fn delete(&self, by: ByHandle) -> Result<Reply, Problem> {
        self.work(move |keys, handles| {
            match open(handles, &by.key_handle)? {
                Key::Symmetric(id) | Key::Pair(id) => keys.delete(&id).map_err(failed)?,
                Key::Derived(..) => return Err(Problem::parameter("keyHandle")),
            }
            Ok(Value::Null)
        })
        .await?;
        Ok(Reply::empty())
    }

    async fn derive(&self, derive: Derive) -> Result<Reply, Problem> {
        self.work(move |_, handles| match open(handles, &derive.base_key_handle)? {
            Key::Symmetric(base) => {
                base64(&derive.derivation_data, "derivationData")?;
                handle(handles, Key::Derived(base, derive.derivation_data))
            }
            // A derived key derives nothing.
            _ => Err(Problem::parameter("baseKeyHandle")),
        })
        .await
    }

    async fn export(&self, by: ByHandle) -> Result<Reply, Problem> {
        self.work(move |keys, handles| match open(handles, &by.key_handle)? {
            Key::Derived(base, data) => {
                let key = keys.export_derived(&base, &base64(&data, "keyHandle")?).map_err(failed)?;
                Ok(json!({ "key": STANDARD.encode(*key) }))
            }
            _ => Err(Problem::parameter("keyHandle")),
        })
        .await
    }

    async fn sign(&self, sign: Sign) -> Result<Reply, Problem> {
        self.work(move |keys, handles| {
            match sign.algorithm.as_str() {
                "HMAC-SHA256" => {}
                "ECDSA" => return sign_digest(keys, handles, &sign),
                _ => return Err(Problem::parameter("algorithm")),
            }
            let message = member(&sign.parameters, "message")?;
            let signature = match open(handles, &sign.key_handle)? {
                Key::Symmetric(id) => keys.sign(Symmetric::Named(&id), &message),
                Key::Derived(base, data) => {
                    let data = base64(&data, "keyHandle")?;
                    keys.sign(Symmetric::Derived { base: &base, data: &data }, &message)
                }
                Key::Pair(_) => return Err(Problem::parameter("keyHandle")),
            };
            Ok(json!({ "signature": STANDARD.encode(signature.map_err(failed)?) }))
        })
        .await
    }

    async fn encrypt(&self, crypt: Crypt) -> Result<Reply, Problem> {
        self.work(move |keys, handles| {
            if crypt.algorithm == "RSA-PKCS1" {
                let id = pair(keys, handles, &crypt.key_handle, true)?;
                let text = base64(crypt.plaintext.as_deref().unwrap_or_default(), "plaintext")?;
                let signature = rsa::sign(keys, &id, &text).ok_or_else(|| Problem::parameter("plaintext"))?;
                return Ok(json!({ "ciphertext": STANDARD.encode(signature.map_err(failed)?) }));
            }
            let id = aead(handles, &crypt)?;
            let (iv, aad) = (member(&crypt.parameters, "iv")?, member(&crypt.parameters, "aad")?);
            let text = base64(crypt.plaintext.as_deref().unwrap_or_default(), "plaintext")?;
            let sealed = keys.encrypt(&id, &iv, &aad, &text).map_err(failed)?;
            Ok(json!({ "ciphertext": STANDARD.encode(sealed) }))
        })
        .await
    }

    async fn decrypt(&self, crypt: Crypt) -> Result<Reply, Problem> {
        self.work(move |keys, handles| {
            let id = aead(handles, &crypt)?;
            let (iv, aad) = (member(&crypt.parameters, "iv")?, member(&crypt.parameters, "aad")?);
            let sealed = base64(crypt.ciphertext.as_deref().unwrap_or_default(), "ciphertext")?;
            let parts = sealed.split_last_chunk::<TAG_BYTES>();
            let (sealed, tag) = parts.ok_or_else(|| Problem::parameter("ciphertext"))?;
            let text = keys.decrypt(&id, &iv, &aad, sealed, tag).map_err(failed)?;
            Ok(json!({ "plaintext": STANDARD.encode(&*text) }))
        })
        .await
    }

    /// What there is to know of the public half of a pair.
    async fn parameter(&self, name: &str, by: ByHandle) -> Result<Reply, Problem> {
        let name = name.to_owned();
        self.work(move |keys, handles| {
            let Key::Pair(id) = open(handles, &by.key_handle)? else {
                return Err(Problem::parameter("keyHandle"));
            };
            let value = match (name.as_str(), keys.public_key(&id).map_err(failed)?.parts()) {
                ("algorithm", PublicParts::Rsa { .. }) => "RSA".to_owned(),
                ("algorithm", PublicParts::Ec { .. }) => "ECDSA".to_owned(),
                ("rsa-modulus", PublicParts::Rsa { modulus, .. }) => STANDARD.encode(modulus),
                ("rsa-exponent", PublicParts::Rsa { exponent, .. }) => STANDARD.encode(exponent),
                ("ec-curve-oid", PublicParts::Ec { .. }) => STANDARD.encode(P256_OID),
                ("ec-point", PublicParts::Ec { point }) => STANDARD.encode(point),
                _ => return Err(Problem::parameter("name")),
            };
            Ok(json!({ "value": value }))
        })
        .await
    }
}

fn sign_digest(keys: &dyn KeyStore, handles: &Handles, sign: &Sign) -> Result<Value, Problem> {
    let digest = member(&sign.parameters, "digest")?;
    if digest.len() != Hash::Sha256.bytes() {
        return Err(Problem::parameter("digest"));
    }
    let id = pair(keys, handles, &sign.key_handle, false)?;
    let signature = keys.sign_digest(&id, Hash::Sha256, &digest).map_err(failed)?;
    Ok(json!({ "signature": STANDARD.encode(signature) }))
}

/// What the handle stands for, where it is a pair of this kind.
fn pair(keys: &dyn KeyStore, handles: &Handles, handle: &str, is_rsa: bool) -> Result<String, Problem> {
    match open(handles, handle)? {
        Key::Pair(id) if keys.public_key(&id).map_err(failed)?.is_rsa == is_rsa => Ok(id),
        _ => Err(Problem::parameter("keyHandle")),
    }
}

/// The key that encrypts.
fn aead(handles: &Handles, crypt: &Crypt) -> Result<String, Problem> {
    if crypt.algorithm != "AEAD" {
        return Err(Problem::parameter("algorithm"));
    }
    match open(handles, &crypt.key_handle)? {
        Key::Symmetric(id) => Ok(id),
        _ => Err(Problem::parameter("keyHandle")),
    }
}

fn handle(handles: &Handles, key: Key) -> Result<Value, Problem> {
    Ok(json!({ "keyHandle": handles.give(key).map_err(failed)? }))
}

fn open(handles: &Handles, handle: &str) -> Result<Key, Problem> {
    handles.open(handle).map_err(failed)?.ok_or_else(|| Problem::parameter("keyHandle"))
}

fn member(parameters: &Value, name: &'static str) -> Result<Vec<u8>, Problem> {
    base64(parameters[name].as_str().ok_or_else(|| Problem::parameter(name))?, name)
}

fn base64(text: &str, name: &str) -> Result<Vec<u8>, Problem> {
    STANDARD.decode(text).map_err(|_| Problem::parameter(name))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn failed(error: KeyError) -> Problem {
    let status = match &error {
        KeyError::NotFound { .. } => 404,
        KeyError::Id { .. }
        | KeyError::Scheme { .. }
        | KeyError::Vector
        | KeyError::Sealed
        | KeyError::Length { .. } => 400,
        _ => 500,
    };
    Problem::of(status, &error)
}
