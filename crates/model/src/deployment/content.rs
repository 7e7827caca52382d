//! The envelope of a content.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::ContentError;
use crate::ModuleId;
use crate::limits::MODULES_PER_DEVICE_MAX;
use crate::twin::Write;

const DESIRED: &str = "properties.desired";
/// Characters of a client's key that an error repeats.
const SHOWN_CHARS_MAX: usize = 120;

/// What to write, and to whose desired properties.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    /// To modules of one edge device, by name; a module without writes is to exist.
    pub modules: Option<IndexMap<ModuleId, Vec<Write>>>,
    /// To devices.
    pub device: Option<Vec<Write>>,
    /// To modules that a condition finds.
    pub module: Option<Vec<Write>>,
}

impl Content {
    /// Reads the content as the service API carries it. Members that are null or empty are absent: some SDKs send
    /// all three. Members of other names are of no concern here.
    pub fn read(content: &Value) -> Result<Self, ContentError> {
        let content = object("the content", content)?;
        let member = |name: &str| match content.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => Ok(Some(object(name, value)?).filter(|object| !object.is_empty())),
        };
        let one = |name: &str| member(name)?.map(|object| writes(name, object)).transpose();
        let found = Self {
            modules: member("modulesContent")?.map(modules).transpose()?,
            device: one("deviceContent")?,
            module: one("moduleContent")?,
        };
        if found == Self::default() { Err(ContentError::Empty) } else { Ok(found) }
    }
}

fn modules(content: &Map<String, Value>) -> Result<IndexMap<ModuleId, Vec<Write>>, ContentError> {
    if content.len() > MODULES_PER_DEVICE_MAX {
        return Err(ContentError::TooManyModules { modules: content.len() });
    }
    let module = |(name, content): (&String, &Value)| {
        let id = name.parse::<ModuleId>().map_err(|error| ContentError::Module { error })?;
        Ok((id, writes(name, object(name, content)?)?))
    };
    content.iter().map(module).collect()
}

/// The writes to one section, in the order in which they are to happen.
fn writes(of: &str, content: &Map<String, Value>) -> Result<Vec<Write>, ContentError> {
    let mut writes = Vec::with_capacity(content.len());
    for (key, value) in content {
        let foreign = || ContentError::Key { of: of.to_owned(), found: shown(key) };
        let write = match key.strip_prefix(DESIRED).ok_or_else(foreign)? {
            "" => whole(of, value)?,
            place => {
                let place = place.strip_prefix('.').ok_or_else(foreign)?;
                if place.split('.').any(str::is_empty) {
                    return Err(ContentError::Place { of: of.to_owned(), found: shown(place) });
                }
                Write { path: place.split('.').map(str::to_owned).collect(), value: value.clone() }
            }
        };
        writes.push(write);
    }
    writes.sort_by_key(|write| write.path.len());
    Ok(writes)
}

/// What the hub adds to a section that it shows is not written back: people deploy what they have read.
fn whole(of: &str, value: &Value) -> Result<Write, ContentError> {
    let mut section = object(&format!("{of}: {DESIRED}"), value)?.clone();
    section.shift_remove("$metadata");
    section.shift_remove("$version");
    Ok(Write { path: Vec::new(), value: Value::Object(section) })
}

fn object<'v>(what: &str, value: &'v Value) -> Result<&'v Map<String, Value>, ContentError> {
    value.as_object().ok_or_else(|| ContentError::NotAnObject { what: shown(what) })
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}
