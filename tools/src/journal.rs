//! What this wallet has promised to sign, one line for each place of its chain.
//!
//! A line holds an entry's bytes before its signature and is synced before the signature leaves the
//! wallet, so that a crash, a copy or a second program never makes two statements for one place
//! (model, section 7). The signature follows on a line of its own, so that what waits can be sent
//! without the passphrase. What is here and not settled yet is the outbox. It knows no node.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use talea_protocol::act::{Act, Content};
use talea_protocol::bytes::{decode_prefix, from_hex, hex};
use talea_protocol::entry::{
    self, Commitment, ENTRY_BYTES_MAX, Entry, Header, Refusal, Signed, check, statement, unsigned,
};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{Purpose, SecretKey, Signature};

/// Longest journal that is read, in bytes: some 200,000 entries.
const JOURNAL_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Why a journal cannot be used, or a statement has no place in it.
#[derive(Debug, thiserror::Error)]
pub enum JournalFault {
    /// The disk refused.
    #[error("cannot read or write {path}: {error}")]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the disk said.
        error: io::Error,
    },
    /// Another program holds it.
    #[error("another talea is using {path}")]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// A line that is not what was written.
    #[error("line {line} of {path} is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The place is taken, or not next.
    #[error("the statement is for place {seq}, and the next place of this chain is {next}")]
    Place {
        /// Place of the statement.
        seq: u64,
        /// The next place.
        next: u64,
    },
    /// An entry of this chain, made elsewhere, contradicts one that is promised here.
    #[error("place {seq} of this chain is promised to {promised}, and {found} is held by a node")]
    Fork {
        /// The place.
        seq: u64,
        /// What this wallet promised.
        promised: EntryId,
        /// What the node holds.
        found: EntryId,
    },
    /// The statement is no entry.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl JournalFault {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Disk { .. } => "check the folder's permissions and the free space",
            Self::Busy { .. } => "wait until it has finished, then try again",
            Self::Damaged { .. } => {
                "move the journal aside and run `talea catch-up`: it takes this chain over from the nodes"
            }
            Self::Place { .. } => {
                "run `talea catch-up`, which takes over what the nodes hold, then try again"
            }
            Self::Fork { .. } => {
                "sign nothing more with this key: it was used in two places; enrol another device"
            }
            Self::Refused(_) => "change what the rule names; `--dry-run` shows the statement",
        }
    }
}

/// Erasable bytes beside an entry, and the salt that binds them.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Payload {
    /// 32 bytes, lower-case hexadecimal.
    pub salt: String,
    /// The payload, base64.
    pub bytes: String,
}

impl Payload {
    /// A payload and its salt, as text.
    #[must_use]
    pub fn new(salt: &[u8; 32], bytes: &[u8]) -> Self {
        Self { salt: hex(salt), bytes: STANDARD.encode(bytes) }
    }

    /// The payload's bytes, if that is what the text is.
    #[must_use]
    pub fn read(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.bytes).ok()
    }

    /// Whether an entry commits to it.
    #[must_use]
    pub fn belongs_to(&self, entry: &Entry) -> bool {
        let (salt, bytes) = (from_hex::<32>(&self.salt).ok(), self.read());
        let bound = entry.header().payload;
        bound.zip(salt.zip(bytes)).is_some_and(|(bound, (salt, bytes))| bound.binds(&salt, &bytes))
    }
}

/// A statement that is not signed yet: its entry's bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Draft {
    bytes: Vec<u8>,
    id: EntryId,
    seq: u64,
    payload: Option<Payload>,
}

impl Draft {
    /// The statement with this header and act. `payload` is a salt and the bytes that it binds.
    ///
    /// # Errors
    /// [`Refusal::Limit`] for a payload beyond its limit.
    pub fn new(
        mut header: Header,
        act: &Act,
        payload: Option<(&[u8; 32], &[u8])>,
    ) -> Result<Self, Refusal> {
        if let Some((salt, bytes)) = payload {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let commitment = Commitment::new(salt, bytes);
            header.payload = Some(commitment.ok_or(Refusal::Limit { act: 0, payload: length })?);
        }
        let bytes = unsigned(&header, act);
        let payload = payload.map(|(salt, bytes)| Payload::new(salt, bytes));
        Ok(Self { id: name(&bytes), seq: header.seq, bytes, payload })
    }

    /// The entry's bytes before its signature.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The statement's name.
    #[must_use]
    pub const fn id(&self) -> EntryId {
        self.id
    }

    /// The payload and its salt.
    #[must_use]
    pub const fn payload(&self) -> Option<&Payload> {
        self.payload.as_ref()
    }

    /// Signs without a journal: for keys that one program alone holds, and for this run only.
    ///
    /// # Errors
    /// [`Refusal`], if the bytes are no entry of this key.
    pub fn sign(&self, key: &SecretKey) -> Result<Signed, Refusal> {
        whole(&self.bytes, &signature(key, &self.bytes))
    }

    /// What the payload holds.
    #[must_use]
    pub fn payload_bytes(&self) -> Option<Vec<u8>> {
        self.payload.as_ref().and_then(Payload::read)
    }
}

/// A place of the chain and what it is promised to.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The place.
    pub seq: u64,
    /// The statement's name.
    pub id: EntryId,
    /// The entry's bytes before its signature, base64.
    unsigned: String,
    /// Erasable bytes beside it.
    pub payload: Option<Payload>,
    /// The signature, once there is one: from a line of its own.
    #[serde(skip)]
    pub signature: Option<Signature>,
}

impl Kept {
    fn new(draft: &Draft) -> Self {
        Self {
            seq: draft.seq,
            id: draft.id,
            unsigned: STANDARD.encode(&draft.bytes),
            payload: draft.payload.clone(),
            signature: None,
        }
    }

    /// The entry's bytes before its signature.
    #[must_use]
    pub fn unsigned(&self) -> Vec<u8> {
        STANDARD.decode(&self.unsigned).unwrap_or_default()
    }

    /// What the payload holds.
    #[must_use]
    pub fn payload_bytes(&self) -> Option<Vec<u8>> {
        self.payload.as_ref().and_then(Payload::read)
    }

    /// The entry as it can be sent, if it was signed.
    #[must_use]
    pub fn entry(&self) -> Option<Signed> {
        self.with(&self.signature?).ok()
    }

    /// The statement as it would read once signed, for a local reading only.
    #[must_use]
    pub fn reading(&self) -> Option<Signed> {
        reading(&self.unsigned()).ok()
    }

    fn with(&self, signature: &Signature) -> Result<Signed, Refusal> {
        whole(&self.unsigned(), signature)
    }

    /// Whether line `seq` of a journal may read so: the id is the bytes', the place is theirs.
    fn is_sound(&self, seq: u64) -> bool {
        let bytes = self.unsigned();
        let header = decode_prefix::<Header>(&bytes, ENTRY_BYTES_MAX);
        self.seq == seq
            && self.id == name(&bytes)
            && header.is_ok_and(|(header, used)| {
                let act = bytes.get(used..).unwrap_or_default();
                header.seq == seq && Content::parse(act).is_ok()
            })
    }
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Kept(Kept),
    Signed(Written),
}

/// That a promise was kept.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    signed: u64,
    signature: Signature,
}

/// A statement as it would read once signed, for a local reading only: what would its verdict be?
///
/// # Errors
/// [`Refusal`], rules 1 to 8.
pub fn reading(unsigned: &[u8]) -> Result<Signed, Refusal> {
    Entry::parse([unsigned, &[0; 64]].concat()).map(Signed::kept)
}

/// The entry of these bytes and this signature, checked.
fn whole(unsigned: &[u8], signature: &Signature) -> Result<Signed, Refusal> {
    let entry = Entry::parse([unsigned, &signature.0].concat())?;
    match check(vec![entry]).pop() {
        Some(Ok(signed)) => Ok(signed),
        _ => Err(Refusal::Signature),
    }
}

fn name(unsigned: &[u8]) -> EntryId {
    statement(unsigned).map_or(EntryId::ZERO, |statement| entry::name(&statement))
}

/// The signature of an entry with these bytes before it.
fn signature(key: &SecretKey, unsigned: &[u8]) -> Signature {
    key.sign(Purpose::Entry, &statement(unsigned).unwrap_or_default())
}

/// The journal of one chain, held by this program alone until it is dropped.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    kept: Vec<Kept>,
}

impl Journal {
    /// Opens the journal, or begins one, and locks it.
    ///
    /// A last line that was cut short is dropped: it was not synced, so no signature left.
    ///
    /// # Errors
    /// [`JournalFault::Busy`], [`JournalFault::Damaged`], [`JournalFault::Disk`].
    pub fn open(path: &Path) -> Result<Self, JournalFault> {
        let disk = |error| JournalFault::Disk { path: path.to_owned(), error };
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(disk)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(JournalFault::Busy { path: path.to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(disk(error)),
        }
        let mut text = Vec::new();
        (&mut file).take(JOURNAL_BYTES_MAX).read_to_end(&mut text).map_err(disk)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if whole < text.len() {
            file.set_len(u64::try_from(whole).unwrap_or(0)).map_err(disk)?;
            file.seek(SeekFrom::End(0)).map_err(disk)?;
            text.truncate(whole);
        }
        let kept =
            read(&text).map_err(|line| JournalFault::Damaged { path: path.to_owned(), line })?;
        Ok(Self { path: path.to_owned(), file, kept })
    }

    /// The places promised so far, in their order.
    #[must_use]
    pub fn kept(&self) -> &[Kept] {
        &self.kept
    }

    /// The statements' names, in the order of their places.
    #[must_use]
    pub fn ids(&self) -> Vec<EntryId> {
        self.kept.iter().map(|kept| kept.id).collect()
    }

    /// The next place, and the id of the entry before it.
    #[must_use]
    pub fn next(&self) -> (u64, EntryId) {
        self.kept.last().map_or((0, EntryId::ZERO), |last| (last.seq + 1, last.id))
    }

    /// Promises a statement its place. When this returns, the promise is on the disk.
    ///
    /// # Errors
    /// [`JournalFault::Place`], [`JournalFault::Disk`].
    pub fn promise(&mut self, draft: &Draft) -> Result<Kept, JournalFault> {
        let (next, _) = self.next();
        if draft.seq != next {
            return Err(JournalFault::Place { seq: draft.seq, next });
        }
        let kept = Kept::new(draft);
        self.append(&Line::Kept(kept.clone()))?;
        self.kept.push(kept.clone());
        Ok(kept)
    }

    /// Signs what is promised at a place, again if need be: the same key gives the same signature.
    ///
    /// # Errors
    /// [`JournalFault::Refused`], if the bytes are no entry of this key; [`JournalFault::Place`].
    pub fn sign(&mut self, seq: u64, key: &SecretKey) -> Result<Signed, JournalFault> {
        let next = self.next().0;
        let place = usize::try_from(seq).ok().and_then(|seq| self.kept.get_mut(seq));
        let kept = place.ok_or(JournalFault::Place { seq, next })?;
        let signature = signature(key, &kept.unsigned());
        let entry = kept.with(&signature)?;
        if kept.signature.replace(signature).is_none() {
            self.append(&Line::Signed(Written { signed: seq, signature }))?;
        }
        Ok(entry)
    }

    /// Takes over an entry of this chain that a node holds and this journal does not: the wallet
    /// was restored from a copy. Call it for the chain's entries in their order.
    ///
    /// # Errors
    /// [`JournalFault::Fork`], [`JournalFault::Place`], [`JournalFault::Disk`].
    pub fn adopt(&mut self, entry: &Signed) -> Result<(), JournalFault> {
        let seq = entry.header().seq;
        let here = usize::try_from(seq).ok().and_then(|seq| self.kept.get(seq));
        match here {
            Some(kept) if kept.id == entry.id() => Ok(()),
            Some(kept) => Err(JournalFault::Fork { seq, promised: kept.id, found: entry.id() }),
            None if seq != self.next().0 => Err(JournalFault::Place { seq, next: self.next().0 }),
            None => {
                let (bytes, signature) =
                    entry.bytes().split_last_chunk().expect("an entry is signed");
                let draft = Draft { bytes: bytes.to_vec(), id: entry.id(), seq, payload: None };
                self.promise(&draft)?;
                let signature = Signature(*signature);
                if let Some(kept) = self.kept.last_mut() {
                    kept.signature = Some(signature);
                }
                self.append(&Line::Signed(Written { signed: seq, signature }))
            }
        }
    }

    fn append(&mut self, line: &Line) -> Result<(), JournalFault> {
        let mut line = serde_json::to_vec(line).expect("a record of texts and a number");
        line.push(b'\n');
        self.file
            .write_all(&line)
            .and_then(|()| self.file.sync_all())
            .map_err(|error| JournalFault::Disk { path: self.path.clone(), error })
    }
}

/// The promises, or the number of the first line that is damaged.
fn read(text: &[u8]) -> Result<Vec<Kept>, usize> {
    let mut kept: Vec<Kept> = Vec::new();
    for (number, line) in (1_usize..).zip(text.split_inclusive(|byte| *byte == b'\n')) {
        match serde_json::from_slice(line).map_err(|_| number)? {
            Line::Kept(next) => {
                let seq = u64::try_from(kept.len()).map_err(|_| number)?;
                kept.push(Some(next).filter(|next| next.is_sound(seq)).ok_or(number)?);
            }
            Line::Signed(Written { signed, signature }) => {
                let place = usize::try_from(signed).ok().and_then(|seq| kept.get_mut(seq));
                let promise = place.filter(|kept| kept.with(&signature).is_ok());
                promise.ok_or(number)?.signature = Some(signature);
            }
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use talea_protocol::act::Attest;
    use talea_protocol::entry::{SCHEME, VERSION};

    fn key() -> SecretKey {
        SecretKey::from_seed(&[5; 32])
    }

    fn draft(journal: &Journal, what: u8) -> Draft {
        let (seq, prev) = journal.next();
        let header = Header {
            version: VERSION,
            scheme: SCHEME,
            cooperative: EntryId([1; 32]),
            device: key().device(),
            seq,
            prev,
            basis: EntryId([2; 32]),
            time: 1,
            payload: None,
        };
        let act = Act::Attest(Attest { contribution: EntryId([what; 32]) });
        Draft::new(header, &act, Some((&[9; 32], b"note"))).unwrap()
    }

    #[test]
    fn a_place_is_promised_once_and_the_promise_outlives_the_program() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut journal = Journal::open(&path).unwrap();
        let (first, other) = (draft(&journal, 1), draft(&journal, 2));
        journal.promise(&first).unwrap();
        assert!(matches!(journal.promise(&other), Err(JournalFault::Place { seq: 0, next: 1 })));
        let signed = journal.sign(0, &key()).unwrap();
        assert_eq!(signed.id(), first.id());
        drop(journal);
        let journal = Journal::open(&path).unwrap();
        assert_eq!(journal.kept()[0].entry().unwrap(), signed);
        assert_eq!(journal.next(), (1, first.id()));
    }

    #[test]
    fn a_line_cut_short_was_no_promise_and_a_changed_one_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut journal = Journal::open(&path).unwrap();
        for what in 1..=2 {
            let draft = draft(&journal, what);
            journal.promise(&draft).unwrap();
        }
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let mut journal = Journal::open(&path).unwrap();
        assert_eq!(journal.kept().len(), 1);
        let again = draft(&journal, 3);
        journal.promise(&again).unwrap();
        drop(journal);
        assert_eq!(Journal::open(&path).unwrap().kept().len(), 2);

        let text = String::from_utf8(whole).unwrap().replacen("\"seq\":1", "\"seq\":2", 1);
        std::fs::write(&path, text).unwrap();
        assert!(matches!(Journal::open(&path), Err(JournalFault::Damaged { line: 2, .. })));
    }

    #[test]
    fn two_programs_never_hold_one_journal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let _held = Journal::open(&path).unwrap();
        assert!(matches!(Journal::open(&path), Err(JournalFault::Busy { .. })));
    }

    #[test]
    fn a_restored_wallet_takes_over_what_a_node_holds_and_refuses_a_contradiction() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = Journal::open(&dir.path().join("first")).unwrap();
        let mut restored = Journal::open(&dir.path().join("restored")).unwrap();
        let one = draft(&first, 1);
        first.promise(&one).unwrap();
        let entry = first.sign(0, &key()).unwrap();
        restored.adopt(&entry).unwrap();
        restored.adopt(&entry).unwrap();
        assert_eq!(restored.next(), first.next());
        let elsewhere = draft(&restored, 2);
        restored.promise(&elsewhere).unwrap();
        let two = draft(&first, 3);
        first.promise(&two).unwrap();
        let contrary = first.sign(1, &key()).unwrap();
        assert!(matches!(restored.adopt(&contrary), Err(JournalFault::Fork { seq: 1, .. })));
    }
}
