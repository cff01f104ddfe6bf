//! Devices: asked for, approved, enrolled, listed, reported, ended.
//!
//! Whatever the registrar writes down was signed by those whom it concerns, on slips. Where a chain
//! ends is computed from what the nodes say (`talea_tools::ending`), never typed.

use std::io::IsTerminal;

use serde::Serialize;
use talea_ledger::register::{DeviceRecord, Office};
use talea_ledger::verdict::Verdict;
use talea_protocol::act::{Act, Approval, Content, Enrol};
use talea_protocol::bytes::List;
use talea_protocol::charter::Member;
use talea_protocol::cut::Cut;
use talea_protocol::key::DeviceKey;
use talea_protocol::recovery::{Report, Revoke};
use talea_tools::book::Book;
use talea_tools::ending::{self, Chain};
use talea_tools::names::Called;
use talea_tools::slip::{self, Joining};
use talea_tools::table::Align;
use talea_tools::word::{self, Against};

use crate::acts;
use crate::cli::{Common, Device};
use crate::desk::{self, Desk, SIGN};
use crate::failure::{Failure, Outcome};
use crate::out::{self, DIM, Form, styled};
use crate::people::{self, joining, show_joining, slip_failure};
use crate::secret;
use crate::standing::{Standing, say};

/// `talea device`.
pub fn run(common: &Common, command: &Device) -> Outcome {
    match command {
        Device::Request { label, kind, of, qr } => {
            let wallet = desk::wallet(common)?;
            let cooperative = people::cooperative(common, &wallet, of.as_deref())?;
            let called = Called { handle: label.clone(), name: String::new() };
            let key = secret::unlock(common, &wallet)?;
            let joining = Joining::new(cooperative, people::kind(*kind), called, &key);
            show_joining("To be asked", &joining);
            if desk::confirm(common, SIGN)? {
                give_request(common, &joining.render(), *qr);
            }
            Ok(())
        }
        Device::Approve { request } => approve(common, request),
        Device::Enrol { request, approvals, member } => {
            enrol(common, request, approvals, member.as_deref())
        }
        Device::List { member } => list(common, member.as_deref()),
        Device::Report { device, words } => report(common, device, words),
        Device::Disown { device } => disown(common, device),
        Device::Revoke { device, words } => revoke(common, device, words),
    }
}

/// A request as a line, and as a square for whoever has a camera.
fn give_request(common: &Common, slip: &str, always: bool) {
    desk::form(common).give(&serde_json::json!({ "slip": slip }), |_| {
        if (always || std::io::stdout().is_terminal())
            && let Some(square) = talea_tools::square::square(slip)
        {
            out::note(&square);
        }
        out::note(
            "Have your other device approve this (`talea device approve`), or your guardians, or \
             your phrase; then pass both to the registrar:",
        );
        out::say(slip);
    });
}

fn approve(common: &Common, request: &str) -> Outcome {
    people::not_own(common, request)?;
    let desk = Desk::signing(common)?;
    let joining = joining(request, &desk)?;
    show_joining("To be added to the devices of its member, on your word", &joining);
    if !desk::confirm(common, SIGN)? {
        return Ok(());
    }
    let slip = slip::render_approval(&joining.approve(desk.key()?));
    people::give_slip(common, "Pass this approval to the registrar, with the request:", &slip);
    Ok(())
}

fn enrol(common: &Common, request: &str, approvals: &[String], member: Option<&str>) -> Outcome {
    let mut desk = Desk::signing(common)?;
    let joining = joining(request, &desk)?;
    let mut words = Vec::new();
    for text in approvals {
        words.push(joining.approval(text).map_err(slip_failure)?);
    }
    let words = word::ordered(words);
    let member = match member {
        Some(handle) => acts::member(&desk.book, handle)?,
        None => speaking_for(&desk.book, &words).ok_or_else(|| {
            Failure::usage(
                "no approval is by a device or a phrase of a member",
                "name the member with --member, if its guardians approve",
            )
        })?,
    };
    let (request, proof) = (joining.request, joining.proof);
    desk.state(&Act::Enrol(Enrol { member, request, proof, words: list_of(words)? }), None)
}

/// Whose device, or recovery phrase, has given one of these words.
fn speaking_for(book: &Book, words: &[Approval]) -> Option<Member> {
    let register = book.register();
    let (at, _) = register.head();
    let members = || (0_u32..).zip(register.members()).map(|(number, _)| Member(number));
    let phrase = |key: DeviceKey| {
        members().find(|it| register.guardians(*it).is_some_and(|it| it.recovery == Some(key)))
    };
    words.iter().find_map(|word| register.owner(&word.device, at).or_else(|| phrase(word.device)))
}

/// Words as an act holds them.
pub fn list_of<const MAX: usize>(words: Vec<Approval>) -> Outcome<List<Approval, MAX>> {
    List::try_from(words)
        .map_err(|fault| Failure::usage(fault.to_string(), "give fewer of these slips"))
}

/// A device, for a list.
#[derive(Serialize)]
struct Row {
    number: u32,
    device: DeviceKey,
    member: String,
    since: u32,
    entries: u32,
    standing: String,
}

fn list(common: &Common, member: Option<&str>) -> Outcome {
    let desk = Desk::reading(common)?;
    let book = &desk.book;
    let only = member.map(|handle| acts::member(book, handle)).transpose()?;
    let all = (0_u32..).zip(book.register().devices());
    let rows = all.filter(|(_, record)| only.is_none_or(|member| record.member == member));
    let rows: Vec<Row> = rows.map(|(number, record)| row(book, number, record)).collect();
    desk::form(common).give(&rows, |rows| {
        let columns = [
            ("number", Align::Right),
            ("device", Align::Left),
            ("member", Align::Left),
            ("entries", Align::Right),
            ("", Align::Left),
        ];
        let cells = rows.iter().map(|row| {
            let key = row.device.to_string();
            let key = key.get(..12).unwrap_or_default().to_owned();
            let number = row.number.to_string();
            vec![number, key, row.member.clone(), row.entries.to_string(), row.standing.clone()]
        });
        out::table(&columns, cells.collect());
    });
    Ok(())
}

fn row(book: &Book, number: u32, record: &DeviceRecord) -> Row {
    let (at, _) = book.register().head();
    let standing = match record.end {
        Some(end) => {
            format!("ended after {} entries, by register entry {}", end.length, end.number)
        }
        None if is_reported(book, number) => "reported: it stands still".to_owned(),
        None if book.register().spender(record.member, at) == Some(number) => {
            "signs for its member, roles and money included".to_owned()
        }
        None => "signs for its member".to_owned(),
    };
    Row {
        number,
        device: record.key,
        member: book.handle(record.member),
        since: record.enrolled,
        entries: book.state().length(number),
        standing,
    }
}

/// Whether a report of this device counts.
fn is_reported(book: &Book, device: u32) -> bool {
    book.entries().any(|entry| {
        let about = matches!(
            entry.content(), Content::Known(Act::Report(report)) if report.device == device
        );
        about && book.verdict(&entry.id()) == Some(Verdict::Counted)
    })
}

/// The device that is meant: by its number, the start of its key, or a member that has one alone.
pub fn find(book: &Book, text: &str) -> Outcome<(u32, DeviceRecord)> {
    let register = book.register();
    let by_number = text.parse::<u32>().ok().filter(|_| text.len() < 6);
    let fits = |record: &DeviceRecord| match book.member(text).filter(|_| by_number.is_none()) {
        Some(member) => record.member == member && record.end.is_none(),
        None => text.len() >= 6 && record.key.to_string().starts_with(text),
    };
    let all = (0_u32..).zip(register.devices());
    let found: Vec<(u32, DeviceRecord)> = all
        .filter(|(number, record)| by_number == Some(*number) || fits(record))
        .map(|(number, record)| (number, *record))
        .collect();
    let next = "see `talea device list`: a number, or six digits of the key or more";
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::usage(format!("no device here is called `{text}`"), next)),
        several => {
            Err(Failure::usage(format!("{} devices are called `{text}`", several.len()), next))
        }
    }
}

/// The same, if it has not ended.
fn find_writing(book: &Book, text: &str) -> Outcome<(u32, DeviceRecord)> {
    let (number, record) = find(book, text)?;
    match record.end {
        None => Ok((number, record)),
        Some(end) => Err(Failure::usage(
            format!("device {number} has ended already, by register entry {}", end.number),
            "there is nothing more to do about it; `talea device list` shows the others",
        )),
    }
}

fn report(common: &Common, device: &str, words: &[String]) -> Outcome {
    let mut desk = Desk::signing(common)?;
    let (number, record) = find_writing(&desk.book, device)?;
    if record.key == desk.device() {
        return Err(Failure::usage(
            "this is the device that you sign with",
            "report it from another device of yours; `talea phrase restore` and your guardians help \
             if there is none",
        ));
    }
    let is_mine = people::me(&desk)? == record.member;
    let given = against(&desk, words, record.key)?;
    if !is_mine && given.is_empty() {
        return Err(Failure::rule(
            format!("rule 79: device {number} is {}'s, not yours", desk.book.handle(record.member)),
            "its member reports it; or give its guardians' words, or its phrase's, with --word",
        ));
    }
    let act = Act::Report(Report { device: number, words: list_of(given)? });
    let Some(standing) = desk.declare(&act, None)? else { return Ok(()) };
    let cooperative = desk.known.cooperative;
    let slip = match is_mine {
        true => Some(Against::new(cooperative, record.key, desk.key()?).render()),
        false => None,
    };
    give(
        common,
        &standing,
        slip.as_deref(),
        "Pass this to the registrar, who then ends the device:",
    );
    Ok(())
}

/// Words against this device.
fn against(desk: &Desk<'_>, slips: &[String], device: DeviceKey) -> Outcome<Vec<Approval>> {
    let mut words = Vec::new();
    for slip in slips {
        let against = Against::parse(slip, desk.known.cooperative).map_err(slip_failure)?;
        if against.device != device {
            return Err(Failure::usage(
                format!("a slip is about device {}, not {device}", against.device),
                "give the slips that are about this device",
            ));
        }
        words.push(against.word);
    }
    Ok(word::ordered(words))
}

/// Where an entry stands, and the slip that goes with it.
pub fn give(common: &Common, standing: &[Standing], slip: Option<&str>, words: &str) {
    let value = serde_json::json!({ "standing": standing, "slip": slip });
    desk::form(common).give(&value, |_| {
        standing.iter().for_each(say);
        if let Some(slip) = slip {
            out::note(words);
            out::say(slip);
        }
    });
}

fn disown(common: &Common, device: &str) -> Outcome {
    let desk = Desk::signing(common)?;
    let (number, record) = find_writing(&desk.book, device)?;
    let register = desk.book.register();
    let guards = register.guardians(record.member);
    let guards = guards.is_some_and(|it| it.keys.contains(&desk.device()));
    if !guards && people::me(&desk)? != record.member {
        return Err(Failure::rule(
            format!("rule 79: you guard no devices of {}", desk.book.handle(record.member)),
            "its member asks for it, its recovery phrase, or its guardians: see `talea guardians show`",
        ));
    }
    let rows = [
        ("device", format!("{number}, {}", record.key)),
        ("of", desk.book.name(record.member)),
        ("effect", "with enough such words it is reported, and ended".to_owned()),
    ];
    out::preview("To ask for a device's end", &rows);
    if !desk::confirm(common, SIGN)? {
        return Ok(());
    }
    let slip = Against::new(desk.known.cooperative, record.key, desk.key()?).render();
    people::give_slip(common, "Pass this to whoever reports it, and to the registrar:", &slip);
    Ok(())
}

fn revoke(common: &Common, device: &str, words: &[String]) -> Outcome {
    let mut desk = Desk::signing(common)?;
    let (number, record) = find_writing(&desk.book, device)?;
    let words = against(&desk, words, record.key)?;
    let cut = cut(common, &desk, &[number], None)?;
    desk.state(&Act::Revoke(Revoke { device: number, cut, words: list_of(words)? }), None)
}

/// The cut of these devices' chains, for one role or for everything, by what the nodes say of them now.
pub fn cut(
    common: &Common,
    desk: &Desk<'_>,
    devices: &[u32],
    role: Option<Office>,
) -> Outcome<Cut> {
    if common.offline {
        return Err(Failure::usage(
            "how far the chain has come is asked of the nodes",
            "leave --offline out",
        ));
    }
    let register = desk.book.register();
    let mut chains = Vec::new();
    for device in devices.iter().copied() {
        let Some(record) = register.record(device) else { continue };
        let mut heads = Vec::new();
        for (server, head) in desk.ask_heads_of(record.key) {
            let node = server.node.to_string();
            let node = node.get(..8).unwrap_or_default();
            let told = match &head {
                Ok(head) => match crate::heads::state(head) {
                    state if state.is_empty() => format!("{} entries, and goes on", head.length),
                    state => format!("{} entries, {state}", head.length),
                },
                Err(failure) => failure.to_string(),
            };
            if desk::form(common) == Form::Text {
                out::note(&styled(DIM, &format!("device {device} at node {node}: {told}")));
            }
            heads.extend(head.ok());
        }
        chains.push(Chain { device, heads });
    }
    ending::cut(register, &chains, role)
        .map_err(|uncut| Failure::rule(uncut.to_string(), uncut.hint()))
}
