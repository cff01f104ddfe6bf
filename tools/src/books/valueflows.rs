//! Economic events and plans as Valueflows 1.0.0, in JSON-LD: only terms of that vocabulary, each on a class
//! that has it. A governance proposal is none of them and is not here.
//!
//! Work is an event that triggers a claim for credits; a run's line settles claims; a job is a
//! process and an agreement, its delivery and its payment the two sides of that. Numbers are exact
//! decimals. Names are those of payloads that the file still has.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use talea_ledger::journal::last_day;
use talea_ledger::terms::month_of;
use talea_ledger::view::contributions::{Given, contributions};
use talea_ledger::view::runs::runs;
use talea_protocol::act::{Act, Content, Stream};
use talea_protocol::bytes::Day;
use talea_protocol::charter::{Kind, Member};
use talea_protocol::hash::EntryId;

mod plans;

use plans::Fulfilled;

use super::Books;
use crate::amount::show_day;
use crate::lang::decimal;
use crate::verify::Audit;

/// The graph of one export.
struct Graph<'a> {
    books: &'a Books<'a>,
    nodes: Vec<Value>,
    /// Tasks and jobs that something names.
    tasks: BTreeSet<String>,
    jobs: BTreeSet<String>,
    /// What is offered, asked for, agreed on or promised, and is no task.
    resources: BTreeSet<String>,
    /// Clients and payees that something names.
    others: BTreeSet<String>,
}

/// The document.
#[must_use]
pub fn valueflows(audit: &Audit, books: &Books<'_>) -> Value {
    let mut graph = Graph {
        books,
        nodes: Vec::new(),
        tasks: BTreeSet::new(),
        jobs: BTreeSet::new(),
        resources: BTreeSet::new(),
        others: BTreeSet::new(),
    };
    graph.agents();
    let work = contributions(&books.sum.state);
    let fulfilled = graph.fulfilled();
    work.iter().for_each(|given| graph.work(given, &fulfilled));
    graph.shares(&work);
    graph.plans();
    for posted in books.sum.state.posted() {
        let content = audit.shown.entries.get(&posted.id).map(|entry| entry.content());
        if let Some(Content::Known(act)) = content {
            graph.money(&posted.id, act);
        }
    }
    graph.named();
    json!({ "@context": context(), "@graph": graph.nodes })
}

fn context() -> Value {
    let id = || json!({ "@type": "@id" });
    json!({
        "@vocab": "https://w3id.org/valueflows/ont/vf#",
        "id": "@id",
        "type": "@type",
        "action": { "@type": "@vocab" },
        "provider": id(),
        "receiver": id(),
        "resourceConformsTo": id(),
        "resourceClassifiedAs": id(),
        "inputOf": id(),
        "outputOf": id(),
        "inScopeOf": id(),
        "realizationOf": id(),
        "reciprocalRealizationOf": id(),
        "hasUnit": id(),
        "triggeredBy": id(),
        "settles": id(),
        "corrects": id(),
        "fulfills": id(),
        "satisfies": id(),
        "publishes": id(),
        "clauseOf": id(),
        "purpose": { "@type": "@vocab" },
        "due": { "@type": "http://www.w3.org/2001/XMLSchema#dateTimeStamp" },
        "hasNumericalValue": { "@type": "http://www.w3.org/2001/XMLSchema#decimal" },
        "hasPointInTime": { "@type": "http://www.w3.org/2001/XMLSchema#dateTimeStamp" },
        "hasBeginning": { "@type": "http://www.w3.org/2001/XMLSchema#dateTimeStamp" },
        "hasEnd": { "@type": "http://www.w3.org/2001/XMLSchema#dateTimeStamp" },
    })
}

impl Graph<'_> {
    fn urn(&self, kind: &str, name: &str) -> String {
        format!("urn:talea:{}:{kind}:{name}", self.books.sum.register.cooperative())
    }

    fn coop(&self) -> String {
        format!("urn:talea:{}", self.books.sum.register.cooperative())
    }

    fn member(&self, member: Member) -> String {
        self.urn("member", &member.0.to_string())
    }

    fn agents(&mut self) {
        let sum = self.books.sum;
        let name = &sum.register.charter().name;
        self.nodes.push(json!({ "id": self.coop(), "type": "Organization", "name": name }));
        for (number, record) in (0..).zip(sum.register.members()) {
            let member = Member(number);
            // A program is no agent of this vocabulary by itself: its work is the cooperative's.
            let class = match record.kind {
                Kind::Person => "Person",
                Kind::Organisation | Kind::Machine => "Organization",
            };
            let name = sum.names.name(&sum.register, member);
            self.nodes.push(json!({ "id": self.member(member), "type": class, "name": name }));
        }
    }

    fn work(&mut self, given: &Given, fulfilled: &Fulfilled) {
        let (act, worker) = (&given.act, self.member(given.author));
        let unit = self.unit_of(given);
        let spec = self.urn("task", act.task.as_str());
        self.tasks.insert(act.task.to_string());
        let event = self.urn("entry", &given.id.to_string());
        let mut node = json!({
            "id": event,
            "type": "EconomicEvent",
            "action": "work",
            "provider": worker,
            "receiver": self.coop(),
            "resourceConformsTo": spec,
            "effortQuantity": measure(i128::from(act.quantity.value()), 0, &unit),
            "hasBeginning": stamp(act.begin),
            "hasEnd": stamp(act.end),
        });
        if let Some(job) = &act.job {
            self.jobs.insert(job.code.to_string());
            node["inputOf"] = self.urn("process", job.code.as_str()).into();
        }
        if !act.tags.is_empty() {
            node["resourceClassifiedAs"] =
                act.tags.iter().map(|tag| self.urn("tag", tag.as_str())).collect();
        }
        if let Some(commitments) = fulfilled.get(&given.id) {
            node["fulfills"] =
                commitments.iter().map(|it| self.urn("entry", &it.to_string())).collect();
        }
        self.corrections(given, &node);
        self.nodes.push(node);
        let credits =
            [("livelihood", given.livelihood), ("love", given.love), ("care", given.care)];
        for (unit, amount) in credits.into_iter().filter(|(_, amount)| *amount > 0) {
            let places = if unit == "care" { 0 } else { 2 };
            self.nodes.push(json!({
                "id": self.claim(&given.id, unit),
                "type": "Claim",
                "action": "transfer",
                "provider": self.coop(),
                "receiver": worker,
                "triggeredBy": event,
                "resourceConformsTo": self.urn("credit", unit),
                "resourceQuantity": measure(i128::from(amount), places, &self.urn("unit", unit)),
            }));
        }
    }

    fn claim(&self, contribution: &EntryId, unit: &str) -> String {
        self.urn("claim", &format!("{contribution}:{unit}"))
    }

    fn unit_of(&self, given: &Given) -> String {
        let (charter, task) = (self.books.charter(), &given.act.task);
        let rate = charter.rates.iter().find(|rate| rate.task == *task);
        let unit = rate.map_or_else(|| "one".to_owned(), |rate| rate.unit.to_string());
        if given.act.stream == Stream::Care {
            self.urn("unit", "minute")
        } else {
            self.urn("unit", &unit)
        }
    }

    /// Each line of each run: money for claims of contributions that the run could count.
    fn shares(&mut self, work: &[Given]) {
        for run in runs(&self.books.sum.state) {
            let Some(record) = self.books.sum.state.runs().record(&run.id) else { continue };
            for line in run.lines.iter().filter(|line| line.total > 0) {
                let inside = |given: &&Given| {
                    let place = self.books.sum.state.chains().place(&given.id);
                    given.author == line.line.member
                        && month_of(given.act.end) <= run.period
                        && place.is_some_and(|place| place.inside(&record.cut))
                };
                let mut settles = Vec::new();
                for given in work.iter().filter(inside) {
                    for (unit, credit, part) in [
                        ("livelihood", given.livelihood, line.line.livelihood),
                        ("love", given.love, line.line.love),
                        ("care", given.care, line.line.care),
                    ] {
                        if credit > 0 && part > 0 {
                            settles.push(self.claim(&given.id, unit));
                        }
                    }
                }
                let id = self.urn("run", &format!("{}:{}", run.id, line.line.member.0));
                let day = Some(last_day(run.period));
                let (coop, to) = (self.coop(), self.member(line.line.member));
                let mut node = self.transfer(id, &coop, &to, i128::from(line.total), day);
                node["settles"] = settles.into();
                self.nodes.push(node);
            }
            for redirect in run.redirects.iter().filter(|redirect| redirect.executed) {
                let id = self.urn("entry", &redirect.id.to_string());
                let (from, to) = (self.member(redirect.from), self.member(redirect.to));
                let node = self.transfer(id, &from, &to, i128::from(redirect.amount), None);
                self.nodes.push(node);
            }
        }
    }

    /// Money that comes and goes. Payments of runs are not here: the run's lines are.
    fn money(&mut self, id: &EntryId, act: &Act) {
        let (event, coop) = (self.urn("entry", &id.to_string()), self.coop());
        match act {
            Act::Subscribe(it) => {
                let from = self.member(it.member);
                let amount = i128::from(it.amount.value());
                let node = self.transfer(event, &from, &coop, amount, Some(it.date));
                self.nodes.push(node);
            }
            Act::Invoice(it) => {
                self.jobs.insert(it.job.to_string());
                let client = self.other(it.client.as_str());
                self.nodes.push(json!({
                    "id": event,
                    "type": "EconomicEvent",
                    "action": "deliverService",
                    "provider": coop,
                    "receiver": client,
                    "outputOf": self.urn("process", it.job.as_str()),
                    "realizationOf": self.urn("job", it.job.as_str()),
                    "resourceConformsTo": self.urn("task", "service"),
                    "resourceQuantity": measure(i128::from(it.quantity.value()), 0, &self.urn("unit", "one")),
                    "hasPointInTime": stamp(it.date),
                }));
                self.tasks.insert("service".to_owned());
            }
            Act::Income(it) => {
                self.jobs.insert(it.job.to_string());
                let client = self.other(it.client.as_str());
                let amount = i128::from(it.amount.value());
                let mut node = self.transfer(event, &client, &coop, amount, Some(it.date));
                node["reciprocalRealizationOf"] = self.urn("job", it.job.as_str()).into();
                self.nodes.push(node);
            }
            Act::Expense(it) => {
                let payee = self.other(it.payee.as_str());
                let amount = i128::from(it.amount.value());
                let node = self.transfer(event, &coop, &payee, amount, Some(it.date));
                self.nodes.push(node);
            }
            _ => {}
        }
    }

    fn other(&mut self, code: &str) -> String {
        self.others.insert(code.to_owned());
        self.urn("party", code)
    }

    fn transfer(&self, id: String, from: &str, to: &str, amount: i128, day: Option<Day>) -> Value {
        let (currency, places) = (&self.books.charter().currency, self.books.charter().exponent);
        let currency = format!("urn:iso4217:{currency}");
        let mut node = json!({
            "id": id,
            "type": "EconomicEvent",
            "action": "transfer",
            "provider": from,
            "receiver": to,
            "resourceConformsTo": currency,
            "resourceQuantity": measure(amount, places, &currency),
        });
        if let Some(day) = day {
            node["hasPointInTime"] = stamp(day).into();
        }
        node
    }

    /// What the events name: kinds of work, jobs, clients and payees.
    fn named(&mut self) {
        let mut nodes = Vec::new();
        for task in &self.tasks {
            nodes.push(json!({ "id": self.urn("task", task), "type": "ResourceSpecification", "name": task }));
        }
        for unit in ["livelihood", "love", "care"] {
            nodes.push(json!({ "id": self.urn("credit", unit), "type": "ResourceSpecification", "name": unit }));
        }
        for resource in &self.resources {
            nodes.push(json!({ "id": self.urn("resource", resource), "type": "ResourceSpecification", "name": resource }));
        }
        for job in &self.jobs {
            nodes.push(json!({ "id": self.urn("job", job), "type": "Agreement", "name": job }));
            nodes.push(json!({ "id": self.urn("process", job), "type": "Process", "name": job, "inScopeOf": self.coop() }));
        }
        for other in &self.others {
            nodes.push(
                json!({ "id": self.urn("party", other), "type": "Organization", "name": other }),
            );
        }
        self.nodes.extend(nodes);
    }
}

fn measure(amount: i128, places: u8, unit: &str) -> Value {
    json!({ "type": "Measure", "hasNumericalValue": decimal(amount, places), "hasUnit": unit })
}

/// The beginning of a day, in UTC.
fn stamp(day: Day) -> String {
    format!("{}T00:00:00Z", show_day(day))
}
