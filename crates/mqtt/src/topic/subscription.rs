//! What devices and modules subscribe to.

use skerry_model::{DeviceId, ModuleId};

use crate::packet::Filter;

/// What a filter asks to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subscription {
    Commands,
    Inputs,
    Methods,
    TwinAnswers,
    Desired,
}

impl Subscription {
    pub const ALL: [Self; 5] =
        [Self::Commands, Self::Inputs, Self::Methods, Self::TwinAnswers, Self::Desired];

    /// What `filter` means on the connection of `device`, or of its `module`; `None` for what is not
    /// there to be subscribed to.
    pub fn of(filter: &Filter, device: &DeviceId, module: Option<&ModuleId>) -> Option<Self> {
        let text = filter.as_str();
        match text.strip_prefix("$iothub/") {
            Some("methods/POST/#") => return Some(Self::Methods),
            Some("twin/res/#") => return Some(Self::TwinAnswers),
            Some("twin/PATCH/properties/desired/#") => return Some(Self::Desired),
            Some(_) => return None,
            None => {}
        }
        let rest = text.strip_prefix("devices/")?.strip_prefix(device.as_str())?.strip_prefix('/')?;
        match module {
            None => {
                matches!(rest, "messages/devicebound/#" | "messages/deviceBound/#").then_some(Self::Commands)
            }
            Some(module) => {
                let rest = rest.strip_prefix("modules/")?.strip_prefix(module.as_str())?.strip_prefix('/')?;
                matches!(rest, "#" | "inputs/#").then_some(Self::Inputs)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Text;

    #[test]
    fn filters_of_every_sdk_are_known_and_no_others() {
        use Subscription::*;
        let table = [
            ("devices/d1/messages/devicebound/#", None, Some(Commands)),
            ("devices/d1/modules/m1/inputs/#", Some("m1"), Some(Inputs)),
            ("devices/d1/modules/m1/#", Some("m1"), Some(Inputs)),
            ("$iothub/methods/POST/#", Some("m1"), Some(Methods)),
            ("$iothub/twin/res/#", None, Some(TwinAnswers)),
            ("$iothub/twin/PATCH/properties/desired/#", None, Some(Desired)),
            ("devices/d2/messages/devicebound/#", None, None),
            ("devices/+/messages/devicebound/#", None, None),
            ("devices/d1/modules/m2/#", Some("m1"), None),
            ("devices/d1/modules/m1/#", None, None),
            ("#", None, None),
            ("$iothub/#", None, None),
        ];
        for (filter, module, expected) in table {
            let filter = Filter::new(Text::from(filter)).unwrap();
            let module = module.map(|module| module.parse().unwrap());
            let found = Subscription::of(&filter, &"d1".parse().unwrap(), module.as_ref());
            assert_eq!(found, expected, "{filter:?} {module:?}");
        }
    }
}
