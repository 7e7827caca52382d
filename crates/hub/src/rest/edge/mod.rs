//! What edge devices and those who run them ask of the hub: setting modules, and below
//! `/devices/{id}/modules/$edgeHub/` what an edge hub asks for itself and for what is behind it.

mod behalf;
mod content;
mod scope;

use http::Method;
use skerry_model::EDGE_HUB;

use super::route::{check_version, not_allowed};
use super::{Problem, Reply, Request};
use crate::Hub;

/// A path of these.
pub(super) struct EdgePath<'a> {
    device: &'a str,
    /// `None` for the content that sets modules.
    question: Option<Question>,
}

/// What an edge hub asks.
#[derive(Clone, Copy)]
enum Question {
    ScopeFlat,
    IdentityFlat,
    ScopeOfTarget,
    IdentityOnBehalf,
    PutModule,
    GetModule,
    ListModules,
    DeleteModule,
}

impl Question {
    const TABLE: [(&'static str, Self); 8] = [
        ("devicesAndModulesInDeviceScope", Self::ScopeFlat),
        ("deviceAndModuleInDeviceScope", Self::IdentityFlat),
        ("devicesAndModulesInTargetDeviceScope", Self::ScopeOfTarget),
        ("getDeviceAndModuleOnBehalfOf", Self::IdentityOnBehalf),
        ("putModuleOnBehalfOf", Self::PutModule),
        ("getModuleOnBehalfOf", Self::GetModule),
        ("getModulesOnTargetDevice", Self::ListModules),
        ("deleteModuleOnBehalfOf", Self::DeleteModule),
    ];

    fn method(self) -> Method {
        match self {
            Self::ScopeFlat | Self::IdentityFlat => Method::GET,
            _ => Method::POST,
        }
    }

    /// Modules are put by either.
    fn is_asked_by(self, method: &Method) -> bool {
        *method == self.method() || (matches!(self, Self::PutModule) && *method == Method::PUT)
    }
}

impl<'a> EdgePath<'a> {
    pub(super) fn find(segments: &'a [&'a str]) -> Option<Self> {
        match segments {
            ["devices", device, word] if word.eq_ignore_ascii_case("applyConfigurationContent") => {
                Some(Self { device, question: None })
            }
            ["devices", device, "modules", module, word] if *module == EDGE_HUB => {
                let mut table = Question::TABLE.into_iter();
                let (_, question) = table.find(|(name, _)| word.eq_ignore_ascii_case(name))?;
                Some(Self { device, question: Some(question) })
            }
            _ => None,
        }
    }
}

impl Hub {
    pub(super) async fn edge(&self, request: &Request, path: &EdgePath<'_>) -> Result<Reply, Problem> {
        check_version(request)?;
        let (method, allowed) = (&request.head.method, path.question.map_or(Method::POST, Question::method));
        if !path.question.map_or(*method == allowed, |question| question.is_asked_by(method)) {
            return Err(not_allowed(method, allowed.as_str()));
        }
        let device = path.device.parse()?;
        let Some(question) = path.question else {
            return self.apply_content(request, &device).await;
        };
        let actor = self.authorizer.edge_hub(&request.proof(), &device).await?;
        match question {
            Question::ScopeFlat => self.scope_flat(request, &actor).await,
            Question::IdentityFlat => self.identity_flat(request, &actor).await,
            Question::ScopeOfTarget => self.scope_of_target(request, &actor).await,
            Question::IdentityOnBehalf => self.identity_on_behalf(request, &actor).await,
            Question::PutModule => self.put_module_on_behalf(request, &actor).await,
            Question::GetModule => self.show_module_on_behalf(request, &actor).await,
            Question::ListModules => self.list_modules_on_behalf(request, &actor).await,
            Question::DeleteModule => self.delete_module_on_behalf(request, &actor).await,
        }
    }
}
