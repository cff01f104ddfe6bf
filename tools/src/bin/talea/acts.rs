//! What members and office holders state: the typed words, made into acts.

use clap::ValueEnum;
use talea_protocol::act::{
    Act, Attest, Choice, Contribution, Effect, Expense, Income, Invoice, Job, Matter, Method,
    Propose, Redirect, Stream, Vote,
};
use talea_protocol::bytes::{Bp, Code, Day, List, Malformed, Month, Quantity};
use talea_protocol::charter::{Amendment, Change, Charter, Member, Roster};
use talea_protocol::entry::Refusal;
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::recovery::Erase;
use talea_tools::amount::{self, DAY_MS, Unread};
use talea_tools::book::Book;
use talea_tools::draft;
use talea_tools::names::Words;
use talea_tools::remedy;

use crate::cli::{self, About, Answer, Command, Common, Role};
use crate::clock;
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};

/// States what a command says.
pub fn run(common: &Common, command: &Command) -> Outcome {
    let mut desk = Desk::signing(common)?;
    let (act, note) = act(&desk.book, command)?;
    desk.state(&act, Words::note(note))
}

fn act<'c>(book: &Book, command: &'c Command) -> Outcome<(Act, Option<&'c str>)> {
    let charter = book.register().charter();
    let plain = |act| Ok((act, None));
    match command {
        Command::Add(add) => given(charter, add),
        Command::Attest { contribution } => {
            plain(Act::Attest(Attest { contribution: book.find(contribution)? }))
        }
        Command::Propose(propose) => Ok((proposal(book, propose)?, Some(&propose.text))),
        Command::Erase { entry, ground } => plain(Act::Erase(Erase {
            entry: book.find(entry)?,
            ground: code("the ground", ground)?,
        })),
        Command::Vote { proposal, choice } => {
            let choice = match choice {
                Answer::Yes => Choice::Yes,
                Answer::No => Choice::No,
                Answer::Abstain => Choice::Abstain,
            };
            plain(Act::Vote(Vote { proposal: book.find(proposal)?, choice }))
        }
        Command::Decide { proposal } => {
            plain(Act::Decide(draft::decide(book, book.find(proposal)?)?))
        }
        Command::Invoice { job, client, tier, quantity, date } => {
            plain(invoice(charter, (job, client, tier), whole(quantity)?, date.as_deref())?)
        }
        Command::Income { job, client, amount, date } => plain(Act::Income(Income {
            job: code("the job", job)?,
            client: code("the client", client)?,
            amount: money(charter, amount)?,
            date: day(date.as_deref())?,
            aid: false,
        })),
        Command::Expense { account, payee, amount, date, note } => {
            let spent = Expense {
                account: code("the account", account)?,
                payee: code("the payee", payee)?,
                amount: money(charter, amount)?,
                date: day(date.as_deref())?,
                decision: None,
            };
            Ok((Act::Expense(spent), note.as_deref()))
        }
        Command::Redirect { to, amount, run, note } => {
            let amount = money(charter, amount)?;
            let (run, to) = (run_of(book, month(run)?)?, member(book, to)?);
            Ok((Act::Redirect(Redirect { run, to, amount }), note.as_deref()))
        }
        Command::Distribute { month: period } => {
            plain(Act::Distribute(Box::new(draft::distribute(book, month(period)?)?)))
        }
        Command::Pay { month: period, date } => {
            let run = run_of(book, month(period)?)?;
            plain(Act::Pay(draft::pay(book, run, day(date.as_deref())?)))
        }
        Command::Close { month: period } => plain(Act::Close(draft::close(book, month(period)?))),
        Command::Mark => plain(Act::Mark(draft::mark(book))),
        _ => Err(Failure::usage("this command states nothing", "see `talea help`")),
    }
}

fn given<'c>(charter: &Charter, add: &'c cli::Add) -> Outcome<(Act, Option<&'c str>)> {
    let (stream, task, quantity, job, about) = match add {
        cli::Add::Work(given) | cli::Add::Love(given) => {
            let stream =
                if matches!(add, cli::Add::Work(_)) { Stream::Livelihood } else { Stream::Love };
            let task = task(charter, given.task.as_deref())?;
            let unit = charter.rates.iter().find(|rate| rate.task == task);
            let unit = unit.map_or("", |rate| rate.unit.as_str());
            let quantity = units(unit, &given.quantity)?;
            let job = given.job.as_deref().zip(given.tier.as_deref());
            (stream, task, quantity, job, &given.about)
        }
        cli::Add::Care(care) => {
            let task = code("the task", &care.task)?;
            (Stream::Care, task, duration(&care.time)?, None, &care.about)
        }
    };
    let job = match job {
        Some((name, tier)) => {
            Some(Job { code: code("the job", name)?, tier: self::tier(charter, tier)? })
        }
        None => None,
    };
    let (begin, end, tags) = when(about)?;
    let quantity = positive(quantity)?;
    let given = Contribution { stream, task, quantity, begin, end, job, tags };
    Ok((Act::Contribution(given), about.note.as_deref()))
}

fn when<const MAX: usize>(about: &About) -> Outcome<(Day, Day, List<Code, MAX>)> {
    let end = day(about.on.as_deref())?;
    let begin = match &about.from {
        Some(text) => day(Some(text))?,
        None => end,
    };
    let mut tags = Vec::new();
    for tag in &about.tags {
        tags.push(code("the tag", tag)?);
    }
    tags.sort();
    tags.dedup();
    let tags = List::try_from(tags).map_err(|fault| value("the tags", fault))?;
    Ok((begin, end, tags))
}

fn invoice(
    charter: &Charter,
    (job, client, tier): (&str, &str, &str),
    quantity: i64,
    date: Option<&str>,
) -> Outcome<Act> {
    let tier = self::tier(charter, tier)?;
    let price = charter.tiers.get(usize::from(tier)).map_or(0, |tier| i64::from(tier.price));
    let amount = quantity.checked_mul(price).ok_or(Refusal::Amount)?;
    Ok(Act::Invoice(Invoice {
        job: code("the job", job)?,
        client: code("the client", client)?,
        tier,
        quantity: positive(quantity)?,
        amount: positive(amount)?,
        date: day(date)?,
    }))
}

fn proposal(book: &Book, propose: &cli::Propose) -> Outcome<Act> {
    let closes = amount::begins(day(Some(&propose.closes))?) + DAY_MS - 1;
    let method = if propose.headcount { Method::Headcount } else { Method::CollegeWeighted };
    let statutory = propose.statutory;
    let (matter, effect) = match &propose.month {
        None => (Matter::Ordinary, effect(book, propose)?),
        Some(from) => {
            let set =
                propose.set.iter().map(|text| amendment(text)).collect::<Outcome<Vec<_>>>()?;
            let amendments = List::try_from(set).map_err(|fault| value("--set", fault))?;
            (Matter::Charter, Effect::Amend(Change { amendments, from: month(from)? }))
        }
    };
    Ok(Act::Propose(Propose { matter, method, statutory, closes, effect }))
}

/// What a proposal does that does not change the charter.
/// The nodes that shall keep the log. What it must be is rule 33.
fn roster(propose: &cli::Propose) -> Outcome<Roster> {
    let unsafe_roster = |what: &str| {
        Failure::usage(
            format!("rule 33: {what}"),
            "name each node once by its whole key (`talead id`); with n nodes of which f may lie, \
             more than (n + f) / 2 settle, and at most n - f",
        )
    };
    let key = |text: &String| text.trim().parse::<NodeKey>();
    let keys: Result<Vec<NodeKey>, _> = propose.roster.iter().map(key).collect();
    let mut keys = keys.map_err(|_| unsafe_roster("that is no node's key"))?;
    keys.sort_unstable();
    let (count, faulty) = (keys.len(), propose.faulty);
    let fewest = (count + usize::from(faulty)) / 2 + 1;
    let quorum = propose.quorum.or_else(|| u8::try_from(fewest).ok()).unwrap_or(u8::MAX);
    let nodes = List::new(keys).ok_or_else(|| unsafe_roster("a roster has 16 nodes at most"))?;
    let roster = Roster { nodes, faulty, quorum };
    if roster.is_safe() { Ok(roster) } else { Err(unsafe_roster("that roster is not safe")) }
}

fn effect(book: &Book, propose: &cli::Propose) -> Outcome<Effect> {
    if let Some(handle) = &propose.remove {
        return Ok(Effect::Remove(member(book, handle)?));
    }
    if !propose.roster.is_empty() {
        return Ok(Effect::Reform(roster(propose)?));
    }
    let Some(text) = &propose.appoint else { return Ok(Effect::Policy) };
    let parts = text.split_once('=');
    let office = parts.and_then(|(role, _)| Role::from_str(role, false).ok());
    let (office, (_, handle)) = office.zip(parts).ok_or_else(|| {
        Failure::usage(
            format!("`{text}` appoints nobody"),
            "write ROLE=MEMBER: registrar, treasurer or distributor",
        )
    })?;
    Ok(Effect::Appoint(office.into(), member(book, handle)?))
}

fn amendment(text: &str) -> Outcome<Amendment> {
    let unread = || {
        Failure::usage(
            format!("`{text}` sets nothing"),
            "write NAME=VALUE: care, retain, livelihood, quorum (basis points), attestations, \
             sponsors, internal-price, love-minimum",
        )
    };
    let (name, number) = text.split_once('=').ok_or_else(unread)?;
    let share = || number.parse().ok().and_then(|bp| Bp::new(bp).ok()).ok_or_else(unread);
    let small = || number.parse::<u8>().map_err(|_| unread());
    let large = || number.parse::<u32>().map_err(|_| unread());
    Ok(match name {
        "care" => Amendment::Care(share()?),
        "retain" => Amendment::Retain(share()?),
        "livelihood" => Amendment::Livelihood(share()?),
        "quorum" => Amendment::Quorum(share()?),
        "attestations" => Amendment::Attestations(small()?),
        "sponsors" => Amendment::Sponsors(small()?),
        "internal-price" => Amendment::InternalPrice(large()?),
        "love-minimum" => Amendment::LoveMinimum(large()?),
        _ => return Err(unread()),
    })
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

fn tier(charter: &Charter, name: &str) -> Outcome<u8> {
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

fn run_of(book: &Book, period: Month) -> Outcome<EntryId> {
    let runs = book.entries().filter(|entry| match entry.content() {
        talea_protocol::act::Content::Known(Act::Distribute(run)) => run.period == period,
        _ => false,
    });
    let counted = |id: &EntryId| book.verdict(id) == Some(talea_ledger::verdict::Verdict::Counted);
    runs.map(|entry| entry.id()).find(counted).ok_or_else(|| {
        Failure::usage(
            format!("{} has no run that counts yet", amount::show_month(period)),
            "the distributor makes one with `talea distribute MONTH`",
        )
    })
}

/// An amount of money, in the charter's currency.
pub fn money(charter: &Charter, text: &str) -> Outcome<Quantity> {
    positive(amount::minor(text, charter.exponent).map_err(|fault| unread(text, &fault))?)
}

fn positive(number: i64) -> Outcome<Quantity> {
    Quantity::new(number).map_err(|value| remedy::refusal(value).into())
}

fn whole(text: &str) -> Outcome<i64> {
    amount::minor(text, 0).map_err(|fault| unread(text, &fault))
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

fn value(what: &str, fault: Malformed) -> Failure {
    Failure::usage(format!("{what}: {fault}"), "write it as the message says")
}
