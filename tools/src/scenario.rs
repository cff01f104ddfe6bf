//! A scenario file, and its steps as acts.
//!
//! The file tells in plain words who does what on which day (`tests/data/passerelles-q1.json` is
//! one). Each step becomes the act that its author would sign, built against the book as it stands:
//! cuts, counts and lines come from the ledger's own functions, never from the file. What this
//! version has no act for is an error that names the step.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use talea_protocol::act::{
    Act, Contribution, Expense, Income, Invoice, Job, Redirect, Subscribe, Vote, subscription,
};
use talea_protocol::bytes::{Code, Day, List, Malformed, Month, Quantity};
use talea_protocol::charter::{Member, Roster, Visibility};
use talea_protocol::entry::Refusal;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{Purpose, SecretKey, Signature};
use talea_protocol::recovery::Office;

use crate::amount::{self, DAY_MS, Unread};
use crate::book::Book;
use crate::draft::{self, Undraftable};
use crate::names::{Called, Words};
use crate::remedy;

mod agreement;
mod bodies;
mod council;
mod founding;

use bodies::{Ballot, Billing, Decision, Passing, Period, Proposal, Shares, Spending, Work};
use founding::Founding;

/// Steps of a scenario.
const STEPS_MAX: usize = 10_000;
/// Entries of a scenario are signed from noon on, a second apart.
const NOON_MS: u64 = DAY_MS / 2;

/// Why a scenario, or one step of it, cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioFault {
    /// The file is not a scenario.
    #[error("not a scenario: {0}")]
    File(serde_json::Error),
    /// Too long, or it does not begin with a charter.
    #[error("a scenario begins with `charter.create` and has 1 to {STEPS_MAX} steps")]
    Shape,
    /// One step.
    #[error("step {n} ({kind}, {date}): {fault}")]
    Step {
        /// Its number.
        n: u32,
        /// Its type.
        kind: String,
        /// Its day.
        date: String,
        /// What is wrong.
        fault: StepFault,
    },
}

/// What is wrong with a step.
#[derive(Debug, thiserror::Error)]
pub enum StepFault {
    /// There is no act for it.
    #[error("this version of Talea has no act for it")]
    Type,
    /// There is no such way of deciding.
    #[error("this version of Talea does not decide by `{0}`")]
    Method(String),
    /// There is no such effect.
    #[error("this version of Talea cannot put `{0}` in force")]
    Effect(String),
    /// Its body reads otherwise.
    #[error("its body cannot be read: {0}")]
    Body(serde_json::Error),
    /// Nobody is called so.
    #[error("there is no member `{0}`")]
    Member(String),
    /// The charter knows no such thing.
    #[error("the charter has no `{0}`")]
    Charter(String),
    /// It names a step, a proposal or a run that has not been.
    #[error("it names `{0}`, which has not been")]
    Named(String),
    /// A number, day or month.
    #[error("`{text}` is {fault}")]
    Number {
        /// What the file says.
        text: String,
        /// Why it cannot be read.
        fault: Unread,
    },
    /// A value that no entry can hold: rule 4, or 6 for an amount.
    #[error(transparent)]
    Refused(Refusal),
    /// The ledger cannot compute what it closes.
    #[error(transparent)]
    Draft(#[from] Undraftable),
}

impl From<Malformed> for StepFault {
    fn from(value: Malformed) -> Self {
        Self::Refused(remedy::refusal(value))
    }
}

/// A scenario.
#[derive(Debug, Deserialize)]
pub struct Scenario {
    /// Members by handle.
    members: BTreeMap<String, Person>,
    /// Jobs by reference.
    #[serde(default)]
    jobs: BTreeMap<String, JobTerms>,
    /// What is done, in order.
    entries: Vec<Step>,
    /// The figures that should come out.
    #[serde(default)]
    pub expected: Value,
}

#[derive(Debug, Deserialize)]
struct Person {
    name: String,
}

#[derive(Debug, Deserialize)]
struct JobTerms {
    tier: String,
    words: i64,
}

/// What somebody does on a day.
#[derive(Debug, Deserialize)]
pub struct Step {
    /// Its number, by which later steps name it.
    pub n: u32,
    /// `YYYY-MM-DD`.
    pub date: String,
    /// The handle of whoever does it.
    pub author: String,
    /// What is done.
    #[serde(rename = "type")]
    pub kind: String,
    body: Value,
}

/// A step as an act, ready to be signed by its author.
#[derive(Debug)]
pub struct Planned {
    /// The author's handle.
    pub author: String,
    /// The author's clock, in ms since 1970 UTC.
    pub time: u64,
    /// The act.
    pub act: Act,
    /// Erasable words beside it.
    pub payload: Option<Vec<u8>>,
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ScenarioFault::File`], [`ScenarioFault::Shape`].
    pub fn parse(text: &str) -> Result<Self, ScenarioFault> {
        let scenario: Self = serde_json::from_str(text).map_err(ScenarioFault::File)?;
        let begins = scenario.entries.first().is_some_and(|step| step.kind == "charter.create");
        if begins && scenario.entries.len() <= STEPS_MAX {
            Ok(scenario)
        } else {
            Err(ScenarioFault::Shape)
        }
    }

    /// Its steps, in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.entries
    }

    /// The members' handles; the founders' numbers are their places in this order.
    pub fn handles(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }
}

/// A scenario under way: what its names have come to mean.
pub struct Script<'a> {
    scenario: &'a Scenario,
    keys: BTreeMap<String, SecretKey>,
    steps: BTreeMap<u32, EntryId>,
    proposals: BTreeMap<String, EntryId>,
    runs: BTreeMap<Month, EntryId>,
}

impl<'a> Script<'a> {
    /// The scenario with these members' keys.
    #[must_use]
    pub const fn new(scenario: &'a Scenario, keys: BTreeMap<String, SecretKey>) -> Self {
        Self {
            scenario,
            keys,
            steps: BTreeMap::new(),
            proposals: BTreeMap::new(),
            runs: BTreeMap::new(),
        }
    }

    /// A member's key.
    #[must_use]
    pub fn key(&self, handle: &str) -> Option<&SecretKey> {
        self.keys.get(handle)
    }

    /// The charter, from the first step, for this roster, with every founder's consent.
    ///
    /// # Errors
    /// [`ScenarioFault`].
    pub fn charter(
        &self,
        roster: Roster,
        visibility: Visibility,
    ) -> Result<Planned, ScenarioFault> {
        let step = self.scenario.entries.first().ok_or(ScenarioFault::Shape)?;
        let planned = || {
            let body: Founding = step.body()?;
            let charter = body.charter(&self.keys, roster, visibility)?;
            let called = |handle: &String| Called {
                handle: handle.clone(),
                name: self.scenario.members.get(handle).map_or(handle, |p| &p.name).clone(),
            };
            let members = body.founders.keys().map(called).collect();
            Ok(Planned {
                author: step.author.clone(),
                time: step.time()?,
                act: Act::Charter(Box::new(charter)),
                payload: Some(Words { members, ..Words::default() }.payload()),
            })
        };
        planned().map_err(|fault| step.fault(fault))
    }

    /// A later step, as the act that its author would sign with this book before its eyes.
    ///
    /// # Errors
    /// [`ScenarioFault::Step`].
    pub fn plan(&self, step: &Step, book: &Book) -> Result<Planned, ScenarioFault> {
        let planned = || {
            let (act, note) = self.act(step, book)?;
            let payload = Words::note(note.as_deref());
            Ok(Planned { author: step.author.clone(), time: step.time()?, act, payload })
        };
        planned().map_err(|fault| step.fault(fault))
    }

    /// What the registrar has to write because of a step that was played: for `member.leave`, the
    /// departure.
    ///
    /// # Errors
    /// [`ScenarioFault::Step`].
    pub fn follow(&self, step: &Step, book: &Book) -> Result<Option<Planned>, ScenarioFault> {
        if step.kind != "member.leave" {
            return Ok(None);
        }
        let planned = || {
            let registrar = book.register().holder(Office::Registrar, book.register().head().0);
            let (author, act) = (book.handle(registrar), self.departure(step, book)?);
            Ok(Some(Planned { author, time: step.time()?, act, payload: None }))
        };
        planned().map_err(|fault| step.fault(fault))
    }

    /// Whether the file expects that this vote is by somebody who may not vote.
    #[must_use]
    pub fn is_ineligible(&self, step: &Step) -> bool {
        let named = |field: &str| step.body.get(field).and_then(Value::as_str).unwrap_or_default();
        let decision = &self.scenario.expected["decisions"][named("proposal")];
        let votes = decision["ineligible_votes"].as_array().into_iter().flatten();
        step.kind == "vote" && votes.into_iter().any(|voter| *voter == step.author)
    }

    /// Remembers what a step has become.
    pub fn done(&mut self, step: &Step, id: EntryId, act: &Act) {
        self.steps.insert(step.n, id);
        match act {
            Act::Propose(_) | Act::Motion(_) => {
                if let Some(Value::String(name)) = step.body.get("id") {
                    self.proposals.insert(name.clone(), id);
                }
            }
            Act::Distribute(run) => {
                self.runs.insert(run.period, id);
            }
            _ => {}
        }
    }

    fn act(&self, step: &Step, book: &Book) -> Result<(Act, Option<String>), StepFault> {
        let plain = |act| Ok((act, None));
        match step.kind.as_str() {
            "share.subscribe" => plain(Act::Subscribe(self.subscribe(step, book)?)),
            "proposal" => {
                let (act, text) = step.body::<Proposal>()?.act()?;
                Ok((act, Some(text)))
            }
            "vote" => {
                let Ballot { proposal, choice, reason } = step.body()?;
                let proposal = self.decided(&proposal)?;
                Ok((
                    Act::Vote(Vote { proposal, choice: choice.into() }),
                    reason.or(choice.reason()),
                ))
            }
            "decision" => {
                let Decision { proposal } = step.body()?;
                plain(Act::Decide(draft::decide(book, self.decided(&proposal)?)?))
            }
            "contribution" => plain(Act::Contribution(self.contribution(step, book)?)),
            "expense" => {
                let spent: Spending = step.body()?;
                let amount = Quantity::new(spent.amount)?;
                let (account, payee) = (code(&spent.account)?, code(&spent.payee)?);
                Ok((
                    Act::Expense(Expense {
                        account,
                        payee,
                        amount,
                        date: step.day()?,
                        decision: None,
                    }),
                    Some(spent.memo),
                ))
            }
            "invoice" => plain(Act::Invoice(self.invoice(step, book)?)),
            "income" => {
                let Billing { job, client, amount } = step.body()?;
                let (job, client) = (code(&job)?, code(&client)?);
                let amount = Quantity::new(amount)?;
                plain(Act::Income(Income { job, client, amount, date: step.day()?, aid: false }))
            }
            "redirect" => {
                let Passing { to, amount, memo } = step.body()?;
                let (to, amount) = (person(book, &to)?, Quantity::new(amount)?);
                let run = self.runs.values().next_back().copied();
                let run = run.ok_or_else(|| StepFault::Named("a run".to_owned()))?;
                Ok((Act::Redirect(Redirect { run, to, amount }), Some(memo)))
            }
            "distribution" => {
                let period = step.period()?;
                plain(Act::Distribute(Box::new(draft::distribute(book, period)?)))
            }
            "payment" => {
                let period = step.period()?;
                let run = self.runs.get(&period).copied();
                let run = run.ok_or_else(|| StepFault::Named(amount::show_month(period)))?;
                plain(Act::Pay(draft::pay(book, run, step.day()?)))
            }
            "period.close" => plain(Act::Close(draft::close(book, step.period()?))),
            _ => self.council(step, book),
        }
    }

    fn subscribe(&self, step: &Step, book: &Book) -> Result<Subscribe, StepFault> {
        let Shares { member: handle, amount } = step.body()?;
        let member = person(book, &handle)?;
        let key = self.keys.get(&handle).ok_or(StepFault::Member(handle))?;
        let mut subscribe = Subscribe {
            member,
            amount: Quantity::new(amount)?,
            date: step.day()?,
            reference: code(&format!("step-{}", step.n))?,
            device: key.device(),
            signature: Signature([0; 64]),
        };
        let slip = subscription(&book.register().cooperative(), &subscribe);
        subscribe.signature = key.sign(Purpose::Subscription, &slip);
        Ok(subscribe)
    }

    fn contribution(&self, step: &Step, book: &Book) -> Result<Contribution, StepFault> {
        let Work { task, quantity, stream, job, mut tags } = step.body()?;
        tags.sort();
        let job = match job {
            Some(name) => Some(Job { code: code(&name)?, tier: self.tier(&name, book)?.0 }),
            None => None,
        };
        Ok(Contribution {
            stream: stream.into(),
            task: code(&task)?,
            quantity: Quantity::new(quantity)?,
            begin: step.day()?,
            end: step.day()?,
            job,
            tags: List::try_from(codes(&tags)?)?,
        })
    }

    fn invoice(&self, step: &Step, book: &Book) -> Result<Invoice, StepFault> {
        let Billing { job, client, amount } = step.body()?;
        let (tier, terms) = self.tier(&job, book)?;
        Ok(Invoice {
            job: code(&job)?,
            client: code(&client)?,
            tier,
            quantity: Quantity::new(terms.words)?,
            amount: Quantity::new(amount)?,
            date: step.day()?,
        })
    }

    fn tier(&self, job: &str, book: &Book) -> Result<(u8, &JobTerms), StepFault> {
        let terms = self.scenario.jobs.get(job);
        let terms = terms.ok_or_else(|| StepFault::Named(job.to_owned()))?;
        let tiers = book.register().charter().tiers.iter().map(|tier| tier.code.as_str());
        Ok((place(tiers, &terms.tier)?, terms))
    }

    fn decided(&self, name: &str) -> Result<EntryId, StepFault> {
        self.proposals.get(name).copied().ok_or_else(|| StepFault::Named(name.to_owned()))
    }
}

impl Step {
    fn body<T: DeserializeOwned>(&self) -> Result<T, StepFault> {
        T::deserialize(&self.body).map_err(StepFault::Body)
    }

    fn day(&self) -> Result<Day, StepFault> {
        day(&self.date)
    }

    fn time(&self) -> Result<u64, StepFault> {
        Ok(amount::begins(self.day()?) + NOON_MS + u64::from(self.n) * 1000)
    }

    fn period(&self) -> Result<Month, StepFault> {
        month(&self.body::<Period>()?.period)
    }

    fn fault(&self, fault: StepFault) -> ScenarioFault {
        let (kind, date) = (self.kind.clone(), self.date.clone());
        ScenarioFault::Step { n: self.n, kind, date, fault }
    }
}

fn code(text: &str) -> Result<Code, StepFault> {
    Ok(Code::try_from(text)?)
}

fn codes(texts: &[String]) -> Result<Vec<Code>, StepFault> {
    texts.iter().map(|text| code(text)).collect()
}

fn day(text: &str) -> Result<Day, StepFault> {
    amount::day(text).map_err(|fault| StepFault::Number { text: text.to_owned(), fault })
}

fn month(text: &str) -> Result<Month, StepFault> {
    amount::month(text).map_err(|fault| StepFault::Number { text: text.to_owned(), fault })
}

fn person(book: &Book, handle: &str) -> Result<Member, StepFault> {
    book.member(handle).ok_or_else(|| StepFault::Member(handle.to_owned()))
}

fn place<T: AsRef<str>>(mut names: impl Iterator<Item = T>, name: &str) -> Result<u8, StepFault> {
    let place = names.position(|known| known.as_ref() == name);
    place
        .and_then(|place| u8::try_from(place).ok())
        .ok_or_else(|| StepFault::Charter(name.to_owned()))
}
