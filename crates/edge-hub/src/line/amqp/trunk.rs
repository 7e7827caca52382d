//! The connection itself: one task that drives it for all of its identities.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use skerry_front::device::Soon;
use skerry_model::IdentityId;
use skerry_tokens::{Claim, resource};
use skerry_uplink::amqp::{Credentials, Event, LinkId, NotShown, Opening, Options, SessionId, TokenNumber};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::branch::{Branch, News, Order};
use super::member::{Client, Gone, Member, Pushed, Reply};
use super::{AmqpDialerOptions, NAMES_MAX, NEWS_MAX};
use crate::line::carrier::DialError;

/// What is written before the hub has read it; where it is far away, so much is on the way at a time.
const OUT_BYTES_MAX: usize = 1 << 20;
/// What is taken from lines before the hub is heard again.
const MAIL_AT_ONCE: usize = 256;
/// Where no new token was to be had, or the hub could not look at it.
const RENEW_AGAIN: Duration = Duration::from_secs(60);
/// Where somebody finds that the hub is stuck, and nobody has heard anything for so long, it is so for all.
const QUIET: Duration = Duration::from_secs(2);
/// A connection that nobody needs is closed after this.
const EMPTY_MAX: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) enum Mail {
    Join(Box<Join>),
    Of(u32, Order),
}

/// An identity wants to be on the connection.
pub(super) struct Join {
    pub(super) id: IdentityId,
    /// `None` for the edge hub itself.
    pub(super) chain: Option<String>,
    /// Back to the same connection.
    pub(super) mail: mpsc::Sender<Mail>,
    pub(super) reply: Reply,
}

impl std::fmt::Debug for Join {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Join({})", self.id)
    }
}

/// Until the connection ends, whatever the reason.
pub(super) async fn run(
    options: Arc<AmqpDialerOptions>,
    mut mail: mpsc::Receiver<Mail>,
    is_full: Arc<AtomicBool>,
    failures: Arc<AtomicU32>,
) {
    let why = match open(&options, failures.load(Ordering::SeqCst)).await {
        Ok((client, token)) => {
            failures.store(0, Ordering::SeqCst);
            let mut trunk = Trunk::new(options, client, token, mail, is_full);
            let why = match trunk.serve().await {
                Ok(()) => "nobody needs it".to_owned(),
                Err(why) => why,
            };
            tracing::debug!(why, "A connection to the hub has ended.");
            mail = trunk.end(&why);
            why
        }
        Err(why) => {
            failures.fetch_add(1, Ordering::SeqCst);
            why
        }
    };
    mail.close();
    while let Some(late) = mail.recv().await {
        if let Mail::Join(join) = late {
            drop(join.reply.send(Err(DialError::Unreachable { why: why.clone() })));
        }
    }
}

async fn open(options: &AmqpDialerOptions, failures: u32) -> Result<(Client, String), String> {
    let (place, token) = (options.way)(failures).await?;
    let machine = Options {
        hostname: Some(options.host.as_str().into()),
        // What one waits for on a link is bounded by its line.
        unsettled_max: usize::MAX,
        out_bytes_max: OUT_BYTES_MAX,
        ..Options::new(options.product.as_str().into())
    };
    let opening = Opening { options: machine, credentials: Some(Credentials::anonymous()) };
    let client = Client::connect(&place, opening).await.map_err(|error| error.to_string())?;
    Ok((client, token))
}

struct Trunk {
    options: Arc<AmqpDialerOptions>,
    client: Client,
    mail: mpsc::Receiver<Mail>,
    is_full: Arc<AtomicBool>,
    members: BTreeMap<u32, Member>,
    by_id: HashMap<IdentityId, u32>,
    by_session: HashMap<SessionId, u32>,
    next: u32,
    /// They have something to send.
    busy: BTreeSet<u32>,
    token: String,
    token_ends_at: Instant,
    renew_at: Instant,
    renewing: Option<Soon<Result<String, String>>>,
    to_show: VecDeque<u32>,
    showing: HashMap<TokenNumber, u32>,
    /// For which tokens were shown.
    names: HashSet<String>,
    heard_at: Instant,
    waits_since: Option<Instant>,
    empty_since: Option<Instant>,
    tick_at: Instant,
}

impl Trunk {
    fn new(
        options: Arc<AmqpDialerOptions>,
        client: Client,
        token: String,
        mail: mpsc::Receiver<Mail>,
        is_full: Arc<AtomicBool>,
    ) -> Self {
        let now = Instant::now();
        Self {
            client,
            mail,
            is_full,
            members: BTreeMap::new(),
            by_id: HashMap::new(),
            by_session: HashMap::new(),
            next: 0,
            busy: BTreeSet::new(),
            token,
            token_ends_at: now + options.token_life,
            renew_at: now + options.renew_after,
            renewing: None,
            to_show: VecDeque::new(),
            showing: HashMap::new(),
            names: HashSet::new(),
            heard_at: now,
            waits_since: None,
            empty_since: None,
            tick_at: now,
            options,
        }
    }

    /// `Ok` when nobody needs it any more.
    async fn serve(&mut self) -> Result<(), String> {
        loop {
            self.show_tokens()?;
            self.push();
            let renew_at = self.renewing.is_none().then_some(self.renew_at);
            let next = renew_at.into_iter().chain([self.tick_at, self.token_ends_at]).min();
            tokio::select! {
                event = self.client.event() => {
                    self.heard_at = Instant::now();
                    let mut event = Some(event.map_err(|error| error.to_string())?);
                    while let Some(now) = event {
                        self.hear(now)?;
                        event = self.client.ready_event().map_err(|error| error.to_string())?;
                    }
                }
                mail = self.mail.recv() => {
                    let Some(mail) = mail else { return Ok(()) };
                    self.take(mail)?;
                    for _ in 0..MAIL_AT_ONCE {
                        let Ok(mail) = self.mail.try_recv() else { break };
                        self.take(mail)?;
                    }
                }
                token = asked(self.renewing.as_mut()) => {
                    self.renewing = None;
                    self.renewed(token);
                }
                () = sleep_until(next.unwrap_or(self.tick_at)) => {
                    let now = Instant::now();
                    if now >= self.token_ends_at {
                        return Err("its token has ended, and there was no other".to_owned());
                    }
                    if now >= self.renew_at && self.renewing.is_none() {
                        self.renewing = Some((self.options.token)());
                    }
                    if now >= self.tick_at && self.look_around(now)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn take(&mut self, mail: Mail) -> Result<(), String> {
        match mail {
            Mail::Join(join) => self.come(*join),
            Mail::Of(key, Order::Leave { is_stuck }) => {
                let Some(member) = self.members.get(&key) else { return Ok(()) };
                let is_silent = self.heard_at.elapsed() >= QUIET;
                if is_stuck && (member.is_own || is_silent) {
                    return Err("the hub does not answer".to_owned());
                }
                self.part(key, Gone::passing("it has left"));
            }
            Mail::Of(key, order) => {
                let Some(member) = self.members.get_mut(&key) else { return Ok(()) };
                match member.obey(&mut self.client, order) {
                    Ok(()) => drop(self.busy.insert(key)),
                    Err(gone) => self.part(key, gone),
                }
            }
        }
        Ok(())
    }

    fn come(&mut self, join: Join) {
        let Join { id, chain, mail, reply } = join;
        if let Some(before) = self.by_id.get(&id).copied() {
            self.part(before, Gone::passing("its line has begun anew"));
        }
        let claim = match &id.module {
            None => Claim::Device(id.device.as_str()),
            Some(module) => Claim::Module(id.device.as_str(), module.as_str()),
        };
        let audience = resource(&self.options.host, claim);
        self.names.insert(audience.clone());
        if self.names.len() >= NAMES_MAX {
            self.is_full.store(true, Ordering::SeqCst);
        }
        self.next = self.next.wrapping_add(1);
        let key = self.next;
        let (news, heard) = mpsc::channel(NEWS_MAX);
        let branch = Branch::new(key, mail, heard, Arc::new(OnceLock::new()));
        let chain = chain.as_deref();
        let member = Member::new(id.clone(), audience, chain, &self.options.product, news, (reply, branch));
        self.members.insert(key, member);
        self.by_id.insert(id, key);
        self.to_show.push_back(key);
        self.empty_since = None;
    }

    /// As many as may wait for their answers.
    fn show_tokens(&mut self) -> Result<(), String> {
        while let Some(key) = self.to_show.front().copied() {
            if let Some(member) = self.members.get(&key) {
                match self.client.show_token(&member.audience, &self.token) {
                    Ok(number) => drop(self.showing.insert(number, key)),
                    Err(NotShown::Full) => return Ok(()),
                    Err(error) => return Err(error.to_string()),
                }
            }
            self.to_show.pop_front();
        }
        Ok(())
    }

    fn hear(&mut self, event: Event<u64>) -> Result<(), String> {
        match event {
            Event::Shown { token, outcome } => self.shown(token, outcome)?,
            Event::Attached { link, .. } => self.with(link, |member, _| member.attached(link)),
            Event::Ready { link } => self.with(link, |member, _| {
                member.ready(link);
                Ok(())
            }),
            Event::Sent { link, item, outcome } => {
                self.with(link, |member, _| member.tell(News::Sent { number: item, outcome }));
            }
            Event::Delivery { link, delivery } => {
                self.with(link, |member, client| member.delivered(client, link, delivery));
            }
            // What has no outcome comes back by the lines.
            Event::Detached { link, fault, .. } => {
                self.with(link, |_, _| Err(Gone::of_fault(fault.as_ref())));
            }
            Event::Recalled { .. } => {}
        }
        Ok(())
    }

    /// For the identity whose link it is, if it still has it.
    fn with(&mut self, link: LinkId, what: impl FnOnce(&mut Member, &mut Client) -> Result<(), Gone>) {
        let Some(key) = self.by_session.get(&link.session()).copied() else { return };
        let Some(member) = self.members.get_mut(&key).filter(|member| member.has(link)) else { return };
        match what(member, &mut self.client) {
            Ok(()) => drop(self.busy.insert(key)),
            Err(gone) => self.part(key, gone),
        }
    }

    fn shown(&mut self, token: TokenNumber, outcome: Result<(), NotShown>) -> Result<(), String> {
        let Some(key) = self.showing.remove(&token) else { return Ok(()) };
        let Some(member) = self.members.get_mut(&key) else { return Ok(()) };
        let is_in = member.session.is_some();
        match outcome {
            Ok(()) if is_in => {}
            Ok(()) => match member.open(&mut self.client) {
                Ok(()) => self.by_session.extend(member.session.map(|session| (session, key))),
                Err(gone) => {
                    self.is_full.store(true, Ordering::SeqCst);
                    self.part(key, gone);
                }
            },
            Err(NotShown::Refused { status, what }) => {
                let is_passing = status == 429 || status >= 500;
                if is_in && is_passing {
                    self.renew_at = self.renew_at.min(Instant::now() + RENEW_AGAIN);
                } else {
                    self.part(key, Gone { why: what, is_refused: !is_passing });
                }
            }
            Err(error) => return Err(error.to_string()),
        }
        Ok(())
    }

    fn renewed(&mut self, token: Result<String, String>) {
        let now = Instant::now();
        match token {
            Ok(token) => {
                self.token = token;
                self.token_ends_at = now + self.options.token_life;
                self.renew_at = now + self.options.renew_after;
                self.to_show = self.members.keys().copied().collect();
            }
            Err(why) => {
                tracing::warn!(why, "There is no new token for the hub yet.");
                self.renew_at = now + RENEW_AGAIN;
            }
        }
    }

    /// Everybody in turn, as long as somebody has something that the hub takes.
    fn push(&mut self) {
        let mut turn = std::mem::take(&mut self.busy);
        while !turn.is_empty() {
            turn.retain(|key| {
                let Some(member) = self.members.get_mut(key) else { return false };
                match member.push(&mut self.client) {
                    Ok(Pushed::Some) => return true,
                    Ok(Pushed::Waits) => drop(self.busy.insert(*key)),
                    Ok(Pushed::All) => {}
                    Err(gone) => self.part(*key, gone),
                }
                false
            });
        }
    }

    /// Whether the hub still answers, and who is still here; `true` when nobody is.
    fn look_around(&mut self, now: Instant) -> Result<bool, String> {
        let silence_max = self.options.silence_max;
        self.tick_at = now + silence_max / 4;
        let left = self.members.iter().filter(|(_, member)| member.is_left());
        for key in left.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.part(key, Gone::passing("it has left"));
        }
        let waits = self.client.pending_count() > 0
            || !self.showing.is_empty()
            || self.members.values().any(Member::waits);
        if !waits {
            self.waits_since = None;
        } else if *self.waits_since.get_or_insert(now).max(&mut self.heard_at) + silence_max <= now {
            return Err("the hub answers nobody".to_owned());
        }
        if self.members.is_empty() {
            return Ok(*self.empty_since.get_or_insert(now) + EMPTY_MAX <= now);
        }
        Ok(false)
    }

    fn part(&mut self, key: u32, gone: Gone) {
        let Some(member) = self.members.remove(&key) else { return };
        self.busy.remove(&key);
        if self.by_id.get(&member.id) == Some(&key) {
            self.by_id.remove(&member.id);
        }
        if let Some(session) = member.session {
            self.by_session.remove(&session);
        }
        member.leave(&mut self.client, gone);
    }

    /// All hear why, and what they say from now on is heard by nobody.
    fn end(self, why: &str) -> mpsc::Receiver<Mail> {
        let Self { client, mail, members, .. } = self;
        for mut member in members.into_values() {
            member.end(Gone::passing(why));
        }
        // Whether it is heard changes nothing.
        tokio::spawn(client.close());
        mail
    }
}

async fn asked(renewing: Option<&mut Soon<Result<String, String>>>) -> Result<String, String> {
    match renewing {
        Some(renewing) => renewing.await,
        None => std::future::pending().await,
    }
}
