//! Wallets that lose what they have signed: what they know meanwhile, and what nobody stands for
//! any more.
//!
//! What others made of a lost entry is not undone: whoever has named it, or closed over it, has done
//! so in vain. Whether it is safe to go on is not known here.

use talea_ledger::state::State;
use talea_protocol::act::{Act, Content};
use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;

use super::People;

impl People {
    /// An author's wallet knows so many entries of its chain, and is silent until it knows more.
    pub fn forget(&mut self, author: usize, kept: usize) {
        self.authors[author].is_silent = true;
        self.known.insert(author, kept);
    }

    /// Whether an author's wallet does not know all of its chain.
    #[must_use]
    pub fn is_lost(&self, author: usize) -> bool {
        self.known.contains_key(&author)
    }

    /// How many entries of its chain a wallet knows.
    #[must_use]
    pub fn known(&self, author: usize) -> usize {
        self.known.get(&author).copied().unwrap_or(self.chains[author].len())
    }

    /// Whether the wallet that has signed an entry has it at present.
    #[must_use]
    pub fn knows(&self, entry: &Signed) -> bool {
        let wallets = self.known.iter();
        let theirs = |author: usize| self.authors[author].key.device() == entry.header().device;
        let mut short = wallets.filter(|(author, _)| theirs(**author));
        short.all(|(_, kept)| usize::try_from(entry.header().seq).is_ok_and(|seq| seq < *kept))
    }

    /// Whether an author's entries from a place on may be lost: none keeps the register, or is what
    /// others wait for to end a chain.
    #[must_use]
    pub fn may_lose(&self, author: usize, from: usize) -> bool {
        let binds = |id: &EntryId| match self.find(id).map(|entry| entry.content()) {
            Some(Content::Known(act)) => {
                act.is_register() || matches!(act, Act::Report(_) | Act::Leave | Act::Call(_))
            }
            Some(Content::Unknown(_)) | None => true,
        };
        !self.chains[author][from..].iter().any(binds)
    }

    /// Nobody stands any more for what an author has signed from a place on; the entries.
    pub fn give_up(&mut self, author: usize, from: usize) -> Vec<Signed> {
        self.known.remove(&author);
        let lost: Vec<EntryId> = self.chains[author].split_off(from);
        if lost.is_empty() {
            return Vec::new();
        }
        self.given_up.extend(lost.iter().copied());
        self.contributions.retain(|id| !lost.contains(id));
        self.proposals.retain(|id| !lost.contains(id));
        let mut state = State::new();
        for entry in self.standing() {
            let device = self.register.known(&entry.header().device).expect("it is enrolled");
            state.settle(&self.register, device, entry);
        }
        self.state = state;
        lost.iter().filter_map(|id| self.find(id)).cloned().collect()
    }

    /// The entries that their wallets stand for, in the order of their statement.
    pub fn standing(&self) -> impl Iterator<Item = &Signed> {
        self.entries.iter().filter(|entry| !self.is_given_up(&entry.id()))
    }

    /// Whether nobody stands for an entry any more.
    #[must_use]
    pub fn is_given_up(&self, id: &EntryId) -> bool {
        self.given_up.contains(id)
    }
}
