//! What members gave, and what they offer, promise, use and say of it.

use talea_protocol::act::{
    Act, Action, Agree, Agreement, Attest, Belonging, Clause, Comment, Commit, Content,
    Contribution, Correct, Delivery, Direction, Dispute, Draw, Duty, Extent, Intent, Job, Party,
    Resource, Review, Stream, Taking, Withdraw,
};
use talea_protocol::bytes::{Code, Day, List};
use talea_protocol::hash::EntryId;
use talea_tools::book::Book;

use super::{
    Stated, code, day, duration, member, plain, positive, resource, states_nothing, task, tier,
    units, value, whole,
};
use crate::cli::{About, Add, Belongs, Giving, Much, Take};
use crate::failure::{Failure, Outcome};

/// `talea add`.
pub(super) fn given(book: &Book, add: &Add) -> Outcome<Stated> {
    let charter = book.register().charter();
    let (stream, task, quantity, job, about) = match add {
        Add::Work(given) | Add::Love(given) => {
            let stream =
                if matches!(add, Add::Work(_)) { Stream::Livelihood } else { Stream::Love };
            let task = task(charter, given.task.as_deref())?;
            let quantity = of_task(book, &task, &given.quantity)?;
            let job = given.job.as_deref().zip(given.tier.as_deref());
            (stream, task, quantity, job, &given.about)
        }
        Add::Care(care) => {
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
    let work = Contribution { stream, task, quantity, begin, end, job, tags };
    let belonging = belonging(book, &about.belongs)?;
    let (action, resource) = produced(add)?;
    let act = if action == Action::Work && belonging == Belonging::default() {
        Act::Contribution(work)
    } else {
        Act::Deliver(Box::new(Delivery { work, action, resource, belonging }))
    };
    Ok((act, about.note.clone()))
}

/// What came of it besides the work.
fn produced(add: &Add) -> Outcome<(Action, Option<Resource>)> {
    let (Add::Work(given) | Add::Love(given)) = add else { return Ok((Action::Work, None)) };
    match given.produces.as_slice() {
        [name, quantity, unit] => {
            let much =
                Much { resource: name.clone(), quantity: quantity.clone(), unit: unit.clone() };
            Ok((Action::Produce, Some(resource(&much)?)))
        }
        _ if given.service => Ok((Action::DeliverService, None)),
        _ => Ok((Action::Work, None)),
    }
}

/// A quantity of a task, as the charter counts it.
fn of_task(book: &Book, task: &Code, text: &str) -> Outcome<i64> {
    let rate = book.register().charter().rates.iter().find(|rate| rate.task == *task);
    units(rate.map_or("", |rate| rate.unit.as_str()), text)
}

/// A quantity of what a contribution is counted in.
fn of_contribution(book: &Book, id: &EntryId, text: &str) -> Outcome<i64> {
    let entry = book.entry(id);
    let work = entry.and_then(|entry| match entry.content() {
        Content::Known(Act::Contribution(work)) => Some(work),
        Content::Known(Act::Deliver(delivery)) => Some(&delivery.work),
        _ => None,
    });
    match work {
        Some(work) if work.stream == Stream::Care => duration(text),
        Some(work) => of_task(book, &work.task, text),
        None => whole(text),
    }
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

fn belonging(book: &Book, belongs: &Belongs) -> Outcome<Belonging> {
    let entry = |text: &Option<String>| text.as_deref().map(|text| book.find(text)).transpose();
    let circle = belongs.circle.as_deref().map(|name| code("the circle", name)).transpose()?;
    let (agreement, commitment) = (entry(&belongs.agreement)?, entry(&belongs.commitment)?);
    Ok(Belonging { circle, agreement, commitment })
}

/// Everything else about work, and about what members offer and promise.
pub(super) fn giving(book: &Book, command: &Giving) -> Outcome<Stated> {
    match command {
        Giving::Attest { contribution, part, quality } => {
            attest(book, contribution, part.as_deref(), *quality)
        }
        Giving::Dispute { contribution, reason } => {
            let contribution = book.find(contribution)?;
            Ok((Act::Dispute(Dispute { contribution }), reason.clone()))
        }
        Giving::Withdraw { dispute } => {
            plain(Act::Withdraw(Withdraw { dispute: book.find(dispute)? }))
        }
        Giving::Correct { contribution, less, more, reason } => {
            let contribution = book.find(contribution)?;
            let (text, sign) =
                less.as_deref().map_or((more.as_deref(), 1), |less| (Some(less), -1));
            let text = text.ok_or_else(states_nothing)?;
            let difference = sign * of_contribution(book, &contribution, text)?;
            Ok((Act::Correct(Correct { contribution, difference }), reason.clone()))
        }
        Giving::Draw { taking, much, date, belongs } => plain(Act::Draw(Draw {
            taking: match taking {
                Take::Use => Taking::Use,
                Take::Cite => Taking::Cite,
                Take::Consume => Taking::Consume,
            },
            resource: resource(much)?,
            date: day(date.as_deref())?,
            belonging: belonging(book, belongs)?,
        })),
        Giving::Offer { much, until, circle, note } => {
            let act = intent(Direction::Offer, much, until.as_deref(), circle.as_deref())?;
            Ok((act, note.clone()))
        }
        Giving::Ask { much, until, circle, note } => {
            let act = intent(Direction::Request, much, until.as_deref(), circle.as_deref())?;
            Ok((act, note.clone()))
        }
        Giving::Agreement { clauses, note } => Ok((agreement(book, clauses)?, note.clone())),
        Giving::Agree { agreement } => {
            plain(Act::Agree(Agree { agreement: book.find(agreement)? }))
        }
        Giving::Commit { much, to, due, duty, intent, agreement } => {
            let entry = |text: &Option<String>| text.as_deref().map(|it| book.find(it)).transpose();
            plain(Act::Commit(Commit {
                intent: entry(intent)?,
                agreement: entry(agreement)?,
                receiver: party(book, to)?,
                duty: self::duty(duty)?,
                what: resource(much)?,
                due: day(Some(due))?,
            }))
        }
        Giving::Comment { entry, words, .. } => {
            Ok((Act::Comment(Comment { on: book.find(entry)? }), Some(words.clone())))
        }
    }
}

fn attest(book: &Book, contribution: &str, part: Option<&str>, quality: bool) -> Outcome<Stated> {
    let contribution = book.find(contribution)?;
    let extent = match part {
        Some(text) => Extent::Part(positive(of_contribution(book, &contribution, text)?)?),
        None if quality => Extent::Quality,
        None => return plain(Act::Attest(Attest { contribution })),
    };
    plain(Act::Review(Review { contribution, extent }))
}

fn intent(
    direction: Direction,
    much: &Much,
    until: Option<&str>,
    circle: Option<&str>,
) -> Outcome<Act> {
    let until = until.map(|text| day(Some(text))).transpose()?;
    let circle = circle.map(|name| code("the circle", name)).transpose()?;
    Ok(Act::Intent(Intent { direction, what: resource(much)?, until, circle }))
}

/// The parties are those that the clauses name.
fn agreement(book: &Book, texts: &[String]) -> Outcome<Act> {
    let clauses = texts.iter().map(|text| clause(book, text)).collect::<Outcome<Vec<_>>>()?;
    let mut parties: Vec<Party> =
        clauses.iter().flat_map(|it| [it.provider, it.receiver]).collect();
    parties.sort_unstable();
    parties.dedup();
    Ok(Act::Agreement(Agreement {
        parties: List::try_from(parties).map_err(|fault| value("the parties", fault))?,
        clauses: List::try_from(clauses).map_err(|fault| value("the clauses", fault))?,
    }))
}

/// `FROM,TO,DUTY,NAME,QUANTITY,UNIT` and perhaps a day.
fn clause(book: &Book, text: &str) -> Outcome<Clause> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let (all, due) = match parts.as_slice() {
        [all @ .., due] if parts.len() == 7 => (all, Some(day(Some(due))?)),
        all => (all, None),
    };
    let [from, to, duty, name, quantity, unit] = all else {
        return Err(Failure::usage(
            format!("`{text}` is no clause"),
            "write FROM,TO,DUTY,NAME,QUANTITY,UNIT such as bruno,chloe,produce,bread,10,loaf",
        ));
    };
    let own = |text: &str| text.to_owned();
    let much = Much { resource: own(name), quantity: own(quantity), unit: own(unit) };
    Ok(Clause {
        provider: party(book, from)?,
        receiver: party(book, to)?,
        duty: self::duty(duty)?,
        what: resource(&much)?,
        due,
    })
}

fn party(book: &Book, text: &str) -> Outcome<Party> {
    match text {
        "cooperative" => Ok(Party::Cooperative),
        handle => Ok(Party::Member(member(book, handle)?)),
    }
}

fn duty(text: &str) -> Outcome<Duty> {
    Ok(match text {
        "work" => Duty::Work,
        "produce" => Duty::Produce,
        "deliver-service" => Duty::DeliverService,
        "transfer" => Duty::Transfer,
        _ => {
            return Err(Failure::usage(
                format!("`{text}` is no duty"),
                "choose one of: work, produce, deliver-service, transfer",
            ));
        }
    })
}
