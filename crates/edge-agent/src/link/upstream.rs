//! What is spoken to the hub, as `UpstreamProtocol` says it.

use std::str::FromStr;

use super::way::Protocol;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upstream {
    Mqtt,
    MqttWs,
    Amqp,
    AmqpWs,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("UpstreamProtocol is {text:?}: write Mqtt, MqttWs, Amqp or AmqpWs")]
pub struct UpstreamError {
    pub text: String,
}

impl FromStr for Upstream {
    type Err = UpstreamError;

    fn from_str(text: &str) -> Result<Self, UpstreamError> {
        let known =
            [("Mqtt", Self::Mqtt), ("MqttWs", Self::MqttWs), ("Amqp", Self::Amqp), ("AmqpWs", Self::AmqpWs)];
        let found = known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text.trim()));
        found.map(|(_, upstream)| upstream).ok_or_else(|| UpstreamError { text: text.to_owned() })
    }
}

impl Upstream {
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Mqtt | Self::MqttWs => Protocol::Mqtt,
            Self::Amqp | Self::AmqpWs => Protocol::Amqp,
        }
    }

    /// Inside a WebSocket, on the port of HTTPS.
    pub fn is_websocket(self) -> bool {
        matches!(self, Self::MqttWs | Self::AmqpWs)
    }
}

/// One after the other as long as they fail; the one that held is tried first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routes {
    all: Vec<Route>,
    at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub upstream: Upstream,
    /// By way of the proxy.
    pub is_relayed: bool,
}

impl Routes {
    /// Where nobody chooses.
    pub const USUAL: [Upstream; 2] = [Upstream::Amqp, Upstream::AmqpWs];

    /// What is chosen first is tried first. Without a choice, AMQP and where that does not get through,
    /// AMQP inside of WebSockets. The usual proxy lets only HTTPS through, so what has a port of its own
    /// is tried without it as well.
    pub fn new(chosen: &[Upstream], has_proxy: bool) -> Self {
        let chosen = if chosen.is_empty() { &Self::USUAL } else { chosen };
        let is_first = |(at, upstream): &(usize, &Upstream)| !chosen[..*at].contains(upstream);
        let upstreams = chosen.iter().enumerate().filter(is_first).map(|(_, upstream)| *upstream);
        let ways = |upstream: Upstream| {
            let is_direct = !has_proxy || !upstream.is_websocket();
            let relayed = has_proxy.then_some(Route { upstream, is_relayed: true });
            let direct = is_direct.then_some(Route { upstream, is_relayed: false });
            [relayed, direct].into_iter().flatten()
        };
        Self { all: upstreams.flat_map(ways).collect(), at: 0 }
    }

    /// Whether the same ways are tried in the same order.
    pub fn is_like(&self, other: &Self) -> bool {
        self.all == other.all
    }

    pub fn choose(&mut self, failures: u32) -> Route {
        if failures > 0 {
            self.at = (self.at + 1) % self.all.len();
        }
        self.all[self.at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_the_originals_in_any_case() {
        for (text, upstream) in [
            ("Mqtt", Upstream::Mqtt),
            ("mqttws", Upstream::MqttWs),
            ("AMQP", Upstream::Amqp),
            (" AmqpWs ", Upstream::AmqpWs),
        ] {
            assert_eq!(text.parse(), Ok(upstream), "{text:?}");
        }
        for text in ["", "https", "Mqtt_Tcp_Only"] {
            assert!(text.parse::<Upstream>().unwrap_err().to_string().contains("AmqpWs"), "{text:?}");
        }
    }

    fn walk(chosen: &[Upstream], has_proxy: bool, failures: &[u32]) -> Vec<(Upstream, bool)> {
        let mut routes = Routes::new(chosen, has_proxy);
        let chosen = failures.iter().map(|failures| routes.choose(*failures));
        chosen.map(|route| (route.upstream, route.is_relayed)).collect()
    }

    #[test]
    fn the_next_way_is_tried_after_a_failure_and_the_one_that_held_is_kept() {
        use Upstream::{Amqp, AmqpWs, Mqtt, MqttWs};
        assert_eq!(
            walk(&[], false, &[0, 1, 0, 0, 1]),
            [(Amqp, false), (AmqpWs, false), (AmqpWs, false), (AmqpWs, false), (Amqp, false)]
        );
        assert_eq!(
            walk(&[], true, &[0, 1, 2, 3]),
            [(Amqp, true), (Amqp, false), (AmqpWs, true), (Amqp, true)]
        );
        assert_eq!(walk(&[MqttWs], true, &[0, 1]), [(MqttWs, true), (MqttWs, true)]);
        assert_eq!(walk(&[Mqtt], true, &[0, 1, 2]), [(Mqtt, true), (Mqtt, false), (Mqtt, true)]);
        assert_eq!(walk(&[Mqtt], false, &[0, 5]), [(Mqtt, false), (Mqtt, false)]);
        assert_eq!(
            walk(&[MqttWs, Amqp], false, &[0, 1, 2]),
            [(MqttWs, false), (Amqp, false), (MqttWs, false)]
        );
        assert!(Routes::new(&[AmqpWs, Amqp, AmqpWs], true).is_like(&Routes::new(&[AmqpWs, Amqp], true)));
    }
}
