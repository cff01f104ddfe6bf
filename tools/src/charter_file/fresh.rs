//! A first charter file for a few founders, and the consents that are written into it.
//!
//! Its values are those of a small cooperative; the founders read and change them. The long file
//! with every key explained is [`super::TEMPLATE`].

use std::collections::BTreeMap;

use talea_protocol::key::{DeviceKey, NodeKey, Signature};

/// The file without its founders; names in braces are filled in.
const SHORT: &str = include_str!("../charter-new.toml");

/// What a first file is made of.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// The cooperative's name.
    pub name: String,
    /// Its currency, as ISO 4217 has it.
    pub currency: String,
    /// The nodes that keep it. More than half of them settle an entry.
    pub nodes: Vec<NodeKey>,
    /// Handles and devices, in the order of their numbers: the first is registrar, the second
    /// treasurer, and the third distributor, as far as there are so many.
    pub founders: Vec<(String, DeviceKey)>,
}

impl Fresh {
    /// The file.
    #[must_use]
    pub fn text(&self) -> String {
        let nodes: Vec<String> = self.nodes.iter().map(|node| format!("\"{node}\"")).collect();
        let (count, quorum) = (nodes.len(), nodes.len() / 2 + 1);
        let holder = |place: usize| {
            let founder = self.founders.get(place).or(self.founders.first());
            quoted(founder.map_or("", |(handle, _)| handle))
        };
        let values = BTreeMap::from([
            ("name", self.name.replace(char::is_control, " ")),
            ("name_quoted", quoted(&self.name)),
            ("currency", quoted(&self.currency)),
            ("settled", format!("an entry is settled once {quorum} of {count} nodes hold it")),
            ("quorum", quorum.to_string()),
            ("nodes", nodes.join(", ")),
            ("registrar", holder(0)),
            ("treasurer", holder(1)),
            ("distributor", holder(2)),
        ]);
        // In one pass: what is filled in may have braces, too.
        let (mut text, mut rest) = (String::new(), SHORT);
        while let Some((before, (name, after))) =
            rest.split_once('{').and_then(|(before, it)| Some((before, it.split_once('}')?)))
        {
            text.push_str(before);
            text.push_str(values.get(name).map_or("", String::as_str));
            rest = after;
        }
        text.push_str(rest);
        for (handle, device) in &self.founders {
            text.push_str(&founder(handle, device));
        }
        text
    }
}

/// A founder's lines. The full name is for the founder to write.
fn founder(handle: &str, device: &DeviceKey) -> String {
    let mut letters = handle.chars();
    let name: String =
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    let (handle, name) = (quoted(handle), quoted(&name));
    format!(
        "\n[[founder]]\nhandle = {handle}\nname = {name}\nkind = \"person\"\ncollege = \"members\"\n\
         stage = \"member\"\ndevice = \"{device}\"\n"
    )
}

/// A text as TOML has it: what JSON writes for a text is a basic string there, too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The file with a founder's proof on the line after its device, instead of one that stands there.
/// Everything else stays as it was written. `None` if no line has the device.
#[must_use]
pub fn with_consent(text: &str, device: &DeviceKey, proof: &Signature) -> Option<String> {
    let device = device.to_string();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let says = |line: &str, key: &str| line.split('=').next().is_some_and(|it| it.trim() == key);
    let at = lines.iter().position(|line| says(line, "device") && line.contains(&device))?;
    let is_table = |line: &String| line.trim_start().starts_with('[');
    let first = lines.get(..at)?.iter().rposition(is_table).map_or(0, |place| place + 1);
    let end = lines.get(at..)?.iter().position(is_table).map_or(lines.len(), |place| at + place);
    let stale =
        (first..end).rev().filter(|place| lines.get(*place).is_some_and(|it| says(it, "proof")));
    let stale: Vec<usize> = stale.collect();
    lines.insert(at + 1, format!("proof = \"{}\"", String::from(*proof)));
    for place in stale {
        lines.remove(if place > at { place + 1 } else { place });
    }
    Some(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::super::CharterFile;
    use super::*;
    use crate::founding;
    use talea_protocol::key::SecretKey;

    fn key(n: u8) -> SecretKey {
        SecretKey::from_seed(&[n; 32])
    }

    fn fresh(name: &str) -> String {
        let founders =
            vec![("nadia".to_owned(), key(1).device()), ("bruno".to_owned(), key(2).device())];
        let (name, currency) = (name.to_owned(), "EUR".to_owned());
        Fresh { name, currency, nodes: vec![key(17).node()], founders }.text()
    }

    #[test]
    fn two_founders_have_a_charter_that_founds_once_both_have_consented() {
        let mut text = fresh("Le \"Fournil\" {quorum}\n# x");
        for n in [2, 1, 2] {
            let file = CharterFile::parse(&text).unwrap();
            founding::examine(&file).unwrap();
            let (_, proof) = file.consent(&key(n)).unwrap();
            text = with_consent(&text, &key(n).device(), &proof).unwrap();
        }
        assert_eq!(text.matches("\nproof = ").count(), 2, "a second consent replaces the first");
        let file = CharterFile::parse(&text).unwrap();
        founding::consented(&file).unwrap();
        assert_eq!(file.charter().unwrap().name.to_string(), "Le \"Fournil\" {quorum}\n# x");
    }

    #[test]
    fn a_consent_is_written_into_no_other_founders_lines() {
        let text = fresh("Le Fournil");
        let (_, proof) = CharterFile::parse(&text).unwrap().consent(&key(2)).unwrap();
        assert_eq!(with_consent(&text, &key(3).device(), &proof), None);
        let signed = with_consent(&text, &key(2).device(), &proof).unwrap();
        assert_eq!(CharterFile::parse(&signed).unwrap().missing().unwrap(), ["nadia"]);
    }
}
