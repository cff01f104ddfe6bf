//! What members are called: from the erasable payloads beside the charter and the admissions.
//!
//! A payload is JSON; `{"members":[{"handle":"alba","name":"Alba"}, …]}` beside a charter, the same
//! with one member beside an admission, `{"note":"…"}` beside anything else, and `attachments` beside whatever has some. No verdict depends on
//! it: without payloads members are shown by their number. A handle that two members have is
//! shown as `handle#4hex`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use talea_ledger::register::Register;
use talea_protocol::act::{Act, Content};
use talea_protocol::attachment::{Attachment, listed};
use talea_protocol::charter::Member;
use talea_protocol::entry::Entry;

/// Longest name that is shown, in characters.
const NAME_CHARS_MAX: usize = 64;

/// A member, as it wants to be called.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Called {
    /// A short name to be typed.
    pub handle: String,
    /// The full name.
    pub name: String,
}

/// What a payload says.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Words {
    /// Who the entry admits, in the order of their numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Called>,
    /// What the author has to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The files that lie beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty", skip_deserializing)]
    pub attachments: Vec<Attachment>,
}

impl Words {
    /// A note, or nothing if there is none.
    #[must_use]
    pub fn note(note: Option<&str>) -> Option<Vec<u8>> {
        let words = Self { note: Some(note?.to_owned()), ..Self::default() };
        Some(words.payload())
    }

    /// The payload's bytes.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a record of texts")
    }

    /// Reads a payload; what is not such a record says nothing.
    #[must_use]
    pub fn read(payload: &[u8]) -> Self {
        let words: Self = serde_json::from_slice(payload).unwrap_or_default();
        // A list of attachments that is none takes nothing else along.
        Self { attachments: listed(payload), ..words }
    }
}

/// Who is called what.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<Member, Called>);

impl Names {
    /// Takes what the payload of a charter or of an admission says.
    pub fn learn(&mut self, register: &Register, entry: &Entry, payload: &[u8]) {
        let first = match entry.content() {
            Content::Known(Act::Charter(_)) => 0,
            Content::Known(Act::Admit(_) | Act::Welcome(_)) => {
                let number = register.number(&entry.id());
                let admitted = |member: &&talea_ledger::register::MemberRecord| {
                    Some(member.admitted) == number
                };
                match register.members().iter().position(|member| admitted(&member)) {
                    Some(place) => u32::try_from(place).unwrap_or(u32::MAX),
                    None => return,
                }
            }
            _ => return,
        };
        for (number, called) in (first..).zip(Words::read(payload).members) {
            self.0.insert(Member(number), clean(called));
        }
    }

    /// What to type for a member: its handle, with four digits of its id if another has the same.
    #[must_use]
    pub fn handle(&self, register: &Register, member: Member) -> String {
        let Some(called) = self.0.get(&member) else {
            return format!("member-{}", member.0);
        };
        let same = self.0.values().filter(|other| other.handle == called.handle).count();
        match register.member(member).filter(|_| same > 1) {
            Some(record) => {
                let id = record.id.to_string();
                format!("{}#{}", called.handle, id.get(..4).unwrap_or_default())
            }
            None => called.handle.clone(),
        }
    }

    /// A member's full name, or its handle.
    #[must_use]
    pub fn name(&self, register: &Register, member: Member) -> String {
        match self.0.get(&member) {
            Some(called) if !called.name.is_empty() => called.name.clone(),
            _ => self.handle(register, member),
        }
    }

    /// Who is meant by a handle, or by a number.
    #[must_use]
    pub fn find(&self, register: &Register, text: &str) -> Option<Member> {
        let count = u32::try_from(register.members().len()).unwrap_or(u32::MAX);
        let number = text.strip_prefix("member-").unwrap_or(text).parse().ok().map(Member);
        (0..count)
            .map(Member)
            .find(|member| self.handle(register, *member) == text)
            .or(number.filter(|member| member.0 < count))
    }
}

/// Control characters would let a name paint over the terminal.
fn clean(called: Called) -> Called {
    let clean = |text: &str| -> String {
        text.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect()
    };
    let handle: String = clean(&called.handle).split_whitespace().collect();
    Called { handle, name: clean(&called.name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_paints_over_the_terminal() {
        let called = Called { handle: "a\u{1b}[2J b".to_owned(), name: "x\ny".to_owned() };
        assert_eq!(clean(called), Called { handle: "a[2Jb".to_owned(), name: "xy".to_owned() });
    }

    #[test]
    fn a_note_is_read_as_it_was_written_and_other_bytes_say_nothing() {
        let payload = Words::note(Some("pour le marché")).unwrap();
        assert_eq!(Words::read(&payload).note.as_deref(), Some("pour le marché"));
        assert_eq!(Words::read(&[0xff, 0]), Words::default());
        assert_eq!(Words::note(None), None);
    }
}
