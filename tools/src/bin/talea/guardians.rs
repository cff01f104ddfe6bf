//! Guardians, and the words on paper: who can add and end a member's devices when it has none left.
//!
//! Both are one choice in the register, signed by the member and entered by the registrar: a new
//! phrase keeps the guardians, and new guardians keep the phrase.

use std::fs::File;
use std::io::Read;

use serde_json::json;
use talea_protocol::act::{Act, Approval};
use talea_protocol::bytes::List;
use talea_protocol::charter::{Kind, Member};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, SecretKey, Signature};
use talea_protocol::recovery::{GUARDIANS_MAX, Guardians as Choice};
use talea_tools::book::Book;
use talea_tools::keyfile;
use talea_tools::names::Called;
use talea_tools::phrase::{CHANCE_BYTES, Phrase, PhraseFault};
use talea_tools::preview;
use talea_tools::slip::{Joining, render_approval};
use talea_tools::word::{self, Against};
use zeroize::Zeroizing;

use crate::acts;
use crate::cli::{Common, Guardians, Phrase as Command, Words};
use crate::desk::{self, Desk, SIGN};
use crate::failure::{Failure, Outcome};
use crate::out;
use crate::people::{self, give_slip, me, slip_failure};
use crate::secret;

/// Longest line with a phrase, in bytes.
const PHRASE_BYTES_MAX: u64 = 1024;

/// `talea guardians`.
pub fn run(common: &Common, command: &Guardians) -> Outcome {
    match command {
        Guardians::Set { guardians, threshold } => set(common, guardians, *threshold),
        Guardians::Show { member } => show(common, member.as_deref()),
        Guardians::Enter { slip } => {
            let mut desk = Desk::signing(common)?;
            let choice =
                word::parse_guardians(slip, desk.known.cooperative).map_err(slip_failure)?;
            desk.state(&Act::Guardians(choice), None)
        }
    }
}

/// `talea phrase`.
pub fn phrase(common: &Common, command: &Command) -> Outcome {
    match command {
        Command::New => new(common),
        Command::Check(words) => check(common, words),
        Command::Restore { words, kind, of, lost } => {
            restore(common, words, people::kind(*kind), (of.as_deref(), lost.as_deref()))
        }
    }
}

fn set(common: &Common, guardians: &[String], threshold: Option<u8>) -> Outcome {
    let desk = Desk::signing(common)?;
    let (register, member) = (desk.book.register(), me(&desk)?);
    let (at, _) = register.head();
    let mut keys: Vec<DeviceKey> = Vec::new();
    for handle in guardians {
        let guardian = acts::member(&desk.book, handle)?;
        if guardian == member {
            return Err(Failure::usage(
                "nobody is their own guardian",
                "choose people who would know your voice",
            ));
        }
        let device = register.spender(guardian, at).and_then(|device| register.record(device));
        keys.push(device.map(|record| record.key).ok_or_else(|| {
            Failure::usage(format!("`{handle}` has no device"), "choose somebody else")
        })?);
    }
    keys.sort_unstable();
    keys.dedup();
    let most = u8::try_from(keys.len()).unwrap_or(u8::MAX);
    let usual = if most == 0 { 0 } else { most / 2 + 1 };
    let threshold = threshold.unwrap_or(usual);
    if threshold > most || (most > 0 && threshold == 0) {
        return Err(Failure::rule(
            format!("rule 80: {threshold} of {most} guardians cannot act together"),
            "choose a threshold from 1 to the number of guardians",
        ));
    }
    let keys = List::try_from(keys)
        .map_err(|fault| Failure::usage(fault.to_string(), "choose fewer guardians"))?;
    let recovery = register.guardians(member).and_then(|before| before.recovery);
    let choice = unsigned(&desk, member, recovery, keys, threshold);
    let Some(slip) = choose(common, &desk, choice)? else { return Ok(()) };
    give_slip(common, ENTER, &slip);
    Ok(())
}

const ENTER: &str = "Pass this to the registrar, who enters it (`talea guardians enter`):";

/// A choice that nobody has signed yet.
fn unsigned(
    desk: &Desk<'_>,
    member: Member,
    recovery: Option<DeviceKey>,
    keys: List<DeviceKey, GUARDIANS_MAX>,
    threshold: u8,
) -> Choice {
    let approval = Approval { device: desk.device(), signature: Signature([0; 64]) };
    let (_, at) = desk.book.register().head();
    Choice { member, recovery, keys, threshold, at, approval }
}

/// Shows a choice and signs it; its slip.
fn choose(common: &Common, desk: &Desk<'_>, choice: Choice) -> Outcome<Option<String>> {
    let act = Act::Guardians(choice.clone());
    let mut rows = vec![("choice", preview::line(&act, Some(&desk.book)))];
    rows.extend(choice.keys.iter().map(|key| ("guardian", whose(&desk.book, key))));
    out::preview("To be signed for the registrar", &rows);
    if !desk::confirm(common, SIGN)? {
        return Ok(None);
    }
    let cooperative = desk.known.cooperative;
    let choice = word::choose(cooperative, choice, desk.key()?);
    Ok(Some(word::render_guardians(cooperative, &choice)))
}

fn whose(book: &Book, key: &DeviceKey) -> String {
    let register = book.register();
    let owner = register.owner(key, register.head().0);
    let key = key.to_string();
    let short = key.get(..12).unwrap_or_default();
    owner.map_or_else(|| short.to_owned(), |owner| format!("{} ({short})", book.handle(owner)))
}

fn show(common: &Common, member: Option<&str>) -> Outcome {
    let desk = Desk::reading(common)?;
    let (book, register) = (&desk.book, desk.book.register());
    let only = member.map(|handle| acts::member(book, handle)).transpose()?;
    let members = (0_u32..).zip(register.members()).map(|(number, _)| Member(number));
    let chosen = members.filter(|it| only.is_none_or(|only| only == *it));
    let chosen: Vec<&Choice> = chosen.filter_map(|it| register.guardians(it)).collect();
    desk::form(common).give(&chosen, |_| {
        if chosen.is_empty() {
            out::say("Nobody has chosen guardians or a phrase.");
        }
        for choice in &chosen {
            out::say(&preview::line(&Act::Guardians((*choice).clone()), Some(book)));
            choice.keys.iter().for_each(|key| out::say(&format!("  {}", whose(book, key))));
        }
    });
    Ok(())
}

fn new(common: &Common) -> Outcome {
    let desk = Desk::signing(common)?;
    let (register, member) = (desk.book.register(), me(&desk)?);
    let phrase = Phrase::of(&*keyfile::random::<CHANCE_BYTES>()?);
    let key = phrase.key(&desk.known.cooperative).device();
    let before = register.guardians(member);
    let keys = before.map(|before| before.keys.clone()).unwrap_or_default();
    let threshold = before.map_or(0, |before| before.threshold);
    let choice = unsigned(&desk, member, Some(key), keys, threshold);
    let Some(slip) = choose(common, &desk, choice)? else { return Ok(()) };
    let words = phrase.words();
    let value = json!({ "phrase": *words, "recovery": key, "slip": slip });
    desk::form(common).give(&value, |_| {
        out::note("Write these twelve words on paper, in this order. They are shown once:");
        for (place, word) in (1..).zip(words.split(' ')) {
            out::say(&format!("{place:>4}  {word}"));
        }
        out::note("Whoever has them can add and end your devices, and nothing else.");
        out::note(ENTER);
        out::say(&slip);
        out::note("Once it is entered, practise: `talea phrase check`, from the paper.");
    });
    Ok(())
}

fn check(common: &Common, words: &Words) -> Outcome {
    let desk = Desk::signing(common)?;
    let member = me(&desk)?;
    let key = read(words)?.key(&desk.known.cooperative).device();
    let entered = desk.book.register().guardians(member).and_then(|it| it.recovery);
    match entered {
        Some(entered) if entered == key => {
            let value = json!({ "recovery": key, "entered": true });
            desk::form(common).give(&value, |_| {
                out::say(
                    "These are the words that are entered for you: keep the paper where it is.",
                );
            });
            Ok(())
        }
        Some(_) => Err(Failure::usage(
            "these words make another key than the one that is entered for you",
            "look for a newer paper; or make new words with `talea phrase new`, which end the old",
        )),
        None => Err(Failure::usage(
            "no phrase is entered for you yet",
            "pass the slip of `talea phrase new` to the registrar, then `talea fetch`",
        )),
    }
}

fn restore(
    common: &Common,
    words: &Words,
    kind: Kind,
    (of, lost): (Option<&str>, Option<&str>),
) -> Outcome {
    let wallet = desk::wallet(common)?;
    let cooperative = people::cooperative(common, &wallet, of)?;
    let lost = lost.map(lost_key).transpose()?;
    let device = secret::unlock(common, &wallet)?;
    if lost == Some(device.device()) {
        return Err(Failure::usage(
            "that is the key of this very device",
            "name the lost one: `talea device list` shows it at anybody's",
        ));
    }
    let recovery = read(words)?.key(&cooperative);
    let called = Called { handle: "restored".to_owned(), name: String::new() };
    let joining = Joining::new(cooperative, kind, called, &device);
    people::show_joining("To be asked, and approved by the phrase", &joining);
    if let Some(lost) = lost {
        out::preview("To be ended, by the phrase", &[("device", lost.to_string())]);
    }
    if !desk::confirm(common, SIGN)? {
        return Ok(());
    }
    give_restored(common, &joining, cooperative, lost, &recovery);
    Ok(())
}

fn give_restored(
    common: &Common,
    joining: &Joining,
    cooperative: EntryId,
    lost: Option<DeviceKey>,
    recovery: &SecretKey,
) {
    let request = joining.render();
    let approval = render_approval(&joining.approve(recovery));
    let against = lost.map(|lost| Against::new(cooperative, lost, recovery).render());
    let value = json!({ "request": request, "approval": approval, "against": against });
    desk::form(common).give(&value, |_| {
        out::note("Pass these to the registrar: the request, and the phrase's approval of it");
        out::say(&request);
        out::say(&approval);
        if let Some(against) = &against {
            out::note(
                "and this, with which anybody reports the lost device and the registrar ends it:",
            );
            out::say(against);
        }
    });
}

fn lost_key(text: &str) -> Outcome<DeviceKey> {
    text.parse().map_err(|_| {
        Failure::usage(
            format!("`{text}` is no device's key"),
            "a key has 64 hexadecimal digits: `talea device list --json` shows it at anybody's",
        )
    })
}

/// The phrase, from a descriptor or from the terminal.
fn read(words: &Words) -> Outcome<Phrase> {
    let typed = match words.phrase_fd {
        Some(number) => {
            let unreadable = |error: std::io::Error| {
                let next = "open it in the shell, such as: 4< file";
                Failure::usage(format!("file descriptor {number}: {error}"), next)
            };
            let mut text = Zeroizing::new(String::new());
            let file = File::open(format!("/dev/fd/{number}")).map_err(unreadable)?;
            file.take(PHRASE_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
            Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())
        }
        None => secret::from_terminal("The twelve words: ")?,
    };
    Ok(Phrase::parse(&typed)?)
}

impl From<PhraseFault> for Failure {
    fn from(fault: PhraseFault) -> Self {
        Self::usage(fault.to_string(), fault.hint())
    }
}
