//! A stored document as a row of a query: looks into the stored parts path by path, and makes
//! what is not stored (etags, `$metadata`, connection state) only when somebody asks.

use std::cell::OnceCell;

use serde_json::{Map, Value as Json, json};
use skerry_model::identity::wire::Connection;
use skerry_model::twin::{Section, Twin, twin_document};
use skerry_query::{Path, Row, Step, Value};
use skerry_store::documents::{self, Document};

use crate::registry::{Record, Registry, read_twin};

/// One device or module in a query.
pub struct DocumentRow<'d> {
    document: &'d Document,
    registry: &'d Registry,
    /// Unpacked at most once, and only for versions, etags and metadata.
    twin: OnceCell<Option<Twin>>,
    connection: OnceCell<Connection>,
}

impl<'d> DocumentRow<'d> {
    pub fn new(document: &'d Document, registry: &'d Registry) -> Self {
        Self { document, registry, twin: OnceCell::new(), connection: OnceCell::new() }
    }

    fn twin(&self) -> Option<&Twin> {
        self.twin.get_or_init(|| read_twin(self.document).ok()).as_ref()
    }

    fn connection(&self) -> &Connection {
        self.connection.get_or_init(|| self.registry.connection_of_key(&self.document.key))
    }

    fn is_device(&self) -> bool {
        self.document.key.name.is_empty()
    }

    fn system(&self, name: &str, below: &[Step]) -> Value<'_> {
        let key = &self.document.key;
        match name {
            "deviceId" => leaf(json!(key.group), below),
            "moduleId" if !self.is_device() => leaf(json!(key.name), below),
            "etag" => self.twin().map_or(Value::Undefined, |twin| leaf(json!(twin.etag_text()), below)),
            "version" => self.twin().map_or(Value::Undefined, |twin| leaf(json!(twin.version), below)),
            "deviceEtag" => match self.identity("etag") {
                Some(Json::Number(etag)) => {
                    leaf(json!(skerry_model::identity::etag_text(&etag.to_string())), below)
                }
                _ => Value::Undefined,
            },
            "status" | "authenticationType" | "modelId" => self.stored(name, below),
            "statusReason" => leaf(self.identity("statusReason").unwrap_or_default(), below),
            "statusUpdateTime" => self.stored("statusUpdated", below),
            "deviceScope" | "parentScopes" if self.is_device() => self.stored(name, below),
            "capabilities" if self.is_device() => {
                leaf(json!({"iotEdge": self.identity("iotEdge").unwrap_or(Json::Bool(false))}), below)
            }
            "x509Thumbprint" => {
                let print = |name: &str| self.identity(name).unwrap_or_default();
                let (first, second) = (print("primaryThumbprint"), print("secondaryThumbprint"));
                leaf(json!({"primaryThumbprint": first, "secondaryThumbprint": second}), below)
            }
            "connectionState" => leaf(json!(self.connection().state()), below),
            "lastActivityTime" => leaf(json!(self.connection().last_activity), below),
            "cloudToDeviceMessageCount" => leaf(json!(self.connection().queued), below),
            _ => Value::Undefined,
        }
    }

    fn identity(&self, name: &str) -> Option<Json> {
        self.document.body.identity.get(&[documents::Step::Name(name.to_owned())])
    }

    fn stored(&self, name: &str, below: &[Step]) -> Value<'_> {
        self.identity(name).map_or(Value::Undefined, |json| leaf(json, below))
    }

    fn section(&self, of: fn(&Twin) -> &Section, stored: &documents::Json, below: &[Step]) -> Value<'_> {
        match below.first().and_then(Step::as_name) {
            Some("$version") => {
                self.twin().map_or(Value::Undefined, |twin| leaf(json!(of(twin).version()), &below[1..]))
            }
            Some("$metadata") => {
                self.twin().map_or(Value::Undefined, |twin| leaf(of(twin).stamps().render(), &below[1..]))
            }
            Some(_) => part(stored, below),
            // A section as a whole carries its metadata, as in the twin itself.
            None => self.twin().map_or(Value::Undefined, |twin| leaf(of(twin).render(), below)),
        }
    }
}

impl Row for DocumentRow<'_> {
    fn resolve<'a>(&'a self, path: &Path) -> Value<'a> {
        let Some((Step::Name(first), below)) = path.steps.split_first() else {
            return Value::Undefined;
        };
        let body = &self.document.body;
        match (first.as_str(), below.first().and_then(Step::as_name)) {
            ("tags", _) => part(&body.tags, below),
            ("properties", Some("desired")) => self.section(|twin| &twin.desired, &body.desired, &below[1..]),
            ("properties", Some("reported")) => {
                self.section(|twin| &twin.reported, &body.reported, &below[1..])
            }
            ("properties", None) if below.is_empty() => self.twin().map_or(Value::Undefined, |twin| {
                leaf(json!({"desired": twin.desired.render(), "reported": twin.reported.render()}), below)
            }),
            ("properties", _) => Value::Undefined,
            (name, _) => self.system(name, below),
        }
    }

    fn whole(&self) -> Map<String, Json> {
        match Record::read(self.document, self.registry.sealer()) {
            Ok(record) => twin_document(&record.identity, &record.twin, self.connection()),
            // A damaged document is shown by its name, so that an operator finds it.
            Err(error) => {
                tracing::error!(error = %error, "A document in a query result cannot be read.");
                Map::from_iter([("deviceId".to_owned(), json!(self.document.key.group))])
            }
        }
    }
}

/// What lies below a value made on the spot.
fn leaf(json: Json, below: &[Step]) -> Value<'static> {
    let mut here = json;
    for step in below {
        let next = match (step, here) {
            (Step::Name(name), Json::Object(mut members)) => members.shift_remove(name),
            (Step::Index(index), Json::Array(mut items)) if *index < items.len() => {
                Some(items.swap_remove(*index))
            }
            _ => None,
        };
        match next {
            Some(next) => here = next,
            None => return Value::Undefined,
        }
    }
    Value::from(here)
}

/// What lies below a stored part, decoded no further than asked.
fn part(stored: &documents::Json, below: &[Step]) -> Value<'static> {
    let steps: Vec<documents::Step> = below.iter().map(super::narrow::stored_step).collect();
    stored.get(&steps).map_or(Value::Undefined, Value::from)
}
