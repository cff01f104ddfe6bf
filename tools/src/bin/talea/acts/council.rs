//! What members ask each other, how they answer, and who comes to which stage.

use talea_protocol::act::{
    Act, Advance, Candidate, Choice, Content, Course, Delegate, Effect, Grounds, Matter, Method,
    Motion, Propose, Rank, Scope, Vote,
};
use talea_protocol::bytes::{Bp, Code, List};
use talea_protocol::charter::{Amendment, Change, Rate, Thresholds, Tier};
use talea_protocol::council::{Circle, Competence, Quorums};
use talea_tools::amount::{self, DAY_MS};
use talea_tools::book::Book;
use talea_tools::draft;
use talea_tools::slip::Joining;
use talea_tools::word::StageWord;

use super::{
    Stated, code, day, member, month, months, office, place, plain, states_nothing, value,
};
use crate::cli::{self, Answer, Council, Kind, Way};
use crate::failure::{Failure, Outcome};
use crate::going::decided;
use crate::people::slip_failure;
use crate::roster;

/// `talea propose`: a motion, if it has a circle, options, a fallback or a first day.
pub(super) fn proposal(book: &Book, propose: &cli::Propose) -> Outcome<Act> {
    let closes = amount::begins(day(Some(&propose.closes))?) + DAY_MS - 1;
    let method = propose.method.map(method);
    let alone = propose.headcount || propose.circle.is_some();
    let usual = if alone { Method::Headcount } else { Method::CollegeWeighted };
    let (matter, effect) = effect(book, propose)?;
    let proposal = Propose {
        matter,
        method: method.unwrap_or(usual),
        statutory: propose.statutory,
        closes,
        effect,
    };
    let course = course(propose)?;
    if course == Course::default() {
        return Ok(Act::Propose(proposal));
    }
    Ok(Act::Motion(Box::new(Motion { proposal, course })))
}

fn course(propose: &cli::Propose) -> Outcome<Course> {
    let options = propose.options.iter().map(|text| code("the option", text));
    let options = options.collect::<Outcome<Vec<_>>>()?;
    Ok(Course {
        circle: propose.circle.as_deref().map(|name| code("the circle", name)).transpose()?,
        opens: match &propose.opens {
            Some(text) => amount::begins(day(Some(text))?),
            None => 0,
        },
        options: List::try_from(options).map_err(|fault| value("the options", fault))?,
        fallback: propose.fallback.map(method),
    })
}

const fn method(way: Way) -> Method {
    match way {
        Way::CollegeWeighted => Method::CollegeWeighted,
        Way::Headcount => Method::Headcount,
        Way::Consent => Method::Consent,
        Way::Ranked => Method::Ranked,
        Way::Score => Method::Score,
        Way::CreditWeighted => Method::CreditWeighted,
    }
}

/// What a proposal does, and what kind it is by that.
fn effect(book: &Book, propose: &cli::Propose) -> Outcome<(Matter, Effect)> {
    let ordinary = |effect| Ok((Matter::Ordinary, effect));
    if let Some(from) = &propose.month {
        let set = propose.set.iter().map(|text| amendment(text)).collect::<Outcome<Vec<_>>>()?;
        let amendments = List::try_from(set).map_err(|fault| value("--set", fault))?;
        let change = Change { amendments, from: month(from)? };
        return Ok((Matter::Charter, Effect::Amend(change)));
    }
    if let Some(text) = &propose.allocate {
        let (from, until) = months(text)?;
        return Ok((Matter::Allocation, Effect::Allocate(from, until)));
    }
    if let Some(handle) = &propose.remove {
        return ordinary(Effect::Remove(member(book, handle)?));
    }
    if let Some(text) = &propose.appoint {
        let (role, handle) = pair(text, "appoints nobody", "ROLE=MEMBER such as treasurer=bruno")?;
        return ordinary(Effect::Appoint(office(book, role)?, member(book, handle)?));
    }
    if let Some(request) = &propose.admit {
        return ordinary(Effect::Admit(candidate(book, propose, request)?));
    }
    if let Some(text) = &propose.advance {
        let (handle, name) = pair(text, "advances nobody", "MEMBER=STAGE such as bruno=committed")?;
        return ordinary(Effect::Advance(member(book, handle)?, stage(book, name)?));
    }
    if let Some(dispute) = &propose.resolve {
        return ordinary(Effect::Resolve(book.find(dispute)?));
    }
    if let Some(text) = &propose.correct {
        let wanted = "CONTRIBUTION=±N such as bruno/4=-2";
        let (entry, number) = pair(text, "corrects nothing", wanted)?;
        let unread =
            || Failure::usage(format!("`{text}` corrects nothing"), format!("write {wanted}"));
        let difference = number.parse().map_err(|_| unread())?;
        return ordinary(Effect::Correct(book.find(entry)?, difference));
    }
    if let Some(amount) = &propose.spend {
        return ordinary(Effect::Spend(super::money(book.register().charter(), amount)?));
    }
    if !propose.roster.is_empty() {
        let (keys, numbers) = (&propose.roster, (propose.faulty, propose.settle));
        return ordinary(Effect::Reform(roster::proposed(book.register(), keys, numbers)?));
    }
    if let Some(agreement) = &propose.agree {
        return ordinary(Effect::Agree(book.find(agreement)?));
    }
    ordinary(Effect::Policy)
}

fn candidate(book: &Book, propose: &cli::Propose, request: &str) -> Outcome<Candidate> {
    let joining = Joining::parse(request, book.register().cooperative()).map_err(slip_failure)?;
    let charter = book.register().charter();
    let colleges = charter.colleges.iter().map(|college| college.code.as_str());
    let college = place(colleges, propose.college.as_deref().unwrap_or_default(), "college")?;
    let stage = stage(book, propose.stage.as_deref().unwrap_or_default())?;
    let request = joining.request;
    Ok(Candidate { device: request.device, kind: request.kind, college, stage })
}

/// The place of a stage by its name.
pub fn stage(book: &Book, name: &str) -> Outcome<u8> {
    place(book.register().charter().stages.iter().map(|stage| stage.code.as_str()), name, "stage")
}

fn pair<'t>(text: &'t str, fault: &str, wanted: &str) -> Outcome<(&'t str, &'t str)> {
    text.split_once('=')
        .ok_or_else(|| Failure::usage(format!("`{text}` {fault}"), format!("write {wanted}")))
}

fn amendment(text: &str) -> Outcome<Amendment> {
    let unread = || {
        Failure::usage(
            format!("`{text}` sets nothing"),
            "write NAME=VALUE as `talea propose --help` has it; shares are in basis points, 0 to 10000",
        )
    };
    let (name, value) = text.split_once('=').ok_or_else(unread)?;
    let bp = |text: &str| text.parse().ok().and_then(|bp| Bp::new(bp).ok()).ok_or_else(unread);
    let three = || match value.split('/').map(bp).collect::<Outcome<Vec<Bp>>>()?.as_slice() {
        [ordinary, charter, allocation] => Ok((*ordinary, *charter, *allocation)),
        _ => Err(unread()),
    };
    let small = || value.parse::<u8>().map_err(|_| unread());
    let large = || value.parse::<u32>().map_err(|_| unread());
    Ok(match name {
        "care" => Amendment::Care(bp(value)?),
        "retain" => Amendment::Retain(bp(value)?),
        "livelihood" => Amendment::Livelihood(bp(value)?),
        "quorum" => Amendment::Quorum(bp(value)?),
        "thresholds" => {
            let (ordinary, charter, allocation) = three()?;
            Amendment::Thresholds(Thresholds { ordinary, charter, allocation })
        }
        "quorums" => {
            let (ordinary, charter, allocation) = three()?;
            Amendment::Quorums(Quorums { ordinary, charter, allocation })
        }
        "attestations" => Amendment::Attestations(small()?),
        "sponsors" => Amendment::Sponsors(small()?),
        "proxies" => Amendment::Proxies(small()?),
        "internal-price" => Amendment::InternalPrice(large()?),
        "love-minimum" => Amendment::LoveMinimum(large()?),
        "care-minimum" => Amendment::CareMinimum(large()?),
        "rate" => Amendment::Rate(rate(value).ok_or_else(unread)?),
        "tier" => Amendment::Tier(price_tier(value).ok_or_else(unread)?),
        "circle" => Amendment::Circle(circle(value).ok_or_else(unread)?),
        _ => return Err(unread()),
    })
}

/// `TASK:UNIT:CREDITS`, in hundredths.
fn rate(text: &str) -> Option<Rate> {
    let (rest, credits) = text.rsplit_once(':')?;
    let (task, unit) = rest.rsplit_once(':')?;
    let (task, unit) = (Code::try_from(task).ok()?, Code::try_from(unit).ok()?);
    Some(Rate { task, unit, credits: credits.parse().ok()? })
}

/// `NAME:PRICE`, in minor units.
fn price_tier(text: &str) -> Option<Tier> {
    let (name, price) = text.rsplit_once(':')?;
    Some(Tier { code: Code::try_from(name).ok()?, price: price.parse().ok()? })
}

/// `NAME:COMPETENCE+COMPETENCE:MOST`: everybody's circle.
fn circle(text: &str) -> Option<Circle> {
    let (rest, most) = text.rsplit_once(':')?;
    let (name, may) = rest.rsplit_once(':')?;
    let named = |name: &str| -> Option<Competence> {
        serde_json::from_value(serde_json::Value::from(name)).ok()
    };
    let mut may = may.split('+').map(named).collect::<Option<Vec<Competence>>>()?;
    may.sort_unstable();
    let (code, may) = (Code::try_from(name).ok()?, List::try_from(may).ok()?);
    Some(Circle { code, colleges: List::default(), may, spend_max: most.parse().ok()? })
}

/// What members answer, and what the registrar makes of it.
pub(super) fn act(book: &Book, command: &Council) -> Outcome<Stated> {
    match command {
        Council::Vote { proposal, choice, reason } => {
            let choice = match choice {
                Answer::Yes => Choice::Yes,
                Answer::No => Choice::No,
                Answer::Abstain => Choice::Abstain,
                Answer::Block => Choice::Block,
            };
            let proposal = book.find(proposal)?;
            Ok((Act::Vote(Vote { proposal, choice }), reason.clone()))
        }
        Council::Rank { proposal, options } => rank(book, proposal, options),
        Council::Delegate { to, nobody: _, matter, circle, proposal, until } => {
            let to = to.as_deref().map(|handle| member(book, handle)).transpose()?;
            let scope = scope(book, *matter, circle.as_deref(), proposal.as_deref())?;
            let until = match until {
                Some(text) => amount::begins(day(Some(text))?) + DAY_MS - 1,
                None => u64::MAX,
            };
            plain(Act::Delegate(Delegate { to, scope, until }))
        }
        Council::Advance { member, stage, from, words, decision } => {
            advance(book, (member, stage, from.as_deref()), words, decision.as_deref())
        }
        Council::Welcome { .. } | Council::Vouch { .. } => Err(states_nothing()),
    }
}

fn scope(
    book: &Book,
    matter: Option<Kind>,
    circle: Option<&str>,
    proposal: Option<&str>,
) -> Outcome<Scope> {
    if let Some(kind) = matter {
        return Ok(Scope::Matter(match kind {
            Kind::Ordinary => Matter::Ordinary,
            Kind::Charter => Matter::Charter,
            Kind::Allocation => Matter::Allocation,
        }));
    }
    if let Some(name) = circle {
        return Ok(Scope::Circle(code("the circle", name)?));
    }
    match proposal {
        Some(text) => Ok(Scope::Proposal(book.find(text)?)),
        None => Ok(Scope::All),
    }
}

/// Options by name: the best first, or each with its score.
fn rank(book: &Book, proposal: &str, texts: &[String]) -> Outcome<Stated> {
    let proposal = book.find(proposal)?;
    let options: Vec<&str> = match book.entry(&proposal).map(|entry| entry.content()) {
        Some(Content::Known(Act::Motion(motion))) => {
            motion.course.options.iter().map(Code::as_str).collect()
        }
        _ => Vec::new(),
    };
    let named = |name: &str| place(options.iter().copied(), name, "option");
    let marks = if texts.iter().any(|text| text.contains('=')) {
        let mut scores = vec![0_u8; options.len()];
        for text in texts {
            let wanted = "OPTION=SCORE for each, 0 to 10";
            let (name, score) = pair(text, "is no score", wanted)?;
            let unread =
                || Failure::usage(format!("`{score}` is no score"), format!("write {wanted}"));
            let place = usize::from(named(name)?);
            let score = score.parse().ok().filter(|score| *score <= 10).ok_or_else(unread)?;
            if let Some(mark) = scores.get_mut(place) {
                *mark = score;
            }
        }
        scores
    } else {
        texts.iter().map(|name| named(name)).collect::<Outcome<Vec<u8>>>()?
    };
    let marks = List::try_from(marks).map_err(|fault| value("the options", fault))?;
    plain(Act::Rank(Rank { proposal, marks }))
}

/// A member's move to a stage, as those who vouch and the registrar mean it.
pub fn moved(book: &Book, handle: &str, name: &str, from: Option<&str>) -> Outcome<Advance> {
    let grounds = Grounds::Milestones { cut: draft::cut(book), words: List::default() };
    let (member, stage) = (member(book, handle)?, stage(book, name)?);
    Ok(Advance { member, stage, from: day(from)?, grounds })
}

fn advance(
    book: &Book,
    (handle, name, from): (&str, &str, Option<&str>),
    words: &[String],
    decision: Option<&str>,
) -> Outcome<Stated> {
    let mut advance = moved(book, handle, name, from)?;
    if let Some(named) = decision {
        let ordered = Effect::Advance(advance.member, advance.stage);
        let named = (!named.is_empty()).then_some(named);
        advance.grounds = Grounds::Decision(decided(book, named, |effect| *effect == ordered)?);
        return plain(Act::Advance(advance));
    }
    let mut vouched = Vec::new();
    for slip in words {
        let word = StageWord::parse(slip, book.register().cooperative()).map_err(slip_failure)?;
        if (word.member, word.stage, word.from) != (advance.member, advance.stage, advance.from) {
            return Err(Failure::usage(
                "a word is for another member, another stage or another day",
                "give --from the day that those who vouch gave (`talea vouch`)",
            ));
        }
        vouched.push(word.word);
    }
    let words = talea_tools::word::ordered(vouched);
    let words = List::try_from(words).map_err(|fault| value("the words", fault))?;
    advance.grounds = Grounds::Milestones { cut: draft::cut(book), words };
    plain(Act::Advance(advance))
}
