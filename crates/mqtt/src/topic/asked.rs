//! What a client writes to be let in, and to be sent something: client id, user name, filters.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use skerry_model::{DeviceId, ModuleId};

use super::{Subscription, UserName};
use crate::packet::{Filter, Text};

/// Models and auth chains go as they are: some hubs do not decode them.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':').remove(b';');

/// The client id of a device, or of its module.
pub fn client_id(device: &DeviceId, module: Option<&ModuleId>) -> String {
    match module {
        None => device.to_string(),
        Some(module) => format!("{device}/{module}"),
    }
}

/// As it is sent; what [`UserName::parse`] reads.
impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/", self.host, client_id(&self.device, self.module.as_ref()))?;
        let fields = [
            ("api-version", &self.api_version),
            ("DeviceClientType", &self.client_type),
            ("auth-chain", &self.auth_chain),
            ("model-id", &self.model),
        ];
        let mut separator = '?';
        for (name, value) in fields {
            if let Some(value) = value {
                write!(f, "{separator}{name}={}", utf8_percent_encode(value, ENCODED))?;
                separator = '&';
            }
        }
        Ok(())
    }
}

impl Subscription {
    /// The filter with which `device`, or its `module`, asks for it; what [`Subscription::of`] reads.
    /// `None` for what the identity cannot have: commands are for devices, inputs for modules.
    pub fn filter(self, device: &DeviceId, module: Option<&ModuleId>) -> Option<Filter> {
        let text = match (self, module) {
            (Self::Commands, None) => format!("devices/{device}/messages/devicebound/#"),
            (Self::Inputs, Some(module)) => format!("devices/{device}/modules/{module}/inputs/#"),
            (Self::Methods, _) => "$iothub/methods/POST/#".to_owned(),
            (Self::TwinAnswers, _) => "$iothub/twin/res/#".to_owned(),
            (Self::Desired, _) => "$iothub/twin/PATCH/properties/desired/#".to_owned(),
            (Self::Commands, Some(_)) | (Self::Inputs, None) => return None,
        };
        // An id may hold a plus or a hash, which no filter can.
        Filter::new(Text::from(text.as_str())).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn user_names_come_back(
            module in prop::option::of(prop::sample::select(vec!["m1", "$edgeHub"])),
            api_version in prop::option::of("[0-9-]{1,10}"),
            (model, client_type) in (prop::option::of("dtmi:[a-z:]{1,9};1"), prop::option::of("\\PC{1,20}")),
            auth_chain in prop::option::of("[a-z;/$]{1,9}"),
        ) {
            let module: Option<ModuleId> = module.map(|module| module.parse().unwrap());
            let (host, device) = ("hub.example.org".to_owned(), "d-1.a".parse().unwrap());
            let id = client_id(&device, module.as_ref());
            let name = UserName { host, device, module, api_version, model, client_type, auth_chain };
            prop_assert!(name.agrees_with(&id));
            prop_assert_eq!(UserName::parse(&name.to_string()), Ok(name));
        }
    }

    #[test]
    fn every_filter_is_known_to_the_hub() {
        use Subscription::*;
        let (device, module) = ("d1".parse().unwrap(), "m1".parse().unwrap());
        for (subscription, module, is_there) in [
            (Commands, None, true),
            (Commands, Some(&module), false),
            (Inputs, None, false),
            (Inputs, Some(&module), true),
            (Methods, None, true),
            (TwinAnswers, Some(&module), true),
            (Desired, None, true),
        ] {
            let filter = subscription.filter(&device, module);
            assert_eq!(filter.is_some(), is_there, "{subscription:?}");
            if let Some(filter) = filter {
                assert_eq!(Subscription::of(&filter, &device, module), Some(subscription));
            }
        }
    }
}
