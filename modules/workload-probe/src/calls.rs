//! The calls, and what a good answer to each is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::certificate;
use crate::wire::{Answer, Wire};

/// What is signed; whoever knows the module's key can tell whether the signature is right.
pub(crate) const SIGNED: &str = "signed by the probe";
const SECRET: &str = "kept by the probe";
const VECTOR: &str = "a vector of the probe";
/// The name in the server certificate.
const NAME: &str = "probe.plant.test";
/// Every version that the API ever had.
const VERSIONS: [&str; 7] =
    ["2018-06-28", "2019-01-30", "2019-10-22", "2019-11-05", "2020-07-07", "2021-12-07", "2022-08-03"];
/// A module that is there on every device, and is not this one.
const OTHER: &str = "%24edgeHub";

pub(crate) struct Calls {
    wire: Wire,
    module: String,
    /// `/modules/ME`, and `/modules/ME/genid/NOW`.
    own: String,
    own_now: String,
}

pub(crate) struct Found {
    pub(crate) call: String,
    /// 0 where nobody answered.
    pub(crate) status: u16,
    pub(crate) is_good: bool,
    pub(crate) text: String,
}

/// What an answer was looked at for, or what is wrong with it.
type Judged = Result<String, String>;

impl Calls {
    pub(crate) fn new(wire: Wire, module: &str, generation: &str) -> Self {
        let segment = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let own = format!("/modules/{}", segment(module));
        let own_now = format!("{own}/genid/{}", segment(generation));
        Self { wire, module: module.to_owned(), own, own_now }
    }

    pub(crate) async fn round(&self) -> Vec<Found> {
        let mut found = vec![self.modules().await];
        let bundle = self.get("/trust-bundle").await;
        let trusted = text(&bundle, "certificate").unwrap_or_default();
        found.push(judge("trust-bundle", 200, bundle, |answer| {
            let count = certificate::certificates(&text_of(answer, "certificate")?)?.len();
            if count == 0 { Err("no certificate".to_owned()) } else { Ok(format!("{count} certificates")) }
        }));
        let bundle = self.get("/manifest-trust-bundle").await;
        found.push(judge("manifest-trust-bundle", 200, bundle, |answer| text_of(answer, "certificate")));
        found.push(self.sign().await);
        self.secrets(&mut found).await;
        self.certificates(&mut found, &trusted).await;
        self.versions(&mut found).await;
        self.refused(&mut found).await;
        found
    }

    async fn modules(&self) -> Found {
        let answer = self.get("/modules").await;
        judge("modules", 200, answer, |answer| {
            let names = answer.body["modules"].as_array().into_iter().flatten();
            let mut names = names.filter_map(|module| module["name"].as_str());
            names.find(|name| *name == self.module).map(str::to_owned).ok_or("not in the list".to_owned())
        })
    }

    async fn sign(&self) -> Found {
        let ask = json!({"keyId": "primary", "algo": "HMACSHA256", "data": STANDARD.encode(SIGNED)});
        let answer = self.post(&format!("{}/sign", self.own_now), &ask).await;
        judge("sign", 200, answer, |answer| text_of(answer, "digest"))
    }

    async fn secrets(&self, found: &mut Vec<Found>) {
        let vector = STANDARD.encode(VECTOR);
        let ask = json!({"plaintext": STANDARD.encode(SECRET), "initializationVector": vector});
        let sealed = self.post(&format!("{}/encrypt", self.own_now), &ask).await;
        let ciphertext = text(&sealed, "ciphertext").unwrap_or_default();
        found.push(judge("encrypt", 200, sealed, |_| {
            let bytes = STANDARD.decode(&ciphertext).map_err(|error| error.to_string())?;
            let is_hidden = !bytes.windows(SECRET.len()).any(|piece| piece == SECRET.as_bytes());
            if is_hidden { Ok(format!("{} bytes", bytes.len())) } else { Err("readable".to_owned()) }
        }));
        let path = format!("{}/decrypt", self.own_now);
        let opened =
            self.post(&path, &json!({"ciphertext": ciphertext, "initializationVector": vector})).await;
        found.push(judge("decrypt", 200, opened, |answer| {
            let plain = text_of(answer, "plaintext")?;
            if plain == STANDARD.encode(SECRET) { Ok(plain) } else { Err(format!("another text: {plain}")) }
        }));
        let ask = json!({"ciphertext": ciphertext, "initializationVector": STANDARD.encode("another")});
        found.push(refusal("decrypt with another vector", 500, self.post(&path, &ask).await));
        let path = format!("{}/genid/another/decrypt", self.own);
        let ask = json!({"ciphertext": ciphertext, "initializationVector": vector});
        found.push(refusal("decrypt for another generation", 500, self.post(&path, &ask).await));
    }

    async fn certificates(&self, found: &mut Vec<Found>, trusted: &str) {
        let ask = json!({"commonName": NAME, "expiration": "2030-01-01T00:00:00Z"});
        let issued = self.post(&format!("{}/certificate/server", self.own_now), &ask).await;
        found.push(judge("certificate/server", 201, issued, |answer| {
            let (chain, key, until) = issued_of(answer)?;
            certificate::serves(NAME, &chain, &key, trusted).map(|()| until)
        }));
        let issued = self.post(&format!("{}/certificate/identity", self.own), &json!({})).await;
        found.push(judge("certificate/identity", 201, issued, |answer| {
            let (chain, key, until) = issued_of(answer)?;
            certificate::proves(&chain, &key, trusted).map(|()| until)
        }));
    }

    async fn versions(&self, found: &mut Vec<Found>) {
        for version in VERSIONS {
            let answer = self.raw(Method::GET, &format!("/trust-bundle?api-version={version}"), "").await;
            found.push(judge(&format!("version {version}"), 200, answer, |_| Ok(String::new())));
        }
        for version in ["2021-05-11", "1900-01-01", "x"] {
            let answer = self.raw(Method::GET, &format!("/trust-bundle?api-version={version}"), "").await;
            found.push(refusal(&format!("version {version}"), 400, answer));
        }
        let answer = self.raw(Method::GET, "/trust-bundle", "").await;
        found.push(refusal("no version", 400, answer));
    }

    /// Another module's path, and requests that make no sense.
    async fn refused(&self, found: &mut Vec<Found>) {
        let ask = json!({"data": "", "plaintext": "", "ciphertext": "", "initializationVector": "",
                         "commonName": NAME});
        for what in ["sign", "encrypt", "decrypt", "certificate/server"] {
            let answer = self.post(&format!("/modules/{OTHER}/genid/1/{what}"), &ask).await;
            found.push(refusal(&format!("another's {what}"), 403, answer));
        }
        let answer = self.post(&format!("/modules/{OTHER}/certificate/identity"), &ask).await;
        found.push(refusal("another's certificate/identity", 403, answer));
        let sign = format!("{}/sign", self.own_now);
        let answer = self.post(&sign, &json!({"data": "no base64!"})).await;
        found.push(refusal("sign what is no base64", 400, answer));
        let sign = self.with_version(&sign);
        found.push(refusal("sign what is no JSON", 422, self.raw(Method::POST, &sign, "{").await));
        found.push(refusal("sign nothing", 400, self.raw(Method::POST, &sign, "").await));
        found.push(refusal("delete", 400, self.raw(Method::DELETE, &sign, "").await));
        found.push(refusal("no such path", 404, self.get("/nowhere").await));
    }

    async fn get(&self, path: &str) -> Result<Answer, String> {
        self.raw(Method::GET, &self.with_version(path), "").await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Answer, String> {
        self.raw(Method::POST, &self.with_version(path), &body.to_string()).await
    }

    async fn raw(&self, method: Method, path: &str, body: &str) -> Result<Answer, String> {
        self.wire.ask(method, path, body.to_owned()).await
    }

    fn with_version(&self, path: &str) -> String {
        format!("{path}?api-version={}", self.wire.version)
    }
}

fn judge(
    call: &str,
    status: u16,
    answer: Result<Answer, String>,
    look: impl FnOnce(&Answer) -> Judged,
) -> Found {
    let call = call.to_owned();
    match answer {
        Err(text) => Found { call, status: 0, is_good: false, text },
        Ok(answer) => {
            let judged = if answer.status == status {
                look(&answer)
            } else {
                Err(format!("{status} was right; it says {}", answer.body))
            };
            let is_good = judged.is_ok();
            Found { call, status: answer.status, is_good, text: judged.unwrap_or_else(|wrong| wrong) }
        }
    }
}

/// A refusal has this status, and a sentence.
fn refusal(call: &str, status: u16, answer: Result<Answer, String>) -> Found {
    judge(call, status, answer, |answer| text_of(answer, "message"))
}

fn text(answer: &Result<Answer, String>, key: &str) -> Option<String> {
    answer.as_ref().ok().and_then(|answer| answer.body[key].as_str().map(str::to_owned))
}

fn text_of(answer: &Answer, key: &str) -> Judged {
    answer.body[key].as_str().map(str::to_owned).ok_or_else(|| format!("it holds no {key}"))
}

/// Chain, key, and until when.
fn issued_of(answer: &Answer) -> Result<(String, String, String), String> {
    let key = &answer.body["privateKey"];
    if key["type"] != "key" {
        return Err(format!("a private key of type {}", key["type"]));
    }
    let key = key["bytes"].as_str().ok_or("it holds no private key")?.to_owned();
    Ok((text_of(answer, "certificate")?, key, text_of(answer, "expiration")?))
}
