//! The links of an identity: all are in its session, and say for whom they are.

use skerry_amqp::address::Node;
use skerry_amqp::codec::Value;
use skerry_amqp::performative::SenderSettles;
use skerry_uplink::amqp::{LinkId, Offer};

use super::super::COMMANDS_MAX;
use super::{Client, Gone, Member};

/// What of each kind may be on its way to us.
const PAIR_WINDOW: u32 = 50;

/// Requests go one way, answers the other.
#[derive(Clone, Copy)]
pub(super) struct Pair {
    pub(super) to: LinkId,
    pub(super) from: LinkId,
}

impl Member {
    pub(in crate::line::amqp) fn has(&self, link: LinkId) -> bool {
        self.all_links().any(|known| known == link)
    }

    pub(super) fn all_links(&self) -> impl Iterator<Item = LinkId> {
        let pairs = [self.twin, self.methods].into_iter().flatten();
        pairs.flat_map(|pair| [pair.to, pair.from]).chain(self.events).chain(self.commands)
    }

    pub(super) fn attach_commands(&mut self, client: &mut Client) -> Result<(), Gone> {
        let address = Node::Devicebound(self.id.clone()).to_string();
        let offer = Offer::receiver(&self.link_name("commands"), &address, COMMANDS_MAX);
        let link = self.attach(client, offer, None)?;
        self.commands = Some(link);
        self.missing.insert(link);
        Ok(())
    }

    pub(super) fn detach_commands(&mut self, client: &mut Client) {
        self.held.clear();
        if let Some(link) = self.commands.take() {
            self.detach(client, link);
        }
    }

    pub(super) fn detach(&mut self, client: &mut Client, link: LinkId) {
        self.missing.remove(&link);
        client.detach(link);
    }

    /// Two links that belong together, as the hub learns from a property.
    pub(super) fn attach_pair(
        &mut self,
        client: &mut Client,
        name: &'static str,
        node: &Node,
    ) -> Result<Pair, Gone> {
        let (address, settles) = (node.to_string(), SenderSettles::Settled);
        let correlation = format!("{name}:{address}:{}", self.links);
        let to = Offer::sender(&self.link_name(name), &address);
        let from = Offer::receiver(&self.link_name(name), &address, PAIR_WINDOW);
        let from = self.attach(client, Offer { sender_settles: settles, ..from }, Some(&correlation))?;
        let to = self.attach(client, Offer { sender_settles: settles, ..to }, Some(&correlation))?;
        Ok(Pair { to, from })
    }

    pub(super) fn attach(
        &mut self,
        client: &mut Client,
        offer: Offer,
        correlation: Option<&str>,
    ) -> Result<LinkId, Gone> {
        let mut properties = self.properties.clone();
        let name = || Value::symbol("com.microsoft:channel-correlation-id");
        properties.extend(correlation.map(|correlation| (name(), Value::string(correlation))));
        let offer = Offer { properties: Value::Map(properties), ..offer };
        let session = self.session.ok_or_else(Gone::full)?;
        client.attach_in(session, offer).ok_or_else(Gone::full)
    }

    pub(super) fn link_name(&mut self, name: &str) -> String {
        self.links += 1;
        format!("{name}-{}", self.links)
    }
}
