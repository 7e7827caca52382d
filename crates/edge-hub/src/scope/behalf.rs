//! Edge hubs behind this one, which speak for what is behind them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use skerry_front::device::Proof;
use skerry_model::identity::AuthChain;
use skerry_model::limits::EDGE_GENERATIONS_MAX;
use skerry_model::{DeviceId, EDGE_HUB, IdentityId, Status, Timestamp};
use skerry_tokens::{Claim, ModuleRule, SasToken, covers};

use super::check::check_token;
use super::{Admitted, Known, NotAdmitted, Scope};

/// The edge hub of a device.
pub(crate) fn hub_of(device: &DeviceId) -> IdentityId {
    let module = EDGE_HUB.parse().expect("the names of the edge runtime's modules are module ids");
    IdentityId { device: device.clone(), module: Some(module) }
}

/// Whether a token is that of the edge hub at the end of the chain, for somebody else.
pub(crate) fn is_of_another(id: &IdentityId, chain: &AuthChain, proof: &Proof, hosts: &[String]) -> bool {
    let Some(actor) = chain.devices().last() else { return false };
    let Proof::Token(text) = proof else { return false };
    let claim = Claim::Module(actor.as_str(), EDGE_HUB);
    let covers = |token: SasToken| covers(token.resource(), hosts, claim, ModuleRule::OwnTokenOnly).is_ok();
    *id != hub_of(actor) && SasToken::parse(text).is_ok_and(covers)
}

impl Scope {
    /// The devices from one that is behind this edge up to the edge itself.
    pub(crate) fn path(&self, device: &DeviceId) -> Option<Vec<DeviceId>> {
        let known = self.known.load();
        let mut path = vec![device.clone()];
        for _ in 0..=EDGE_GENERATIONS_MAX {
            let last = path.last()?;
            if *last == self.own {
                return Some(path);
            }
            let this = known.get(&IdentityId { device: last.clone(), module: None })?;
            let above = known.values().find(|above| {
                above.scope.as_ref().is_some_and(|scope| above.is_edge && this.parents.contains(scope))
            })?;
            path.push(above.id.device.clone());
        }
        None
    }

    /// Whether each device of the chain is behind the next, and all of them count.
    fn holds(&self, chain: &AuthChain) -> bool {
        let is_enabled = |device: &DeviceId| {
            let known = self.get(&IdentityId { device: device.clone(), module: None });
            known.is_some_and(|known| known.status != Status::Disabled)
        };
        let path = self.path(chain.target());
        path.is_some_and(|path| path.starts_with(chain.devices())) && chain.devices().iter().all(is_enabled)
    }

    /// The device at the end of a chain, if it is another edge in this scope.
    fn actor(&self, chain: &AuthChain) -> Option<Arc<Known>> {
        let actor = chain.devices().last().filter(|actor| **actor != self.own)?;
        self.get(&IdentityId { device: actor.clone(), module: None }).filter(|known| known.is_edge)
    }

    /// Judges who comes by the token of the edge hub that the chain ends with.
    pub(crate) fn check_behind(
        &self,
        id: &IdentityId,
        chain: &AuthChain,
        proof: &Proof,
        hosts: &[String],
        times: (Timestamp, Duration),
    ) -> Result<Admitted, NotAdmitted> {
        let refused = |what: String| NotAdmitted::Behalf { id: id.clone(), what };
        let known = self.get(id).ok_or_else(|| NotAdmitted::Unknown { id: id.clone() })?;
        let Some(actor) = self.actor(chain) else {
            return Err(refused(format!("the chain {chain} ends with no edge device behind this one")));
        };
        if *chain.target() != id.device
            || chain.module().is_some_and(|named| Some(named) != id.module.as_ref())
        {
            return Err(refused(format!("the chain {chain} does not begin with it")));
        }
        if known.status == Status::Disabled {
            return Err(NotAdmitted::Disabled { id: id.clone() });
        }
        if !self.holds(chain) {
            return Err(refused(format!(
                "the chain {chain} does not hold, each device must be enabled and have the next one as its parent"
            )));
        }
        let hub = self.get(&hub_of(&actor.id.device));
        let hub = hub.ok_or_else(|| NotAdmitted::Unknown { id: hub_of(&actor.id.device) })?;
        let Proof::Token(text) = proof else {
            return Err(refused("edge hubs show tokens".to_owned()));
        };
        let ends = check_token(text, (&hub, &actor), hosts, times)?;
        Ok(Admitted { ends: Some(ends), generation: known.generation.clone() })
    }

    /// The edge device that a chain means, for which the edge hub at its end may speak.
    pub(crate) fn on_behalf(&self, actor: &DeviceId, chain: &AuthChain) -> Option<Arc<Known>> {
        let is_its_own = chain.devices().last() == Some(actor) && self.actor(chain).is_some();
        let target = self.get(&IdentityId { device: chain.target().clone(), module: None })?;
        (is_its_own && target.is_edge && self.holds(chain)).then_some(target)
    }

    /// The modules of a device, and the devices right behind it, by their ids.
    pub(crate) fn around(&self, edge: &Known) -> (Vec<Arc<Known>>, BTreeMap<DeviceId, Arc<Known>>) {
        let known = self.known.load();
        let (mut modules, mut behind) = (Vec::new(), BTreeMap::new());
        for one in known.values() {
            if one.id.module.is_some() {
                if one.id.device == edge.id.device {
                    modules.push(Arc::clone(one));
                }
            } else if edge.scope.as_ref().is_some_and(|scope| one.parents.contains(scope)) {
                behind.insert(one.id.device.clone(), Arc::clone(one));
            }
        }
        modules.sort_unstable_by(|one, other| one.id.module.cmp(&other.id.module));
        (modules, behind)
    }
}
