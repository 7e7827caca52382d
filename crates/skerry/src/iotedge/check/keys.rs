//! Checks that ask the identity, key and certificate services.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use skerry_edge_daemon::config::{Attestation, KeyPlace, Provisioning};
use skerry_keys::{Chain, read_file};

use super::Outcome;
use super::facts::Facts;
use super::world::{LocalApi, LocalCall};
use crate::failure::Failure;
use crate::iotedge::socket::piece;

/// Shorter RSA keys are warned of.
const RSA_BITS_MIN: usize = 2048;

pub async fn keyd_running(facts: &Facts) -> Outcome {
    running(facts, LocalApi::Keyd, "keyd").await
}

pub async fn certd_running(facts: &Facts) -> Outcome {
    running(facts, LocalApi::Certd, "certd").await
}

pub async fn identityd_running(facts: &Facts) -> Outcome {
    running(facts, LocalApi::Identityd, "identityd").await
}

async fn running(facts: &Facts, api: LocalApi, name: &str) -> Outcome {
    match facts.answers(api).await {
        Ok(()) => Outcome::Ok,
        Err(failure) => Outcome::because(
            format!(
                "{name} does not answer: it is a part of the daemon, `iotedge system status` says how that is"
            ),
            failure.to_string(),
        ),
    }
}

/// Only who proves itself by a TPM needs it.
pub fn tpmd_running(facts: &Facts) -> Outcome {
    match &facts.config().provisioning {
        Provisioning::Dps(dps) if dps.attestation == Attestation::Tpm => Outcome::error(
            "the device is to prove itself by a TPM, for which there is no service yet: use source = \"manual\"",
        ),
        _ => Outcome::Ignored,
    }
}

pub async fn certificates_read(facts: &Facts) -> Outcome {
    let ids: Vec<String> = facts.config().named_certificates().into_keys().collect();
    if ids.is_empty() {
        return Outcome::Ignored;
    }
    let mut outcomes = Vec::new();
    for id in ids {
        let path = format!("/certificates/{}", piece(&id));
        let answer = facts.world.ask(LocalCall::get(LocalApi::Certd, path)).await;
        outcomes.push(match answer {
            Ok(answer) => {
                let pem = answer["pem"].as_str().unwrap_or_default();
                match Chain::from_pem(pem.as_bytes(), &id) {
                    Ok(_) => Outcome::Ok,
                    Err(error) => Outcome::because(format!("{id} is no certificate"), error.to_string()),
                }
            }
            Err(failure) => unread(&id, &failure),
        });
    }
    Outcome::worst(outcomes)
}

pub async fn pairs_read(facts: &Facts) -> Outcome {
    let mut outcomes = Vec::new();
    for (id, place) in facts.config().named_keys() {
        if is_pair(&place) {
            outcomes.push(pair(facts, &id).await.unwrap_or_else(|failure| unread(&id, &failure)));
        }
    }
    Outcome::worst(outcomes)
}

/// Symmetric keys lie in files of the same kind, but are no text.
fn is_pair(place: &KeyPlace) -> bool {
    match place {
        KeyPlace::File(path) => {
            // One that is not there may have been a pair: the service tells.
            read_file(path).ok().flatten().is_none_or(|bytes| bytes.starts_with(b"-----BEGIN"))
        }
        KeyPlace::Pkcs11(_) => true,
    }
}

async fn pair(facts: &Facts, id: &str) -> Result<Outcome, Failure> {
    let ask = |call| facts.world.ask(call);
    let handle = ask(LocalCall::get(LocalApi::Keyd, format!("/keypair/{}", piece(id)))).await?;
    let by_handle = json!({ "keyHandle": handle["keyHandle"] });
    let parameter = async |name: &str| {
        let call = LocalCall::post(LocalApi::Keyd, format!("/parameters/{name}"), by_handle.clone());
        Ok::<Value, Failure>(ask(call).await?["value"].clone())
    };
    if parameter("algorithm").await? != "RSA" {
        return Ok(Outcome::Ok);
    }
    let modulus = parameter("rsa-modulus").await?;
    let bits = STANDARD.decode(modulus.as_str().unwrap_or_default()).map_or(0, |bytes| bytes.len() * 8);
    Ok(if bits < RSA_BITS_MIN {
        Outcome::warning(format!("the key {id} has {bits} bits: make one of {RSA_BITS_MIN} or more"))
    } else {
        Outcome::Ok
    })
}

fn unread(id: &str, failure: &Failure) -> Outcome {
    match failure {
        // The check of the service itself tells.
        Failure::Unreachable(_) => Outcome::Skipped,
        _ => Outcome::because(
            format!("{id} cannot be had: check its path and permissions in config.toml"),
            failure.to_string(),
        ),
    }
}
