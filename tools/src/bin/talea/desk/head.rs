//! Before anything is signed or sent: does a node know of more than this wallet does?

use talea_protocol::entry::Signed;
use talea_protocol::key::DeviceKey;
use talea_protocol::recovery::Call;
use talea_tools::heads::{self, Head, Unsafe};
use talea_tools::healing::Row;
use talea_tools::journal::{Journal, JournalFault};
use talea_tools::verify::Audit;
use talea_tools::wallet::Server;
use talea_tools::witness::{self, Past};

use super::Desk;
use crate::chain::{Answer, Chain};
use crate::failure::{Failure, Outcome};
use crate::out::{self, DIM, Form, styled};
use crate::secret;

/// What helps where something is not here.
const FETCH: &str = "run `talea fetch`, then try again";

impl Desk<'_> {
    /// Refuses to go on if a node, or the last export, holds more of this chain than the journal.
    pub(super) fn hear(&mut self) -> Outcome {
        if self.heard.is_some() {
            return Ok(());
        }
        let (here, _) = self.journal.next();
        if self.exported > here {
            return Err(Unsafe::Exported { here, there: self.exported }.into());
        }
        let answers = if self.common.offline { Vec::new() } else { self.chain().ask(here) };
        let heads: Vec<Head> = answers.into_iter().filter_map(|(_, head)| head.ok()).collect();
        heads::compare(&self.journal.ids(), &heads)?;
        self.heard = Some(heads);
        Ok(())
    }

    /// Refuses to go on unless enough nodes were heard, or nothing was restored.
    pub(super) fn heard_enough(&mut self) -> Outcome {
        self.hear()?;
        let heads = self.heard.as_deref().unwrap_or_default();
        let promised = self.journal.ids();
        match heads::enough(&promised, self.past, self.book.register().roster(), heads) {
            Ok(()) => {}
            Err(unheard @ (Unsafe::Silent { .. } | Unsafe::Waiting { .. }))
                if self.common.anyway =>
            {
                out::note(&styled(DIM, &format!("signed all the same: {unheard}")));
            }
            Err(unheard) => return Err(unheard.into()),
        }
        self.vouch()
    }

    /// Refuses to sign what the nodes would give no place.
    pub(super) fn may_grow(&mut self) -> Outcome {
        self.hear()?;
        let heads = self.heard.as_deref().unwrap_or_default();
        match heads::grows(&self.journal, self.book.register().roster(), heads) {
            Err(still) if self.common.anyway => {
                out::note(&styled(DIM, &format!("signed all the same: {still}")));
                Ok(())
            }
            grows => Ok(grows?),
        }
    }

    /// The same before what is kept leaves the wallet: a private cooperative's nodes may ask for the
    /// key first.
    pub(super) fn may_send(&mut self) -> Outcome {
        let asked = self.heard_enough();
        if asked.is_err() && self.key.is_none() && self.past == Past::Unknown {
            self.key = Some(secret::unlock(self.common, &self.wallet)?);
            self.heard = None;
            return self.heard_enough();
        }
        asked
    }

    /// From here on the journal is this program's own.
    pub(super) fn vouch(&mut self) -> Outcome {
        self.past = Past::Unbroken;
        Ok(witness::keep(&self.wallet, &self.known.cooperative)?)
    }

    fn chain(&self) -> Chain<'_> {
        Chain { known: &self.known, key: self.key.as_ref(), device: self.device }
    }

    /// What every node says of this device.
    pub fn ask_heads(&self) -> Vec<Answer> {
        self.chain().ask(self.journal.next().0)
    }

    /// What every node says of any device's chain, whoever says more than nothing having shown the
    /// last entry.
    pub fn ask_heads_of(&self, device: DeviceKey) -> Vec<Answer> {
        Chain { device, ..self.chain() }.ask(0)
    }

    /// The register of every node whose old registrar stands still for this call, behind the entry
    /// that it names.
    pub fn ask_registers(&self, call: Call) -> Outcome<Vec<(Server, Vec<Signed>)>> {
        let register = self.book.register();
        let unknown = || Failure::node("the calls name an entry that is not here", FETCH);
        let first = u64::from(register.number(&call.at).ok_or_else(unknown)?) + 1;
        let mut registers = Vec::new();
        for (server, head) in self.ask_heads() {
            let told = match self.register_behind(&server, head, call, first) {
                Ok(Some(register)) => {
                    let count = register.len();
                    registers.push((server.clone(), register));
                    format!("stands still, {count} entries behind what the calls name")
                }
                Ok(None) => "has too few calls yet".to_owned(),
                Err(failure) => failure.to_string(),
            };
            if super::form(self.common) == Form::Text {
                let node = server.node.to_string();
                let node = node.get(..8).unwrap_or_default();
                out::note(&styled(DIM, &format!("the register at node {node}: {told}")));
            }
        }
        Ok(registers)
    }

    fn register_behind(
        &self,
        server: &Server,
        head: Outcome<Head>,
        call: Call,
        first: u64,
    ) -> Outcome<Option<Vec<Signed>>> {
        let head = head?;
        let successor = head.registrar.and_then(|it| it.successor);
        let (Some(told), true) = (head.register, successor == Some(call.successor.0)) else {
            return Ok(None);
        };
        let register = self.chain().register(server, first)?;
        let last = register.last().map_or(call.at, |last| last.id());
        if last != told.head {
            return Err(Failure::node(
                format!("{} says that it holds another register than it shows", server.http),
                "ask again; if it stays so, name another node with `talea join`",
            ));
        }
        Ok(Some(register))
    }

    /// Takes register entries that a node holds into the book, with what is before them in their
    /// chains. Returns how many of them are new here.
    pub fn adopt(&mut self, server: &Server, register: &[Signed]) -> Outcome<usize> {
        let mut new = 0;
        for entry in register {
            if self.book.verdict(&entry.id()).is_some() {
                continue;
            }
            let device = entry.header().device;
            if let Some(number) = self.book.register().known(&device) {
                let from = u64::from(self.book.state().length(number));
                let head = Head { number: Some(number), ..Head::nothing(server.node) };
                let before = self.chain().entries(server, &head, from)?;
                for entry in before.into_iter().filter(|it| it.header().seq < entry.header().seq) {
                    self.book.add(entry)?;
                }
            }
            self.book.add(entry.clone())?;
            new += 1;
        }
        Ok(new)
    }

    /// What every node tells of open forks.
    pub fn ask_forks(&self) -> Vec<(Server, Outcome<Vec<Row>>)> {
        self.chain().forks()
    }

    /// Whether it would be safe to sign after these answers; the journal is vouched for then.
    pub fn check_head(&mut self, answers: &[Answer]) -> Outcome<Result<(), Unsafe>> {
        let heads = answers.iter().filter_map(|(_, head)| head.as_ref().ok().cloned());
        self.heard = Some(heads.collect());
        let heads = self.heard.as_deref().unwrap_or_default();
        let roster = self.book.register().roster();
        // Whoever asks wants to know, however unbroken the journal is.
        let safe = heads::check(&self.journal.ids(), Past::Unknown, roster, heads);
        if safe.is_ok() {
            self.vouch()?;
        }
        Ok(safe)
    }

    /// Fetches this chain's missing entries from the nodes, whoever holds most first. Returns how
    /// many were written into the journal.
    pub fn catch_up(&mut self, answers: &[Answer]) -> Outcome<u64> {
        let mut heads: Vec<_> = answers
            .iter()
            .filter_map(|(server, head)| Some((server, head.as_ref().ok()?)))
            .collect();
        heads.sort_by_key(|(_, head)| std::cmp::Reverse(head.length));
        let mut new = 0;
        for (server, head) in heads {
            let (here, _) = self.journal.next();
            if head.length > here {
                let entries = self.chain().entries(server, head, here)?;
                let (device, cooperative) = (self.device, self.known.cooperative);
                new += heads::catch_up(&mut self.journal, &device, &cooperative, &entries)?;
            }
        }
        Ok(new)
    }

    /// How many entries the journal has.
    pub fn kept_count(&self) -> u64 {
        self.journal.next().0
    }

    /// What was known of the journal when it was opened.
    pub const fn past(&self) -> Past {
        self.past
    }
}

/// How many entries of this device an export has.
///
/// # Errors
/// [`JournalFault::Fork`], if it has another one in a place that is promised here.
pub(super) fn exported(
    journal: &Journal,
    audit: &Audit,
    device: &DeviceKey,
) -> Result<u64, JournalFault> {
    let entries = || audit.shown.entries.values().filter(|it| it.header().device == *device);
    for entry in entries() {
        let seq = entry.header().seq;
        let kept = usize::try_from(seq).ok().and_then(|seq| journal.kept().get(seq));
        let Some(kept) = kept else { continue };
        // Of a fork, both branches may be there.
        if kept.id != entry.id() && !audit.shown.entries.contains_key(&kept.id) {
            return Err(JournalFault::Fork { seq, promised: kept.id, found: entry.id() });
        }
    }
    Ok(entries().map(|entry| entry.header().seq + 1).max().unwrap_or(0))
}

impl From<Unsafe> for Failure {
    fn from(reason: Unsafe) -> Self {
        match reason {
            Unsafe::TooFew { .. } | Unsafe::Silent { .. } | Unsafe::Waiting { .. } => {
                Self::node(reason.to_string(), reason.hint())
            }
            _ => Self::rule(reason.to_string(), reason.hint()),
        }
    }
}
