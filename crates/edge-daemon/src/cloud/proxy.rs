//! The way out through an HTTP proxy, as the environment names it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use skerry_tokens::Secret;

/// An HTTP proxy that tunnels (`CONNECT`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    pub host: String,
    pub port: u16,
    /// What stands behind `Basic `.
    pub authorization: Option<Secret>,
}

/// A proxy, and the names that are reached without it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxySettings {
    pub proxy: Option<Proxy>,
    except: Vec<String>,
}

impl ProxySettings {
    /// From the values of `https_proxy` and `no_proxy`.
    pub fn new(https_proxy: Option<&str>, no_proxy: Option<&str>) -> Result<Self, ProxyError> {
        let given = https_proxy.map(str::trim).filter(|text| !text.is_empty());
        let except = no_proxy.unwrap_or_default().split(',').map(|name| name.trim().to_ascii_lowercase());
        Ok(Self {
            proxy: given.map(Proxy::parse).transpose()?,
            except: except.filter(|name| !name.is_empty()).collect(),
        })
    }

    /// The proxy that leads to a host, if one does.
    pub fn of(&self, host: &str) -> Option<&Proxy> {
        let host = host.to_ascii_lowercase();
        let is_except = |name: &String| {
            let domain = name.trim_start_matches("*.").trim_start_matches('.');
            name == "*" || host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
        };
        self.proxy.as_ref().filter(|_| !self.except.iter().any(is_except))
    }
}

impl Proxy {
    fn parse(text: &str) -> Result<Self, ProxyError> {
        // Nothing of the text is repeated: it may hold a password.
        let rest = text.strip_prefix("http://").or_else(|| (!text.contains("://")).then_some(text));
        let rest = rest.ok_or(ProxyError::Scheme)?.trim_end_matches('/');
        let (user, place) = rest.rsplit_once('@').map_or((None, rest), |(user, place)| (Some(user), place));
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, port.parse().map_err(|_| ProxyError::Port)?)
            }
            _ => (place, 80),
        };
        let host = host.trim_matches(['[', ']']);
        if host.is_empty() || host.contains(['/', '?', ' ']) {
            return Err(ProxyError::Host);
        }
        let authorization = user.map(|user| {
            let decoded: Vec<u8> = percent_decode_str(user).collect();
            Secret::new(STANDARD.encode(decoded))
        });
        Ok(Self { host: host.to_owned(), port, authorization })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    #[error("https_proxy does not begin with http://, write http://host:port")]
    Scheme,
    #[error("https_proxy has no port that is a number, write http://host:port")]
    Port,
    #[error("https_proxy names no host, write http://host:port")]
    Host,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read_as_people_write_them() {
        for (text, host, port, authorization) in [
            ("http://10.0.0.1:3128", "10.0.0.1", 3128, None),
            ("http://proxy.lan", "proxy.lan", 80, None),
            ("proxy.lan:8080/", "proxy.lan", 8080, None),
            ("http://u%40x:p%3a@proxy.lan:1", "proxy.lan", 1, Some("dUB4OnA6")),
            ("http://[fd00::1]:3128", "fd00::1", 3128, None),
        ] {
            let proxy = ProxySettings::new(Some(text), None).unwrap().proxy.unwrap();
            let found = proxy.authorization.as_ref().map(Secret::reveal);
            assert_eq!((proxy.host.as_str(), proxy.port, found), (host, port, authorization), "{text}");
        }
        for (text, error) in [
            ("https://p:1", ProxyError::Scheme),
            ("socks5://p:1", ProxyError::Scheme),
            ("http://p:x", ProxyError::Port),
            ("http://", ProxyError::Host),
            ("http://:1", ProxyError::Host),
        ] {
            assert_eq!(ProxySettings::new(Some(text), None), Err(error), "{text}");
        }
        assert_eq!(ProxySettings::new(Some(" "), None).unwrap().proxy, None);
    }

    #[test]
    fn some_names_are_reached_without_it() {
        let settings =
            ProxySettings::new(Some("http://p:1"), Some("localhost, .plant.lan,*.b.test,c.test")).unwrap();
        for (host, is_proxied) in [
            ("localhost", false),
            ("HUB.plant.lan", false),
            ("plant.lan", false),
            ("implant.lan", true),
            ("a.b.test", false),
            ("x.c.test", false),
            ("hub.test", true),
        ] {
            assert_eq!(settings.of(host).is_some(), is_proxied, "{host}");
        }
        assert!(ProxySettings::new(Some("http://p:1"), Some("*")).unwrap().of("a").is_none());
    }
}
