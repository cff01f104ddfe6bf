//! A recovery phrase: twelve words on paper, and the key that they make in one cooperative.
//!
//! BIP39, its English list. The key enrols and revokes devices of its member and does nothing else
//! (ledger, rule 45 and 79); it is another one in each cooperative, so that nobody can tell that two
//! phrases are the same. Where the words are typed or shown is the caller's business.

use bip39::{Error, Language, Mnemonic};
use talea_protocol::hash::EntryId;
use talea_protocol::key::SecretKey;
use zeroize::Zeroizing;

/// Words of a phrase.
pub const WORDS: usize = 12;
/// Bytes of chance in it.
pub const CHANCE_BYTES: usize = 16;
/// The context of recovery keys: BLAKE3 over the phrase's BIP39 seed and the cooperative's id.
const CONTEXT: &str = "talea 2026-11 recovery key v1";

/// Why words are no recovery phrase.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PhraseFault {
    /// Too few, or too many.
    #[error("{count} words; a recovery phrase has {WORDS}")]
    Count {
        /// How many there are.
        count: usize,
    },
    /// A word that is not in the list.
    #[error("word {place}, `{word}`, is none of the list's")]
    Word {
        /// The place, from 1.
        place: usize,
        /// What was typed.
        word: String,
    },
    /// All words are the list's, and do not belong together.
    #[error("these words do not belong together: one is another, or two have changed places")]
    Together,
}

impl PhraseFault {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Count { .. } => "type all twelve words in their order, with blanks between them",
            Self::Word { .. } => {
                "look at that word on the paper again: its first four letters are enough to know it by"
            }
            Self::Together => "compare each word with the paper, from the first to the last",
        }
    }
}

/// Twelve words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Phrase(Mnemonic);

impl Phrase {
    /// The phrase of so much chance.
    #[must_use]
    pub fn of(chance: &[u8; CHANCE_BYTES]) -> Self {
        Self(Mnemonic::from_entropy(chance).expect("16 bytes make twelve words"))
    }

    /// Reads words as they are typed.
    ///
    /// # Errors
    /// [`PhraseFault`].
    pub fn parse(text: &str) -> Result<Self, PhraseFault> {
        let text = Zeroizing::new(text.to_lowercase());
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.len() != WORDS {
            return Err(PhraseFault::Count { count: words.len() });
        }
        let joined = Zeroizing::new(words.join(" "));
        let read = Mnemonic::parse_in_normalized(Language::English, &joined);
        read.map(Self).map_err(|error| match error {
            Error::UnknownWord(place) => PhraseFault::Word {
                place: place + 1,
                word: words.get(place).copied().unwrap_or_default().to_owned(),
            },
            _ => PhraseFault::Together,
        })
    }

    /// The words, with blanks between them.
    #[must_use]
    pub fn words(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.words().collect::<Vec<_>>().join(" "))
    }

    /// The key that the words make in a cooperative.
    #[must_use]
    pub fn key(&self, cooperative: &EntryId) -> SecretKey {
        let seed = Zeroizing::new(self.0.to_seed_normalized(""));
        let material = Zeroizing::new([seed.as_slice(), cooperative.0.as_slice()].concat());
        SecretKey::from_seed(&Zeroizing::new(blake3::derive_key(CONTEXT, &material)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: EntryId = EntryId([1; 32]);
    /// BIP39's first test vector: chance of zeros.
    const ZEROS: &str = "abandon abandon abandon abandon abandon abandon \
                         abandon abandon abandon abandon abandon about";

    #[test]
    fn the_words_are_those_of_bip39_and_come_back_as_they_were() {
        let phrase = Phrase::of(&[0; CHANCE_BYTES]);
        assert_eq!(*phrase.words(), ZEROS);
        assert_eq!(Phrase::parse(&format!("  {} ", ZEROS.to_uppercase())), Ok(phrase));
    }

    #[test]
    fn a_phrase_makes_another_key_in_each_cooperative() {
        let phrase = Phrase::parse(ZEROS).unwrap();
        let key = phrase.key(&HERE).device();
        assert_eq!(key, phrase.key(&HERE).device());
        assert_ne!(key, phrase.key(&EntryId([2; 32])).device());
        let known = "c97bfe88";
        assert_eq!(key.to_string().get(..8), Some(known), "the derivation never changes");
    }

    #[test]
    fn a_wrong_word_is_named_by_its_place_and_a_wrong_order_is_noticed() {
        let wrong = ZEROS.replacen("abandon", "abandonn", 1);
        let word = "abandonn".to_owned();
        assert_eq!(Phrase::parse(&wrong), Err(PhraseFault::Word { place: 1, word }));
        let order = ZEROS.replace("abandon about", "about abandon");
        assert_eq!(Phrase::parse(&order), Err(PhraseFault::Together));
        assert_eq!(Phrase::parse("abandon"), Err(PhraseFault::Count { count: 1 }));
    }
}
