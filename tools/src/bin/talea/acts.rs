//! What members and office holders state: the typed words, made into acts.
//!
//! Here is what all of them share: how members, entries, amounts, days and names of the charter are
//! read. What is typed for what, `cli` says.

use clap::ValueEnum;
use talea_protocol::act::{Act, Resource};
use talea_protocol::bytes::{Code, Day, Malformed, Month, Quantity};
use talea_protocol::charter::{Charter, Member};
use talea_protocol::entry::Refusal;
use talea_protocol::recovery::{Erase, Office};
use talea_tools::amount::{self, Unread};
use talea_tools::book::Book;
use talea_tools::draft;
use talea_tools::names::Words;
use talea_tools::remedy;

use crate::cli::{Add, Attach, Command, Common, Giving, Money, Much, Role};
use crate::clock;
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};

pub mod council;
mod give;
mod money;

/// What is to be stated, and what is said beside it.
pub type Stated = (Act, Option<String>);

/// States what a command says.
pub fn run(common: &Common, command: &Command) -> Outcome {
    let mut desk = Desk::signing(common)?;
    let (act, note) = act(&desk, command)?;
    let attachments = match attach(command) {
        Some(attach) => desk.enclose(attach)?,
        None => Vec::new(),
    };
    let words = Words { note, attachments, ..Words::default() };
    let says_something = words != Words::default();
    desk.state(&act, says_something.then(|| words.payload()))
}

/// The files that a command attaches.
const fn attach(command: &Command) -> Option<&Attach> {
    match command {
        Command::Add(Add::Work(given) | Add::Love(given)) => Some(&given.about.attach),
        Command::Add(Add::Care(care)) => Some(&care.about.attach),
        Command::Propose(propose) => Some(&propose.attach),
        Command::Giving(Giving::Comment { attach, .. })
        | Command::Money(Money::Expense { attach, .. }) => Some(attach),
        _ => None,
    }
}

fn act(desk: &Desk<'_>, command: &Command) -> Outcome<Stated> {
    let book = &desk.book;
    match command {
        Command::Add(add) => give::given(book, add),
        Command::Giving(command) => give::giving(book, command),
        Command::Propose(propose) => {
            Ok((council::proposal(book, propose)?, Some(propose.text.clone())))
        }
        Command::Council(command) => council::act(book, command),
        Command::Money(command) => money::act(desk, command),
        Command::Erase { entry, ground } => plain(Act::Erase(Erase {
            entry: book.find(entry)?,
            ground: code("the ground", ground)?,
        })),
        Command::Decide { proposal } => {
            plain(Act::Decide(draft::decide(book, book.find(proposal)?)?))
        }
        Command::Mark => plain(Act::Mark(draft::mark(book))),
        _ => Err(states_nothing()),
    }
}

/// An act with nothing beside it.
pub const fn plain(act: Act) -> Outcome<Stated> {
    Ok((act, None))
}

/// This command is carried out elsewhere.
fn states_nothing() -> Failure {
    Failure::usage("this command states nothing", "see `talea help`")
}

fn task(charter: &Charter, name: Option<&str>) -> Outcome<Code> {
    if let Some(name) = name {
        return code("the task", name);
    }
    let mut priced = charter.rates.iter().filter(|rate| rate.credits > 0);
    match (priced.next(), priced.next()) {
        (Some(rate), None) => Ok(rate.task.clone()),
        _ => {
            let names: Vec<&str> = charter.rates.iter().map(|rate| rate.task.as_str()).collect();
            Err(Failure::usage(
                "the charter has several tasks",
                format!("choose one with --task: {}", names.join(", ")),
            ))
        }
    }
}

pub fn tier(charter: &Charter, name: &str) -> Outcome<u8> {
    place(charter.tiers.iter().map(|tier| tier.code.as_str()), name, "price tier")
}

/// The place of a name in a list of the charter.
pub fn place<'c>(names: impl Iterator<Item = &'c str>, name: &str, what: &str) -> Outcome<u8> {
    let names: Vec<&str> = names.collect();
    let place = names.iter().position(|known| *known == name);
    place.and_then(|place| u8::try_from(place).ok()).ok_or_else(|| {
        let next = format!("choose one of: {}", names.join(", "));
        Failure::usage(format!("the charter has no {what} `{name}`"), next)
    })
}

/// Who is called so.
pub fn member(book: &Book, handle: &str) -> Outcome<Member> {
    book.member(handle).ok_or_else(|| {
        Failure::usage(
            format!("no member is called `{handle}`"),
            "see `talea log`; a number such as member-3 will do, too",
        )
    })
}

/// An amount of money, in the charter's currency.
pub fn money(charter: &Charter, text: &str) -> Outcome<Quantity> {
    positive(amount::minor(text, charter.exponent).map_err(|fault| unread(text, &fault))?)
}

/// A number that is an amount.
pub fn positive(number: i64) -> Outcome<Quantity> {
    Quantity::new(number).map_err(|value| remedy::refusal(value).into())
}

fn whole(text: &str) -> Outcome<i64> {
    minor(text, 0)
}

/// An amount above zero with so many decimals, in minor units.
pub fn minor(text: &str, exponent: u8) -> Outcome<i64> {
    amount::minor(text, exponent).map_err(|fault| unread(text, &fault))
}

/// A quantity of a task: a number, or a time where the task is counted in parts of hours.
fn units(unit: &str, text: &str) -> Outcome<i64> {
    let part = match unit {
        "quarter-hour" => 15,
        "half-hour" => 30,
        "hour" => 60,
        _ => return whole(text),
    };
    if text.chars().all(|c| c.is_ascii_digit()) {
        return whole(text);
    }
    let minutes = duration(text)?;
    if minutes % part == 0 {
        return Ok(minutes / part);
    }
    Err(Failure::usage(
        format!("`{text}` is no whole number of {unit}s, in which the task is counted"),
        "round it as the members have agreed",
    ))
}

fn duration(text: &str) -> Outcome<i64> {
    amount::minutes(text).map_err(|fault| unread(text, &fault))
}

/// A day; today if none is given.
pub fn day(text: Option<&str>) -> Outcome<Day> {
    text.map_or_else(
        || Ok(clock::today()),
        |text| amount::day(text).map_err(|fault| unread(text, &fault)),
    )
}

fn month(text: &str) -> Outcome<Month> {
    amount::month(text).map_err(|fault| unread(text, &fault))
}

/// A code of the charter or of the cooperative's own making.
pub fn code(what: &str, text: &str) -> Outcome<Code> {
    Code::try_from(text).map_err(|fault| value(what, fault))
}

fn unread(text: &str, fault: &Unread) -> Failure {
    match fault {
        Unread::Amount => Refusal::Amount.into(),
        _ => Failure::usage(format!("`{text}` is {fault}"), "write it as the message says"),
    }
}

/// A value that no entry can hold.
pub fn value(what: &str, fault: Malformed) -> Failure {
    Failure::usage(format!("{what}: {fault}"), "write it as the message says")
}

/// What, and how much of it.
fn resource(much: &Much) -> Outcome<Resource> {
    Ok(Resource {
        code: code("the name", &much.resource)?,
        unit: code("the unit", &much.unit)?,
        quantity: positive(whole(&much.quantity)?)?,
    })
}

/// Who is meant by `alba=…`, and what stands behind the sign.
fn assigned<'t>(book: &Book, text: &'t str) -> Outcome<(Member, &'t str)> {
    let (handle, rest) = text.split_once('=').ok_or_else(|| {
        Failure::usage(format!("`{text}` names nobody"), "write MEMBER=… such as alba=12.50")
    })?;
    Ok((member(book, handle)?, rest))
}

/// The months of `2026-01` or `2026-01..2026-12`.
fn months(text: &str) -> Outcome<(Month, Month)> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    Ok((month(first)?, month(last)?))
}

/// A role: that of a circle's facilitator is called `facilitator:NAME`.
pub fn office(book: &Book, text: &str) -> Outcome<Office> {
    if let Some(circle) = text.strip_prefix("facilitator:") {
        let (at, _) = book.register().head();
        let circles = book.state().terms().circles(book.register().charter(), at);
        let circles = circles.into_iter().map(Code::as_str);
        return Ok(Office::Facilitator(place(circles, circle, "circle")?));
    }
    Role::from_str(text, false).map(Office::from).map_err(|_| {
        Failure::usage(
            format!("`{text}` is no role"),
            "choose one of: registrar, treasurer, distributor, controller, facilitator:CIRCLE",
        )
    })
}
