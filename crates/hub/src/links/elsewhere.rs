//! The address that events had before there was one of their own: clients are told where they are now,
//! which is the same host, under the hub's name.

use skerry_amqp::codec::Value;
use skerry_amqp::performative::{Fault, condition};
use skerry_tokens::Host;

use super::Shared;
use super::figures::count;

/// Where clients go, whatever is said.
const PORT: u16 = 5671;

impl Shared {
    pub(super) fn redirect(&self, host: &str, rest: &str) -> Fault {
        count(&self.counters.redirects, 1);
        let (name, port) = self.known_host(host);
        let shown = if name.contains(':') { format!("[{name}]") } else { name.clone() };
        let mut address = format!("amqps://{shown}:{port}/{}", self.hub_name);
        if !rest.is_empty() {
            address.push('/');
            address.push_str(rest);
        }
        let mut fault = Fault::new(condition::REDIRECT, format!("events are read at {address}"));
        fault.info = Value::Map(vec![
            (Value::symbol("hostname"), Value::string(&name)),
            (Value::symbol("network-host"), Value::string(&name)),
            (Value::symbol("port"), Value::Int(port.into())),
            (Value::symbol("address"), Value::string(&address)),
        ]);
        fault
    }

    /// The name by which the client came here, if it is one of ours: it can find that one.
    fn known_host(&self, said: &str) -> (String, u16) {
        let ours = &self.authorizer.host_names;
        if let Ok(host) = said.parse::<Host>()
            && ours.iter().any(|own| own.eq_ignore_ascii_case(host.name()))
        {
            return (host.name().to_owned(), host.port().unwrap_or(PORT));
        }
        (ours.first().unwrap_or(&self.hub_name).clone(), PORT)
    }
}
