//! The table of routes: which letter goes where.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use skerry_model::ModuleId;
use skerry_query::Value;
use skerry_query::route::{Origin, Route, RouteRow, Sink, read_body};

use crate::config::WantedRoute;
use crate::endpoint::{Endpoint, QueueName};
use crate::letter::{Kind, Letter};

/// A route that can be followed.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    wanted: WantedRoute,
    route: Route,
    queue: QueueName,
}

/// By name.
pub(crate) type Table = BTreeMap<String, Arc<Compiled>>;

/// Where a letter goes, and how long it counts there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination<'t> {
    pub(crate) queue: &'t QueueName,
    pub(crate) lasts: Option<Duration>,
}

/// Compiles what is wanted. A route that cannot be read keeps the form that it had before, if it had one, and is
/// told among the faults.
pub(crate) fn compile(
    wanted: &BTreeMap<String, WantedRoute>,
    before: &Table,
    faults: &mut BTreeMap<String, String>,
) -> Table {
    let mut table = Table::new();
    for (name, wanted) in wanted {
        match before.get(name).filter(|known| known.wanted == *wanted) {
            Some(known) => drop(table.insert(name.clone(), Arc::clone(known))),
            None => match read(wanted) {
                Ok(compiled) => drop(table.insert(name.clone(), Arc::new(compiled))),
                Err(what) => drop(faults.insert(name.clone(), what)),
            },
        }
    }
    for name in faults.keys() {
        if let Some(known) = before.get(name) {
            table.entry(name.clone()).or_insert_with(|| Arc::clone(known));
        }
    }
    table
}

fn read(wanted: &WantedRoute) -> Result<Compiled, String> {
    let route = Route::parse(&wanted.text).map_err(|error| error.to_string())?;
    let endpoint = match &route.sink {
        Sink::Upstream => Endpoint::Upstream,
        Sink::Module { module, input } => {
            let id = module.parse::<ModuleId>();
            let module = id.map_err(|error| format!("{module:?} cannot be a module: {error}"))?;
            Endpoint::Input { module, input: input.clone() }
        }
    };
    let queue = QueueName { endpoint, priority: wanted.priority };
    Ok(Compiled { wanted: wanted.clone(), route, queue })
}

impl Compiled {
    pub(crate) fn queue(&self) -> &QueueName {
        &self.queue
    }

    /// Whether changes of twins may go this way.
    pub(crate) fn takes_twin_changes(&self) -> bool {
        self.route.source.matches(&Origin::TwinChange)
    }
}

/// Every route is looked at; an endpoint gets one copy, by the route with the smallest number.
pub(crate) fn destinations<'t>(
    table: &'t Table,
    letter: &Letter,
    lasts: Option<Duration>,
) -> Vec<Destination<'t>> {
    let row = LetterRow { letter, body: OnceCell::new() };
    let origin = match letter.kind {
        Kind::TwinChange => Origin::TwinChange,
        Kind::Telemetry => Origin::telemetry(
            letter.from.module.as_ref().map(ModuleId::as_str),
            letter.message.system.output.as_deref(),
        ),
    };
    let mut found: Vec<Destination<'t>> = Vec::new();
    for compiled in table.values() {
        if !compiled.route.source.matches(&origin) || !compiled.route.condition.evaluate(&row).is_true() {
            continue;
        }
        let new = Destination { queue: compiled.queue(), lasts: compiled.wanted.lasts.or(lasts) };
        match found.iter_mut().find(|known| known.queue.endpoint == new.queue.endpoint) {
            Some(known) if known.queue.priority <= new.queue.priority => {}
            Some(known) => *known = new,
            None => found.push(new),
        }
    }
    found
}

/// A letter as conditions see it.
struct LetterRow<'l> {
    letter: &'l Letter,
    /// Read when the first condition asks.
    body: OnceCell<Option<Json>>,
}

impl RouteRow for LetterRow<'_> {
    fn application(&self, name: &str) -> Value<'_> {
        let found =
            self.letter.message.application.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or(Value::Undefined, |(_, value)| Value::string(value.as_str()))
    }

    fn system(&self, name: &str) -> Value<'_> {
        let (from, system) = (&self.letter.from, &self.letter.message.system);
        let texts = [
            ("messageId", system.message_id.as_deref()),
            ("correlationId", system.correlation_id.as_deref()),
            ("userId", system.user_id.as_deref()),
            ("to", system.to.as_deref()),
            ("contentType", system.content_type.as_deref()),
            ("contentEncoding", system.content_encoding.as_deref()),
            ("messageSchema", system.schema.as_deref()),
            ("outputName", system.output.as_deref()),
            ("inputName", system.input.as_deref()),
            ("interfaceId", system.interface_id.as_deref()),
            ("dt-subject", system.component.as_deref()),
            ("connectionDeviceId", Some(from.device.as_str())),
            ("connectionModuleId", from.module.as_ref().map(ModuleId::as_str)),
        ];
        let found = texts.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.and_then(|(_, text)| text).map_or(Value::Undefined, Value::string)
    }

    fn body(&self) -> Option<&Json> {
        let Letter { message, .. } = self.letter;
        let (kind, encoding) =
            (message.system.content_type.as_deref(), message.system.content_encoding.as_deref());
        self.body.get_or_init(|| read_body(kind, encoding, &message.body)).as_ref()
    }
}

#[cfg(test)]
mod tests {
    use skerry_model::IdentityId;
    use skerry_model::message::{Message, SystemProperties};

    use super::*;

    fn wanted(text: &str, priority: u32, seconds: Option<u64>) -> WantedRoute {
        WantedRoute { text: text.into(), priority, lasts: seconds.map(Duration::from_secs) }
    }

    fn table(routes: &[(&str, WantedRoute)]) -> (Table, BTreeMap<String, String>) {
        let wanted = routes.iter().map(|(name, wanted)| ((*name).to_owned(), wanted.clone())).collect();
        let mut faults = BTreeMap::new();
        (compile(&wanted, &Table::new(), &mut faults), faults)
    }

    fn letter(module: Option<&str>, output: Option<&str>, body: &'static str) -> Letter {
        let system = SystemProperties {
            output: output.map(str::to_owned),
            content_type: Some("application/json".into()),
            content_encoding: Some("utf-8".into()),
            ..SystemProperties::default()
        };
        Letter {
            from: IdentityId { device: "d".parse().unwrap(), module: module.map(|id| id.parse().unwrap()) },
            kind: Kind::Telemetry,
            message: Message {
                body: body.into(),
                system: system.into(),
                application: vec![("Level".into(), "high".into())],
            },
        }
    }

    fn shown(table: &Table, letter: &Letter) -> Vec<String> {
        destinations(table, letter, Some(Duration::from_secs(7200)))
            .into_iter()
            .map(|to| format!("{} {:?}", to.queue.cursor(), to.lasts.map(|lasts| lasts.as_secs())))
            .collect()
    }

    #[test]
    fn an_endpoint_gets_one_copy_by_the_first_priority() {
        let (table, faults) = table(&[
            ("a", wanted("FROM /messages/* INTO $upstream", 5, None)),
            ("b", wanted("FROM /messages/modules/m WHERE level = 'high' INTO $upstream", 1, Some(9))),
            (
                "c",
                wanted(
                    "FROM /messages/modules/m/outputs/o INTO BrokeredEndpoint(\"/modules/n/inputs/i\")",
                    3,
                    None,
                ),
            ),
            ("d", wanted("FROM /* WHERE $body.t > 20 AND $connectionModuleId = 'm' INTO $upstream", 9, None)),
        ]);
        assert_eq!(faults, BTreeMap::new());
        assert_eq!(
            shown(&table, &letter(Some("m"), Some("o"), "{\"t\":21}")),
            ["queue/1/iothub Some(9)", "queue/3/n/i Some(7200)"]
        );
        assert_eq!(shown(&table, &letter(None, None, "{}")), ["queue/5/iothub Some(7200)"]);
        assert!(
            !table.values().any(|compiled| !compiled.takes_twin_changes() && compiled.queue().priority == 9)
        );
    }

    #[test]
    fn a_bad_route_keeps_its_last_good_form() {
        let (good, _) = table(&[("a", wanted("FROM /* INTO $upstream", 1, None))]);
        let mut faults = BTreeMap::new();
        let bad =
            [("a", "FROM nowhere"), ("b", "FROM /* INTO upstream"), ("c", "FROM /messages/* INTO $upstream")];
        let next = bad.iter().map(|(name, text)| ((*name).to_owned(), wanted(text, 2, None))).collect();
        let table = compile(&next, &good, &mut faults);
        assert_eq!(faults.keys().collect::<Vec<_>>(), ["a", "b"]);
        let priorities: Vec<_> =
            table.iter().map(|(name, route)| (name.as_str(), route.queue().priority)).collect();
        assert_eq!(priorities, [("a", 1), ("c", 2)]);
        // Without a word about it, it is gone.
        assert!(compile(&BTreeMap::new(), &table, &mut BTreeMap::new()).is_empty());
    }
}
