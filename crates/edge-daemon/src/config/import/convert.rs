//! Which old key becomes which new one.

use serde_json::{Map, Value as Json};
use toml::{Table, Value};

use super::ImportError;

const MANAGEMENT: &str = "unix:///var/run/iotedge/mgmt.sock";
const WORKLOAD: &str = "unix:///var/run/iotedge/workload.sock";

/// A table of the old file; what is taken is gone from it.
pub(super) struct Old {
    path: String,
    entries: Map<String, Json>,
    unknown: Vec<String>,
}

impl Old {
    pub(super) fn new(entries: Map<String, Json>) -> Self {
        Self { path: String::new(), entries, unknown: Vec::new() }
    }

    fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn wrong(&self, key: &str, text: &str) -> ImportError {
        ImportError::Key { key: self.key(key), text: text.to_owned() }
    }

    /// A null is as good as nothing.
    fn take(&mut self, key: &str) -> Option<Json> {
        self.entries.remove(key).filter(|value| !value.is_null())
    }

    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, ImportError> {
        match self.take(key) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            // Without quotes, a name may look like a number.
            Some(Json::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(self.wrong(key, "is no text")),
        }
    }

    fn need(&mut self, key: &str) -> Result<Value, ImportError> {
        self.text(key)?.map(Value::String).ok_or_else(|| self.wrong(key, "is missing"))
    }

    fn flag(&mut self, key: &str) -> Result<bool, ImportError> {
        match self.take(key) {
            None => Ok(false),
            Some(Json::Bool(flag)) => Ok(flag),
            Some(_) => Err(self.wrong(key, "is neither true nor false")),
        }
    }

    /// Whoever has read it gives it back with [`Old::close`].
    fn table(&mut self, key: &str) -> Result<Option<Old>, ImportError> {
        match self.take(key) {
            None => Ok(None),
            Some(Json::Object(entries)) => {
                Ok(Some(Self { path: self.key(key), entries, unknown: Vec::new() }))
            }
            Some(_) => Err(self.wrong(key, "is no mapping")),
        }
    }

    fn close(&mut self, table: Old) {
        self.unknown.extend(table.left_out());
    }

    /// Keys that nobody asked for.
    pub(super) fn left_out(mut self) -> Vec<String> {
        let own = self.entries.keys().map(|key| self.key(key)).collect::<Vec<_>>();
        self.unknown.extend(own);
        self.unknown.sort();
        self.unknown
    }

    /// A path, or the URI of one.
    fn file(&mut self, key: &str) -> Result<Option<Value>, ImportError> {
        let text = self.text(key)?;
        Ok(text
            .map(|text| Value::String(if text.starts_with('/') { format!("file://{text}") } else { text })))
    }
}

pub(super) fn config(old: &mut Old, master_key: Option<String>) -> Result<Table, ImportError> {
    let mut new = Table::new();
    for key in ["hostname", "parent_hostname"] {
        insert(&mut new, key, old.text(key)?.map(Value::String));
    }
    insert(&mut new, "imported_master_encryption_key", master_key.map(Value::String));
    let (provisioning, mode) = provisioning(old)?;
    new.insert("auto_reprovisioning_mode".to_owned(), mode.into());
    certificates(old, &mut new)?;
    new.insert("provisioning".to_owned(), provisioning.into());
    insert(&mut new, "agent", agent(old)?.map(Value::Table));
    insert(&mut new, "connect", sockets(old, "connect")?);
    insert(&mut new, "listen", sockets(old, "listen")?);
    if let Some(mut watchdog) = old.table("watchdog")? {
        // Without an end is what it is anyway.
        if let Some(Json::Number(retries)) = watchdog.take("max_retries").filter(Json::is_number) {
            let retries = retries.as_i64().unwrap_or(i64::MAX);
            new.insert("watchdog".to_owned(), table([("max_retries", retries.into())]).into());
        }
        old.close(watchdog);
    }
    insert(&mut new, "moby_runtime", engine(old)?.map(Value::Table));
    Ok(new)
}

fn insert(table: &mut Table, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        table.insert(key.to_owned(), value);
    }
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Table {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn provisioning(old: &mut Old) -> Result<(Table, &'static str), ImportError> {
    let mut from = old.table("provisioning")?.ok_or_else(|| old.wrong("provisioning", "is missing"))?;
    let source = from.text("source")?.unwrap_or_else(|| "manual".to_owned());
    let mut new = table([("source", source.clone().into())]);
    let mut always = false;
    match source.as_str() {
        "manual" => match (from.text("device_connection_string")?, from.table("authentication")?) {
            (Some(string), None) => insert(&mut new, "connection_string", Some(string.into())),
            (None, Some(mut auth)) => {
                match auth.text("method")?.as_deref() {
                    Some("device_connection_string") => {
                        new.insert("connection_string".to_owned(), auth.need("device_connection_string")?);
                    }
                    Some("x509") => {
                        for key in ["iothub_hostname", "device_id"] {
                            new.insert(key.to_owned(), auth.need(key)?);
                        }
                        new.insert("authentication".to_owned(), x509(&mut auth)?.into());
                    }
                    _ => return Err(auth.wrong("method", "is neither device_connection_string nor x509")),
                }
                from.close(auth);
            }
            _ => {
                let text = "stands beside authentication, or both are missing: keep one of them";
                return Err(from.wrong("device_connection_string", text));
            }
        },
        "dps" => {
            new.insert("global_endpoint".to_owned(), from.need("global_endpoint")?);
            new.insert("id_scope".to_owned(), from.need("scope_id")?);
            always = from.flag("always_reprovision_on_startup")?;
            let attestation = match from.table("attestation")? {
                Some(mut attestation) => {
                    let new = self::attestation(&mut attestation)?;
                    from.close(attestation);
                    new
                }
                None => {
                    let id = from.need("registration_id")?;
                    table([("method", "tpm".into()), ("registration_id", id)])
                }
            };
            new.insert("attestation".to_owned(), attestation.into());
        }
        _ => return Err(from.wrong("source", "is neither manual nor dps, which is all that there is")),
    }
    let mode = match (from.flag("dynamic_reprovisioning")?, always) {
        (true, _) => "Dynamic",
        (false, true) => "AlwaysOnStartup",
        (false, false) => "OnErrorOnly",
    };
    old.close(from);
    Ok((new, mode))
}

fn x509(from: &mut Old) -> Result<Table, ImportError> {
    let mut new = table([("method", "x509".into())]);
    for key in ["identity_cert", "identity_pk"] {
        let file = from.file(key)?.ok_or_else(|| from.wrong(key, "is missing"))?;
        new.insert(key.to_owned(), file);
    }
    Ok(new)
}

fn attestation(from: &mut Old) -> Result<Table, ImportError> {
    let method = from.text("method")?.unwrap_or_default();
    let mut new = match method.as_str() {
        "x509" => x509(from)?,
        "symmetric_key" => {
            let key = table([("value", from.need("symmetric_key")?)]);
            table([("method", method.into()), ("symmetric_key", key.into())])
        }
        "tpm" => table([("method", method.into())]),
        _ => return Err(from.wrong("method", "is none of symmetric_key, x509 and tpm")),
    };
    insert(&mut new, "registration_id", from.text("registration_id")?.map(Value::String));
    Ok(new)
}

fn certificates(old: &mut Old, new: &mut Table) -> Result<(), ImportError> {
    let Some(mut from) = old.table("certificates")? else { return Ok(()) };
    insert(new, "trust_bundle_cert", from.file("trusted_ca_certs")?);
    let (certificate, key) = (from.file("device_ca_cert")?, from.file("device_ca_pk")?);
    let days = from.take("auto_generated_ca_lifetime_days");
    let edge_ca = match (certificate, key, days) {
        (Some(certificate), Some(key), _) => Some(table([("cert", certificate), ("pk", key)])),
        (None, None, Some(days)) => {
            let days =
                days.as_i64().ok_or_else(|| from.wrong("auto_generated_ca_lifetime_days", "is no number"))?;
            Some(table([("auto_generated_edge_ca_expiry_days", days.into())]))
        }
        (None, None, None) => None,
        _ => return Err(from.wrong("device_ca_cert", "and device_ca_pk belong together: write both")),
    };
    insert(new, "edge_ca", edge_ca.map(Value::Table));
    old.close(from);
    Ok(())
}

fn agent(old: &mut Old) -> Result<Option<Table>, ImportError> {
    let Some(mut from) = old.table("agent")? else { return Ok(None) };
    let mut new = Table::new();
    for (key, default) in [("name", Some("edgeAgent")), ("type", Some("docker")), ("imagePullPolicy", None)] {
        let text = from.text(key)?.or(default.map(str::to_owned));
        insert(&mut new, key, text.map(Value::String));
    }
    insert(&mut new, "env", from.take("env").and_then(|env| value(&env)).filter(is_full));
    if let Some(mut config) = from.table("config")? {
        let mut made = table([("image", config.need("image")?)]);
        insert(&mut made, "digest", config.text("digest")?.map(Value::String));
        for key in ["createOptions", "auth"] {
            insert(&mut made, key, config.take(key).and_then(|options| value(&options)).filter(is_full));
        }
        new.insert("config".to_owned(), made.into());
        from.close(config);
    }
    old.close(from);
    Ok(Some(new))
}

fn is_full(value: &Value) -> bool {
    value.as_table().is_none_or(|table| !table.is_empty())
}

/// Left out where it is what it is anyway. Sockets of systemd's have other names today.
fn sockets(old: &mut Old, key: &str) -> Result<Option<Value>, ImportError> {
    let Some(mut from) = old.table(key)? else { return Ok(None) };
    let mut read = |name: &str| -> Result<String, ImportError> {
        let text = from.text(name)?.ok_or_else(|| from.wrong(name, "is missing"))?;
        Ok(match text.trim_end_matches('/') {
            "fd://iotedge.mgmt.socket" => "fd://aziot-edged.mgmt.socket".to_owned(),
            "fd://iotedge.socket" => "fd://aziot-edged.workload.socket".to_owned(),
            _ => text,
        })
    };
    let (management, workload) = (read("management_uri")?, read("workload_uri")?);
    // The lowest version of TLS was for listening by HTTPS, which is no more.
    from.take("min_tls_version");
    old.close(from);
    let usual = match key {
        "connect" => [MANAGEMENT, WORKLOAD],
        _ => ["fd://aziot-edged.mgmt.socket", "fd://aziot-edged.workload.socket"],
    };
    if [management.as_str(), workload.as_str()] == usual {
        return Ok(None);
    }
    Ok(Some(table([("management_uri", management.into()), ("workload_uri", workload.into())]).into()))
}

fn engine(old: &mut Old) -> Result<Option<Table>, ImportError> {
    let Some(mut from) = old.table("moby_runtime")? else { return Ok(None) };
    let mut new = table([("uri", from.need("uri")?)]);
    insert(&mut new, "network", from.take("network").and_then(|network| value(&network)));
    if let Some(mut trust) = from.table("content_trust")? {
        if let Some(mut files) = trust.table("ca_certs")? {
            let names: Vec<String> = files.entries.keys().cloned().collect();
            let mut certificates = Table::new();
            for name in names {
                insert(&mut certificates, &name, files.file(&name)?);
            }
            new.insert("content_trust".to_owned(), table([("ca_certs", certificates.into())]).into());
        }
        from.close(trust);
    }
    old.close(from);
    Ok(Some(new))
}

/// As it is; TOML has no null.
fn value(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(flag) => (*flag).into(),
        Json::Number(number) => match number.as_i64() {
            Some(number) => number.into(),
            None => number.as_f64().unwrap_or_default().into(),
        },
        Json::String(text) => text.clone().into(),
        Json::Array(items) => items.iter().filter_map(value).collect::<Vec<_>>().into(),
        Json::Object(entries) => {
            let entries = entries.iter().filter_map(|(key, json)| Some((key.clone(), value(json)?)));
            entries.collect::<Table>().into()
        }
    })
}
