//! What parties are called where only letters, digits and `-` may stand: in accounts' names.
//!
//! A handle is what a member wrote, so it may hold anything. What is left of it must tell members
//! apart: where it does not, the member goes by its number.

use std::collections::BTreeMap;

use talea_ledger::account::{Account, Party};
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;

use crate::verify::Sum;

/// Names for accounts.
pub struct Slugs(BTreeMap<Member, String>);

impl Slugs {
    /// The names of all members.
    #[must_use]
    pub fn new(sum: &Sum) -> Self {
        let count = u32::try_from(sum.register.members().len()).unwrap_or(u32::MAX);
        let mut names: BTreeMap<Member, String> = (0..count)
            .map(Member)
            .map(|member| (member, slug(&sum.names.handle(&sum.register, member))))
            .collect();
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        for name in names.values() {
            *seen.entry(name.clone()).or_default() += 1;
        }
        for (member, name) in &mut names {
            let clash = seen.get(name).is_some_and(|count| *count > 1);
            // Nobody takes a name that is made here for somebody else.
            if name.is_empty() || clash || name.starts_with("member-") {
                *name = format!("member-{}", member.0);
            }
        }
        Self(names)
    }

    /// A party's name.
    #[must_use]
    pub fn of(&self, party: &Party) -> String {
        match party {
            Party::Member(member) => {
                self.0.get(member).cloned().unwrap_or_else(|| format!("member-{}", member.0))
            }
            // Codes differ in more than a slug keeps; the rest is spelled out.
            Party::Client(code) => code.as_str().chars().map(spelled).collect(),
            Party::Cooperative(id) => cooperative(id),
        }
    }

    /// The name of an account's party, if it is about somebody.
    #[must_use]
    pub fn party(&self, account: &Account) -> Option<String> {
        account.party().map(|party| self.of(&party))
    }
}

/// A partner: ids are evenly spread, so that eight digits tell a cooperative's partners apart.
#[must_use]
pub fn cooperative(id: &EntryId) -> String {
    format!("cooperative-{}", id.to_string().chars().take(8).collect::<String>())
}

fn slug(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
    let lower = plain.collect::<String>().to_ascii_lowercase();
    let words: Vec<&str> = lower.split('-').filter(|word| !word.is_empty()).collect();
    words.join("-")
}

/// A character of a code: lower-case letters and digits as they are, others by what they are.
fn spelled(c: char) -> String {
    match c {
        'a'..='z' | '0'..='9' => c.to_string(),
        'A'..='Z' => format!("-{}", c.to_ascii_lowercase()),
        other => format!("-{:x}-", u32::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_letters_digits_and_single_dashes() {
        assert_eq!(slug("Chloé D."), "chlo-d");
        assert_eq!(slug("a:b  c\n; x"), "a-b-c-x");
        assert_eq!(slug("=cmd|'"), "cmd");
        assert_eq!(slug("猫"), "");
    }

    #[test]
    fn two_codes_never_have_one_name() {
        let name = |text: &str| text.chars().map(spelled).collect::<String>();
        let names = ["ab", "aB", "a-b", "a.b", "a_b", "a:b", "a/b"].map(name);
        let all: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(all.len(), names.len());
    }
}
