//! A stretch of keys of one column, in the order of their bytes.
//!
//! Knows nothing of columns or of what keys mean.

/// A stretch of a column's keys, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Span {
    from: Vec<u8>,
    below: Option<Vec<u8>>,
}

impl Span {
    /// All keys.
    #[must_use]
    pub const fn all() -> Self {
        Self { from: Vec::new(), below: None }
    }

    /// The keys that begin with `prefix`.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        Self { from: prefix.to_vec(), below: after_prefix(prefix) }
    }

    /// Of these keys, those from `key` on. A key before the stretch changes nothing.
    #[must_use]
    pub fn starting_at(self, key: &[u8]) -> Self {
        Self { from: self.from.max(key.to_vec()), ..self }
    }

    /// Of these keys, those below `key`. A key after the stretch changes nothing.
    #[must_use]
    pub fn ending_before(self, key: &[u8]) -> Self {
        let below = match self.below {
            Some(end) if end.as_slice() <= key => end,
            _ => key.to_vec(),
        };
        Self { below: Some(below), ..self }
    }

    /// The first key that may be in it.
    #[must_use]
    pub fn from(&self) -> &[u8] {
        &self.from
    }

    /// The first key after it, if there is an end.
    #[must_use]
    pub fn below(&self) -> Option<&[u8]> {
        self.below.as_deref()
    }

    /// Whether no key can be in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.below.as_ref().is_some_and(|below| *below <= self.from)
    }
}

/// The first key that is greater than all that begin with `prefix`, if there is one.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut next = prefix.get(..=kept)?.to_vec();
    if let Some(last) = next.last_mut() {
        *last += 1;
    }
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&[u8]; 9] =
        [&[], &[0], &[1], &[1, 0], &[1, 255], &[1, 255, 255], &[2], &[255], &[255, 255, 7]];

    fn within(span: &Span) -> Vec<&'static [u8]> {
        let inside =
            |key: &&[u8]| *key >= span.from() && span.below().is_none_or(|below| *key < below);
        let keys: Vec<_> = KEYS.into_iter().filter(inside).collect();
        assert!(!span.is_empty() || keys.is_empty());
        keys
    }

    #[test]
    fn a_prefix_takes_the_keys_that_begin_with_it_and_no_others() {
        for prefix in KEYS {
            let expected: Vec<_> = KEYS.into_iter().filter(|key| key.starts_with(prefix)).collect();
            assert_eq!(within(&Span::prefix(prefix)), expected);
        }
        assert_eq!(within(&Span::all()), KEYS);
    }

    #[test]
    fn a_stretch_can_be_narrowed_and_never_widened() {
        for from in KEYS {
            for below in KEYS {
                let span = Span::prefix(&[1]).starting_at(from).ending_before(below);
                let expected: Vec<_> = KEYS
                    .into_iter()
                    .filter(|key| key.starts_with(&[1]) && *key >= from && *key < below)
                    .collect();
                assert_eq!(within(&span), expected, "from {from:?} below {below:?}");
            }
        }
    }
}
