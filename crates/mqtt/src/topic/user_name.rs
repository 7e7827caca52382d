//! The user name of a connection: `HOST/DEVICE[/MODULE]/?api-version=…&…`.

use percent_encoding::percent_decode_str;
use skerry_model::{DeviceId, IdError, ModuleId};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserName {
    /// As it was sent; whose name it is, the server decides.
    pub host: String,
    pub device: DeviceId,
    pub module: Option<ModuleId>,
    pub api_version: Option<String>,
    /// The plug-and-play model that the client announces.
    pub model: Option<String>,
    /// What the client says that it is; for people.
    pub client_type: Option<String>,
    /// On whose behalf a gateway connects, from the leaf to the root.
    pub auth_chain: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserNameError {
    #[error("the user name is not HOST/DEVICE/?api-version=…, or HOST/DEVICE/MODULE/?api-version=…")]
    Form,
    #[error(transparent)]
    Id(#[from] IdError),
}

impl UserName {
    pub fn parse(text: &str) -> Result<Self, UserNameError> {
        let mut parts = text.splitn(4, '/');
        let host = parts.next().filter(|host| !host.is_empty()).ok_or(UserNameError::Form)?;
        let device = parts.next().ok_or(UserNameError::Form)?.parse()?;
        let (third, fourth) = (parts.next(), parts.next());
        // Old clients leave the question mark out, so what has an equals sign is the query.
        let is_query = |part: &str| part.is_empty() || part.starts_with('?') || part.contains('=');
        let (module, query) = match (third, fourth) {
            (None, None) => (None, ""),
            (Some(query), None) if is_query(query) => (None, query),
            (Some(query), Some(rest)) if is_query(query) => {
                // A slash inside the query, such as one in an unencoded client type.
                let start = text.len() - rest.len() - query.len() - 1;
                (None, &text[start..])
            }
            (Some(module), query) => (Some(module.parse()?), query.unwrap_or("")),
            (None, Some(_)) => return Err(UserNameError::Form),
        };
        let mut name = Self {
            host: host.to_owned(),
            device,
            module,
            api_version: None,
            model: None,
            client_type: None,
            auth_chain: None,
        };
        let query = query.strip_prefix('?').unwrap_or(query);
        for pair in query.split('&') {
            let Some((key, value)) = pair.split_once('=') else { continue };
            let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
            let field = match key {
                "api-version" => &mut name.api_version,
                "model-id" => &mut name.model,
                "DeviceClientType" => &mut name.client_type,
                "auth-chain" => &mut name.auth_chain,
                _ => continue,
            };
            // The first one counts.
            field.get_or_insert(value);
        }
        Ok(name)
    }

    /// Whether a client id says the same as the user name.
    pub fn agrees_with(&self, client_id: &str) -> bool {
        match &self.module {
            None => client_id == self.device.as_str(),
            Some(module) => client_id
                .strip_prefix(self.device.as_str())
                .and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(|rest| rest == module.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sdks_user_name_is_read() {
        let table = [
            ("h/d/?api-version=2019-10-01&DeviceClientType=py%2F2.14.0", None, None, Some("py/2.14.0")),
            (
                "h/d/m/?api-version=2021-04-12&model-id=dtmi:a:b;1&DeviceClientType=x",
                Some("m"),
                Some("dtmi:a:b;1"),
                Some("x"),
            ),
            ("h/d/api-version=2016-11-14&DeviceClientType=c/1.2", None, None, Some("c/1.2")),
            ("h/d/m/api-version=2016-11-14", Some("m"), None, None),
            ("h/d", None, None, None),
            ("h/d/", None, None, None),
            ("h/d/m", Some("m"), None, None),
            ("h/d/$edgeHub/?api-version=2018-06-30&api-version=x", Some("$edgeHub"), None, None),
            ("h/d/?DeviceClientType=a/b/c&api-version=2020-09-30", None, None, Some("a/b/c")),
        ];
        for (text, module, model, client) in table {
            let name = UserName::parse(text).unwrap();
            assert_eq!((name.host.as_str(), name.device.as_str()), ("h", "d"), "{text}");
            assert_eq!(name.module.as_ref().map(ModuleId::as_str), module, "{text}");
            assert_eq!((name.model.as_deref(), name.client_type.as_deref()), (model, client), "{text}");
            assert_eq!(name.api_version.is_some(), text.contains("api-version"), "{text}");
        }
        for text in ["", "h", "/d/?api-version=1", "h//?api-version=1", "h/a b/?api-version=1"] {
            assert!(UserName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_client_id_must_agree() {
        let device = UserName::parse("h/d/?a=1").unwrap();
        let module = UserName::parse("h/d/m/?a=1").unwrap();
        assert!(device.agrees_with("d") && !device.agrees_with("d/m") && !device.agrees_with("D"));
        assert!(module.agrees_with("d/m") && !module.agrees_with("d") && !module.agrees_with("dm"));
    }
}
