//! A signature made for one use is nothing in another, and nobody signs what is not understood.
//!
//! Every signed object is shown to every verifier, over the very content that the verifier asks
//! for: only the diagonal passes. And every place in the sources that signs is on a list, with
//! what it signs.
#![expect(clippy::unwrap_used, reason = "a test says by failing what went wrong")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer;
use talea_protocol::act::{Act, Attest};
use talea_protocol::checkpoint::{Checkpoint, cosigner, open, origin};
use talea_protocol::entry::{Entry, Header, SCHEME, VERSION, check, statement, unsigned};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, Purpose, SecretKey, Signature, verify, verify_for};
use talea_protocol::note::{Algorithm, Note, key_id};
use talea_protocol::tree::TreeHash;

const SEED: [u8; 32] = [7; 32];
const COOPERATIVE: EntryId = EntryId([1; 32]);
/// When it is cosigned, in seconds since 1970.
const SECONDS: u64 = 1_000;

/// Everything that a key of Talea signs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Use {
    Purpose(Purpose),
    /// A node's checkpoint of its own log.
    Checkpoint,
    /// A node's word on another's checkpoint.
    Cosignature,
    /// A handshake's signature by whoever answers, and by whoever dials (RFC 8446, 4.4.3).
    Answers,
    Dials,
}

const USES: [Use; 16] = [
    Use::Purpose(Purpose::Entry),
    Use::Purpose(Purpose::Enrolment),
    Use::Purpose(Purpose::Approval),
    Use::Purpose(Purpose::Subscription),
    Use::Purpose(Purpose::Request),
    Use::Purpose(Purpose::Revocation),
    Use::Purpose(Purpose::Guardians),
    Use::Purpose(Purpose::Departure),
    Use::Purpose(Purpose::Succession),
    Use::Purpose(Purpose::Redemption),
    Use::Purpose(Purpose::Accord),
    Use::Purpose(Purpose::Statement),
    Use::Checkpoint,
    Use::Cosignature,
    Use::Answers,
    Use::Dials,
];

/// The one key that has signed everything: as if a member's device were a node, too.
fn key() -> SecretKey {
    SecretKey::from_seed(&SEED)
}

fn node() -> NodeKey {
    key().node()
}

fn tls(who: &str, transcript: &[u8]) -> Vec<u8> {
    [&[b' '; 64], format!("TLS 1.3, {who} CertificateVerify\0").as_bytes(), transcript].concat()
}

impl Use {
    /// The bytes that are signed over this content.
    fn message(self, content: &[u8]) -> Vec<u8> {
        match self {
            Self::Purpose(purpose) => purpose.message(content),
            Self::Checkpoint => content.to_vec(),
            Self::Cosignature => {
                [format!("cosignature/v1\ntime {SECONDS}\n").as_bytes(), content].concat()
            }
            Self::Answers => tls("server", content),
            Self::Dials => tls("client", content),
        }
    }

    /// What has been signed for this use, over this content.
    fn sign(self, content: &[u8]) -> Signature {
        let key = ed25519_dalek::SigningKey::from_bytes(&SEED);
        Signature(key.sign(&self.message(content)).to_bytes())
    }

    /// Content that this use's verifier asks for.
    fn content(self) -> Vec<u8> {
        match self {
            Self::Purpose(Purpose::Entry) => statement(&entry()).unwrap(),
            Self::Checkpoint | Self::Cosignature => checkpoint(self).to_string().into_bytes(),
            Self::Answers | Self::Dials => vec![0x5a; 32],
            Self::Purpose(_) => b"whatever is consented to".to_vec(),
        }
    }

    /// Whether the real verifier of this use takes a signature over its content.
    fn takes(self, signature: &Signature) -> bool {
        let content = self.content();
        match self {
            Self::Purpose(Purpose::Entry) => {
                let entry = Entry::parse([&entry()[..], &signature.0].concat()).unwrap();
                check(vec![entry]).remove(0).is_ok()
            }
            Self::Purpose(purpose) => verify_for(purpose, &key().device(), signature, &content),
            Self::Checkpoint => {
                let name = origin(&COOPERATIVE, &node());
                let note = note(&content, &[line(&name, Algorithm::Note, &signature.0)]);
                open(note.as_bytes(), &COOPERATIVE, &node(), &[]).is_ok()
            }
            Self::Cosignature => {
                let log = SecretKey::from_seed(&[8; 32]);
                let signed = checkpoint(self).sign(&log).to_string();
                let blob = [&SECONDS.to_be_bytes()[..], &signature.0].concat();
                let line = line(&cosigner(&node()), Algorithm::Cosignature, &blob);
                let note = format!("{signed}{line}\n");
                let opened = open(note.as_bytes(), &COOPERATIVE, &log.node(), &[node()]);
                opened.is_ok_and(|opened| opened.cosignatures() == [(node(), SECONDS)])
            }
            Self::Answers | Self::Dials => verify(&node().0, signature, &self.message(&content)),
        }
    }
}

fn entry() -> Vec<u8> {
    let header = Header {
        version: VERSION,
        scheme: SCHEME,
        cooperative: COOPERATIVE,
        device: key().device(),
        seq: 3,
        prev: EntryId([2; 32]),
        basis: EntryId([3; 32]),
        time: 0,
        payload: None,
    };
    unsigned(&header, &Act::Attest(Attest { contribution: EntryId([4; 32]) }))
}

/// Of the key's own log, or of another's that it cosigns.
fn checkpoint(of: Use) -> Checkpoint {
    let log = if of == Use::Checkpoint { node() } else { SecretKey::from_seed(&[8; 32]).node() };
    Checkpoint { origin: origin(&COOPERATIVE, &log), size: 5, root: TreeHash([6; 32]) }
}

fn line(name: &str, algorithm: Algorithm, blob: &[u8]) -> String {
    let id = key_id(name, algorithm, &node());
    format!("\u{2014} {name} {}", STANDARD.encode([&id, blob].concat()))
}

fn note(text: &[u8], lines: &[String]) -> String {
    format!("{}\n{}\n", str::from_utf8(text).unwrap(), lines.join("\n"))
}

#[test]
fn of_every_signed_object_and_every_verifier_only_the_diagonal_passes() {
    let mut passed = 0;
    for verifier in USES {
        for made in USES {
            let signature = made.sign(&verifier.content());
            let taken = verifier.takes(&signature);
            assert_eq!(taken, made == verifier, "made as {made:?}, shown as {verifier:?}");
            passed += usize::from(taken);
        }
    }
    assert_eq!(passed, USES.len());
}

/// No content makes the bytes of one use those of another: the beginnings tell them apart.
#[test]
fn no_content_makes_the_message_of_one_use_that_of_another() {
    let beginnings = USES.map(|of| match of {
        // The name of a log, which is compared with the one that is asked for.
        Use::Checkpoint => b"talea/log/".to_vec(),
        // Its time may be any number.
        Use::Cosignature => b"cosignature/v1\ntime ".to_vec(),
        other => other.message(b""),
    });
    for (one, of) in beginnings.iter().zip(USES) {
        assert!(of.message(&of.content()).starts_with(one), "{of:?}");
        for (other, or) in beginnings.iter().zip(USES) {
            assert_eq!(one.starts_with(other), of == or, "{of:?} and {or:?}");
        }
    }
}

/// What this test signs by hand is what the library signs.
#[test]
fn what_is_signed_here_is_what_the_library_signs() {
    for of in USES {
        let content = of.content();
        let made = match of {
            Use::Purpose(purpose) => key().sign(purpose, &content).0.to_vec(),
            Use::Checkpoint => signature_in(&checkpoint(of).sign(&key()).to_string(), 0),
            Use::Cosignature => {
                let mut note: Note = checkpoint(of).sign(&SecretKey::from_seed(&[8; 32]));
                note.add(checkpoint(of).cosign(&key(), SECONDS)).unwrap();
                signature_in(&note.to_string(), 1)
            }
            // The transport signs these with its own hands; what it accepts is tested over QUIC.
            Use::Answers | Use::Dials => continue,
        };
        assert_eq!(made, of.sign(&content).0, "{of:?}");
    }
}

/// The last 64 bytes of a note's signature line.
fn signature_in(note: &str, line: usize) -> Vec<u8> {
    let line = note.lines().filter(|text| text.starts_with('\u{2014}')).nth(line).unwrap();
    let blob = STANDARD.decode(line.rsplit(' ').next().unwrap()).unwrap();
    blob[blob.len() - 64..].to_vec()
}

// Blind signing.

/// Each file that signs, and for what. What is signed is made where it is signed, from values
/// that the program understands. Whoever adds a line says here what it signs.
const SIGNS: [(&str, &str, &str); 23] = [
    ("protocol/src/checkpoint.rs", "raw", "a checkpoint that was read or made: three lines"),
    ("protocol/src/entry.rs", "Entry", "a header and an act, as values"),
    ("protocol/src/key.rs", "raw", "bytes after the words of a purpose"),
    ("protocol/src/quic/tls.rs", "raw", "what TLS has it sign: 64 spaces come first"),
    ("tools/src/bin/talea/http.rs", "Request", "method, path, node and time of its own request"),
    ("tools/src/bin/talea/people.rs", "Redemption", "the redemption that was shown"),
    ("tools/src/bin/talea/people.rs", "Subscription", "the subscription that was shown"),
    ("tools/src/charter_file.rs", "Enrolment", "the hash of a charter that was read"),
    ("tools/src/founding.rs", "Enrolment", "the hash of a charter that was read"),
    ("tools/src/journal.rs", "Entry", "a draft that was parsed and shown"),
    ("tools/src/scenario.rs", "Subscription", "a scenario's subscription"),
    ("tools/src/scenario/founding.rs", "Enrolment", "the hash of a scenario's charter"),
    ("tools/src/scenario/council.rs", "Departure", "the departure of a scenario's member"),
    ("tools/src/scenario/council.rs", "Redemption", "a scenario's redemption"),
    ("tools/src/slip.rs", "Approval", "the request on a slip that was read"),
    ("tools/src/slip.rs", "Enrolment", "the request that it makes"),
    ("tools/src/treaty.rs", "Accord", "the terms that were read or written, as a value"),
    ("tools/src/treaty.rs", "Statement", "the balance that was read or written, as a value"),
    ("tools/src/word.rs", "Approval", "a step of a member, as a value"),
    ("tools/src/word.rs", "Departure", "a member that leaves"),
    ("tools/src/word.rs", "Guardians", "a member's choice, as a value"),
    ("tools/src/word.rs", "Revocation", "the device that ends"),
    ("tools/src/word.rs", "Succession", "a call, as a value"),
];

#[test]
fn every_place_that_signs_is_known_with_what_it_signs() {
    let known: BTreeSet<(String, String)> =
        SIGNS.iter().map(|(file, what, _)| ((*file).to_owned(), (*what).to_owned())).collect();
    for place in signing() {
        assert!(known.contains(&place), "{place:?} signs: add it to SIGNS, with what it signs");
    }
}

/// Every (file, purpose) that signs, and (file, `raw`) where no purpose is named. A purpose that
/// is not named where it is used could be anybody's choice, and is refused.
fn signing() -> BTreeSet<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = BTreeSet::new();
    for package in ["protocol", "ledger", "node", "tools"] {
        for path in sources(&root.join(package).join("src")) {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let file = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            let code: Vec<&str> =
                code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            let code = code.join(" ");
            for purpose in code.split(".sign(Purpose::").skip(1) {
                let end = purpose.find(|c: char| !c.is_alphanumeric()).unwrap();
                found.insert((file.clone(), purpose[..end].to_owned()));
            }
            assert!(!code.contains(".sign(purpose"), "{file} signs for a purpose it does not name");
            if code.contains(".sign_raw(") {
                found.insert((file, "raw".to_owned()));
            }
        }
    }
    assert!(found.len() > 8, "the sources are read");
    found
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
