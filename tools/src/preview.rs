//! What a statement says, told from the very bytes that are hashed and signed.
//!
//! Nothing here sees the value that was encoded: the bytes are decoded again, so that what is
//! shown is what is signed. Names come from the book where there is one, and are only names.

use talea_protocol::act::{
    Act, Admit, Content, Contribution, Decide, Distribute, Effect, Enrol, Invoice, Job, Propose,
    Request, Stream, Subscribe, Tally,
};
use talea_protocol::attachment::{Attachment, Visibility};
use talea_protocol::bytes::{Bp, Quantity, decode_prefix};
use talea_protocol::charter::{Amendment, Change, Charter, Founder, Member, Stage};
use talea_protocol::cut::Cut;
use talea_protocol::entry::{ENTRY_BYTES_MAX, Header};
use talea_protocol::hash::EntryId;

use crate::amount::{self, count, decimal};
use crate::book::Book;
use crate::names::Words;

mod council;
mod money;
mod plan;
mod partners;
mod recovery;

/// Names and what they stand for, in the order of reading.
pub type Rows = Vec<(&'static str, String)>;

/// A tally's whole: 10,000 basis points in millionths.
const WHOLE: u64 = 10_000_000_000;

/// What the bytes state.
///
/// `None` if they are not a statement of this version; whoever signs must then stop.
#[must_use]
pub fn read(unsigned: &[u8]) -> Option<(Header, Act)> {
    let (header, used) = decode_prefix::<Header>(unsigned, ENTRY_BYTES_MAX).ok()?;
    match Content::parse(unsigned.get(used..)?).ok()? {
        Content::Known(act) => Some((header, act)),
        Content::Unknown(_) => None,
    }
}

/// The statement in words: header, act and payload.
#[must_use]
pub fn rows(unsigned: &[u8], payload: Option<&[u8]>, book: Option<&Book>) -> Option<Rows> {
    let (header, act) = read(unsigned)?;
    let words = payload.map(Words::read);
    let view = View::of(&act, book, words.as_ref());
    let mut rows = view.act(&act);
    if let Some(words) = &words {
        let called = words.members.iter().map(|m| format!("{} ({}), erasable", m.name, m.handle));
        rows.extend(called.map(|called| ("called", called)));
        rows.extend(words.note.iter().map(|note| ("in words", format!("{note} (erasable)"))));
        rows.extend(words.attachments.iter().map(|it| ("attached", attached(it))));
    }
    rows.push(("place", format!("{} in the chain of {}", header.seq, header.device)));
    rows.push(("dated", format!("{} UTC", amount::show_time(header.time))));
    if header.basis != EntryId::ZERO {
        rows.push(("acts under", header.basis.to_string()));
    }
    Some(rows)
}

/// An attachment in a few words.
#[must_use]
pub fn attached(it: &Attachment) -> String {
    let Attachment { blake3, size, media, visibility } = it;
    let who = match visibility {
        Visibility::Public => "whoever may read",
        Visibility::Members => "members",
        Visibility::Officers => "its author and officers",
    };
    let hash = blake3.to_string();
    let hash = hash.get(..12).unwrap_or_default();
    format!("{media}, {size} bytes, for {who}, {hash} (erasable)")
}

/// An act in a few words, for a list.
#[must_use]
pub fn line(act: &Act, book: Option<&Book>) -> String {
    View::of(act, book, None).line(act)
}

/// A share of a tally as a percentage with two places, floored: `73.33 %`.
#[must_use]
pub fn percent(share: u64) -> String {
    let hundredths = i64::try_from(share / (WHOLE / 10_000)).unwrap_or(i64::MAX);
    format!("{} %", decimal(hundredths, 2))
}

struct View<'a> {
    book: Option<&'a Book>,
    charter: Option<&'a Charter>,
    words: Option<&'a Words>,
}

impl<'a> View<'a> {
    fn of(act: &'a Act, book: Option<&'a Book>, words: Option<&'a Words>) -> Self {
        let own = if let Act::Charter(charter) = act { Some(charter.as_ref()) } else { None };
        let charter = own.or_else(|| book.map(|book| book.register().charter()));
        Self { book, charter, words }
    }

    fn act(&self, act: &Act) -> Rows {
        let mut rows = vec![("statement", self.line(act))];
        match act {
            Act::Charter(charter) => rows.extend(self.charter_rows(charter)),
            Act::Admit(admit) => rows.extend(admission(admit)),
            Act::Contribution(given) => rows.extend(self.contribution_rows(given)),
            Act::Deliver(delivery) => {
                rows.extend(self.contribution_rows(&delivery.work));
                rows.extend(plan::rows(act, &|it| self.who(it)));
            }
            Act::Draw(_) | Act::Agreement(_) | Act::Commit(_) => {
                rows.extend(plan::rows(act, &|it| self.who(it)))
            }
            Act::Attest(attest) => rows.push(("in full", attest.contribution.to_string())),
            Act::Propose(propose) => rows.extend(self.proposal_rows(propose)),
            Act::Motion(motion) => {
                rows.extend(self.proposal_rows(&motion.proposal));
                rows.extend(council::course(&motion.course));
            }
            Act::Vote(vote) => rows.push(("in full", vote.proposal.to_string())),
            Act::Decide(decide) => rows.extend(self.decision_rows(decide)),
            Act::Subscribe(subscribe) => {
                rows.push(("countersigned", subscribe.device.to_string()));
            }
            Act::Distribute(run) => rows.extend(self.run_rows(run)),
            Act::Mark(_)
            | Act::Invoice(_)
            | Act::Income(_)
            | Act::Expense(_)
            | Act::Redirect(_)
            | Act::Pay(_)
            | Act::Close(_) => {}
            other => {
                rows.extend(money::rows(self, other));
                rows.extend(partners::rows(self, other));
                rows.extend(recovery::rows(other, self.book));
            }
        }
        if let Some(cut) = act.cut() {
            rows.push(("closes over", inside(cut)));
        }
        rows
    }

    fn line(&self, act: &Act) -> String {
        match act {
            Act::Charter(charter) => {
                format!("found {} with {}", charter.name, members(charter.founders.len()))
            }
            Act::Admit(admit) => self.admit_line(admit),
            Act::Enrol(Enrol { member, .. }) => format!("enrol a device of {}", self.who(*member)),
            Act::Mark(_) => "mark a cut".to_owned(),
            Act::Decide(decide) => format!(
                "decide {}: {} with {}",
                self.label(&decide.proposal),
                serde_name(&decide.outcome),
                council::support(&decide.tally)
            ),
            Act::Contribution(given) => self.contribution_line(given),
            Act::Deliver(delivery) => self.contribution_line(&delivery.work),
            Act::Attest(attest) => format!("attest {}", self.label(&attest.contribution)),
            Act::Propose(propose) => council::proposed(self, propose),
            Act::Motion(motion) => council::proposed(self, &motion.proposal),
            Act::Advance(advance) => council::advance(self, advance),
            Act::Rank(rank) => council::rank(self, rank),
            Act::Vote(vote) => {
                format!("vote {} on {}", serde_name(&vote.choice), self.label(&vote.proposal))
            }
            Act::Subscribe(Subscribe { member, amount, date, reference, .. }) => format!(
                "shares of {} for {}, on {} ({reference})",
                self.money(*amount),
                self.who(*member),
                amount::show_day(*date)
            ),
            Act::Invoice(invoice) => self.invoice_line(invoice),
            Act::Income(income) => format!(
                "{} received from {} for job {}, on {}{}",
                self.money(income.amount),
                income.client,
                income.job,
                amount::show_day(income.date),
                if income.aid { ", public aid" } else { "" }
            ),
            Act::Expense(spent) => format!(
                "{} paid to {} on account {}, on {}{}",
                self.money(spent.amount),
                spent.payee,
                spent.account,
                amount::show_day(spent.date),
                spent
                    .decision
                    .map_or_else(String::new, |id| format!(", by decision {}", self.label(&id)))
            ),
            Act::Redirect(redirect) => format!(
                "pass on {} of run {} to {}",
                self.money(redirect.amount),
                self.label(&redirect.run),
                self.who(redirect.to)
            ),
            Act::Distribute(run) => format!(
                "distribute {}: {} to {}",
                amount::show_month(run.period),
                self.cents(run.totals.paid),
                members(run.lines.len())
            ),
            Act::Pay(pay) => {
                format!("pay run {}, on {}", self.label(&pay.run), amount::show_day(pay.date))
            }
            Act::Close(close) => format!("close {}", amount::show_month(close.period)),
            other => {
                let told = [money::line(self, other), partners::line(self, other)].concat();
                let more = recovery::line(other, &|it| self.who(it), &|id| self.label(id));
                told + &more
            }
        }
    }

    fn admit_line(&self, admit: &Admit) -> String {
        let college = self.charter.and_then(|c| c.colleges.get(usize::from(admit.college)));
        let stage = self.charter.and_then(|c| c.stages.get(usize::from(admit.stage)));
        let college = college.map_or("an unknown college", |college| college.code.as_str());
        let stage = stage.map_or("an unknown stage", |stage| stage.code.as_str());
        format!("admit a {} to {college}, at stage {stage}", serde_name(&admit.request.kind))
    }

    fn contribution_line(&self, given: &Contribution) -> String {
        let number = u64::try_from(given.quantity.value()).unwrap_or(0);
        let end = amount::show_day(given.end);
        if given.stream == Stream::Care {
            return format!("{} of {}, on {end}", amount::hours(number), given.task);
        }
        let rate = self.charter.and_then(|c| c.rates.iter().find(|rate| rate.task == given.task));
        let quantity = match rate {
            Some(rate) => format!("{} {}s", count(number), rate.unit),
            None => count(number),
        };
        let job = given.job.as_ref().map(|Job { code, .. }| format!(" for job {code}"));
        let job = job.unwrap_or_default();
        let stream = serde_name(&given.stream);
        format!("{quantity} of {} ({stream}){job}, on {end}", given.task)
    }

    fn contribution_rows(&self, given: &Contribution) -> Rows {
        let mut rows = Rows::new();
        if given.begin != given.end {
            rows.push(("begun", amount::show_day(given.begin)));
        }
        let tier = given.job.as_ref().map(|job| usize::from(job.tier));
        let tiers = self.charter.map(|charter| &charter.tiers);
        if let Some(tier) = tier.and_then(|tier| tiers?.get(tier)) {
            let price = i64::from(tier.price);
            rows.push(("price tier", format!("{} ({} a unit)", tier.code, self.cents(price))));
        }
        let tags: Vec<&str> = given.tags.iter().map(|tag| tag.as_str()).collect();
        if !tags.is_empty() {
            rows.push(("tags", tags.join(", ")));
        }
        rows
    }

    fn invoice_line(&self, invoice: &Invoice) -> String {
        let tier = self.charter.and_then(|c| c.tiers.get(usize::from(invoice.tier)));
        let price = tier.map_or(0, |tier| i64::from(tier.price));
        format!(
            "invoice {} to {} for job {}: {} units at {}, on {}",
            self.money(invoice.amount),
            invoice.client,
            invoice.job,
            count(u64::try_from(invoice.quantity.value()).unwrap_or(0)),
            self.cents(price),
            amount::show_day(invoice.date)
        )
    }

    fn proposal_rows(&self, propose: &Propose) -> Rows {
        let mut rows = vec![
            ("counted", serde_name(&propose.method)),
            ("closes", format!("{} UTC", amount::show_time(propose.closes))),
        ];
        if propose.statutory {
            rows.push(("required", "by law".to_owned()));
        }
        if let Effect::Amend(Change { amendments, from }) = &propose.effect {
            rows.extend(amendments.iter().map(|set| ("sets", amendment(set))));
            rows.push(("in force from", amount::show_month(*from)));
        }
        if let Effect::Reform(roster) = &propose.effect {
            rows.extend(recovery::roster(roster, self.book));
        }
        rows
    }

    fn decision_rows(&self, decide: &Decide) -> Rows {
        let Tally { colleges, participation, .. } = &decide.tally;
        let mut rows = Rows::new();
        for (place, ballots) in colleges.iter().enumerate() {
            let college = self.charter.filter(|_| colleges.len() > 1);
            let name = college.and_then(|charter| charter.colleges.get(place));
            let name = name.map_or("everybody", |college| college.code.as_str());
            rows.push((
                "counted",
                format!(
                    "{name}: {} yes, {} no, {} abstain, of {}",
                    ballots.yes, ballots.no, ballots.abstain, ballots.eligible
                ),
            ));
        }
        rows.push(("support", council::support(&decide.tally)));
        rows.push(("participation", percent(*participation)));
        rows.extend(council::count(&decide.tally));
        rows
    }

    fn run_rows(&self, run: &Distribute) -> Rows {
        let totals = &run.totals;
        let sum = |name, amount| (name, self.cents(amount));
        let mut rows = vec![
            sum("received", totals.receipts),
            sum("spent", totals.expenses),
            sum("retained", totals.retained),
            sum("care pool", totals.care_pool),
            sum("livelihood pool", totals.livelihood_pool),
            sum("love pool", totals.love_pool),
            sum("carried", totals.carried),
        ];
        for line in &run.lines {
            let part = |amount| decimal(i64::try_from(amount).unwrap_or(i64::MAX), self.places());
            rows.push((
                "pays",
                format!(
                    "{} {} (livelihood {}, love {}, care {})",
                    self.who(line.member),
                    part(line.total()),
                    part(line.livelihood),
                    part(line.love),
                    part(line.care)
                ),
            ));
        }
        rows
    }

    fn charter_rows(&self, charter: &Charter) -> Rows {
        let mut rows = vec![
            ("profile", serde_name(&charter.profile)),
            ("may be read by", serde_name(&charter.visibility)),
            ("currency", format!("{}, {} decimals", charter.currency, charter.exponent)),
        ];
        for college in &charter.colleges {
            let (code, weight, of) = (&college.code, share(college.weight), &college.category);
            rows.push(("college", format!("{code}: {weight} of the votes, {}", serde_name(of))));
        }
        rows.extend(charter.stages.iter().map(|stage| ("stage", self::stage(stage))));
        rows.extend(
            (0_u32..)
                .zip(&charter.founders)
                .map(|(number, founder)| ("founder", self.founder(charter, number, founder))),
        );
        let roles = charter.roles;
        rows.push(("registrar", self.who(roles.registrar)));
        rows.push(("treasurer", self.who(roles.treasurer)));
        rows.push(("distributor", self.who(roles.distributor)));
        rows.extend(self.terms(charter));
        rows.extend(money::charter(self, &charter.treasury));
        let (q, n, f) = (charter.roster.quorum, charter.roster.nodes.len(), charter.roster.faulty);
        rows.push(("settled by", format!("{q} of {}, {f} of which may lie", plural(n, "node"))));
        rows.push(("protected", protection(f).to_owned()));
        rows.extend(charter.roster.nodes.iter().map(|node| ("node", node.to_string())));
        rows
    }

    fn founder(&self, charter: &Charter, number: u32, founder: &Founder) -> String {
        let college = charter.colleges.get(usize::from(founder.college));
        let stage = charter.stages.get(usize::from(founder.stage));
        let college = college.map_or("unknown", |college| college.code.as_str());
        let stage = stage.map_or("unknown", |stage| stage.code.as_str());
        let (who, kind) = (self.who(Member(number)), serde_name(&founder.kind));
        format!("{who}: {kind}, {college}, {stage}, device {}", founder.device)
    }

    /// The numbers that the members live by.
    fn terms(&self, charter: &Charter) -> Rows {
        let (t, f, r) = (charter.thresholds, charter.formula, charter.reserves);
        let decided = format!(
            "{} of participation, and support above {} ({} for the charter, {} for the result)",
            share(charter.quorum),
            share(t.ordinary),
            share(t.charter),
            share(t.allocation)
        );
        let run = format!(
            "{} retained, {} of the rest for care, {} of what remains for livelihood, ties {}",
            share(f.retain),
            share(f.care),
            share(f.livelihood),
            serde_name(&f.tie)
        );
        let mut rows = vec![("decided by", decided), ("a run is", run)];
        rows.extend(charter.rates.iter().map(|rate| {
            let credits = decimal(i64::from(rate.credits), 2);
            ("task", format!("{}: {credits} credits a {}", rate.task, rate.unit))
        }));
        rows.extend(charter.tiers.iter().map(|tier| {
            ("price tier", format!("{}: {}", tier.code, self.cents(i64::from(tier.price))))
        }));
        let most = charter.contribution_max.value();
        rows.extend([
            ("internal price", self.cents(i64::from(charter.internal_price))),
            ("attested by", format!("others, at least {}", charter.attestations)),
            ("at most", format!("{} units a contribution", decimal(most, 0))),
            ("love expected", format!("{} a quarter", decimal(charter.love_minimum.into(), 2))),
            ("reserves", format!("{} legal, {} of the rest", share(r.legal), share(r.statutory))),
            ("admitted by", plural(charter.sponsors.into(), "sponsor")),
            ("registrar replaced by", recovery(charter.recovery)),
        ]);
        rows
    }

    fn who(&self, member: Member) -> String {
        if let Some(book) = self.book {
            return book.handle(member);
        }
        let place = usize::try_from(member.0).ok();
        let called = place.and_then(|place| self.words?.members.get(place));
        called.map_or_else(|| format!("member {}", member.0), |called| called.handle.clone())
    }

    fn label(&self, id: &EntryId) -> String {
        let short = || id.to_string().get(..12).unwrap_or_default().to_owned();
        self.book.map_or_else(short, |book| book.label(id))
    }

    fn money(&self, amount: Quantity) -> String {
        self.cents(amount.value())
    }

    fn cents(&self, minor: i64) -> String {
        let currency = self.charter.map_or("", |charter| charter.currency.as_str());
        format!("{} {currency}", decimal(minor, self.places()))
    }

    /// Minor units of the currency, or of one of the charter's own units, with its decimals. An amount in
    /// another unit is told as the bare number that it is.
    fn sum(&self, unit: &str, minor: i64) -> String {
        let own = self.charter.and_then(|charter| {
            charter.treasury.units.iter().find(|known| known.code.as_str() == unit)
        });
        let is_currency = self.charter.is_some_and(|charter| charter.currency.as_str() == unit);
        match own.map(|own| own.exponent).or(is_currency.then(|| self.places())) {
            Some(places) => format!("{} {unit}", decimal(minor, places)),
            None => format!("{} minor units of {unit}", decimal(minor, 0)),
        }
    }

    fn stage_name(&self, stage: u8) -> String {
        let found = self.charter.and_then(|charter| charter.stages.get(usize::from(stage)));
        found.map_or_else(|| format!("number {stage}"), |stage| stage.code.to_string())
    }

    fn places(&self) -> u8 {
        self.charter.map_or(0, |charter| charter.exponent)
    }
}

/// What a roster protects against, said plainly (model, section 6).
#[must_use]
pub const fn protection(faulty: u8) -> &'static str {
    match faulty {
        0 => "against members that lie, not against a node that lies",
        _ => "against members that lie and against as many lying nodes as the roster allows for",
    }
}

fn members(count: usize) -> String {
    plural(count, "member")
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn stage(stage: &Stage) -> String {
    let vote = if stage.binding_vote { "its vote binds" } else { "its vote is advisory" };
    format!(
        "{}: {} of livelihood, {} of love, {} of care vest; {vote}",
        stage.code,
        share(stage.livelihood),
        share(stage.love),
        share(stage.care)
    )
}

fn recovery(members: u16) -> String {
    match members {
        0 => "more than half of the members".to_owned(),
        number => format!("{number} members"),
    }
}

fn admission(admit: &Admit) -> Rows {
    let Request { device, .. } = &admit.request;
    vec![("device", device.to_string()), ("vouched for by", admit.sponsors.len().to_string())]
}

fn amendment(amendment: &Amendment) -> String {
    match amendment {
        Amendment::Retain(part) => format!("retain {}", share(*part)),
        Amendment::Care(part) => format!("care {}", share(*part)),
        Amendment::Livelihood(part) => format!("livelihood {}", share(*part)),
        Amendment::Quorum(part) => format!("quorum {}", share(*part)),
        Amendment::Thresholds(t) => format!(
            "thresholds {} ordinary, {} charter, {} allocation",
            share(t.ordinary),
            share(t.charter),
            share(t.allocation)
        ),
        Amendment::Attestations(number) => format!("{number} attestations"),
        Amendment::InternalPrice(price) => format!("internal price {price}"),
        Amendment::Rate(rate) => {
            format!("{} at {} hundredths a {}", rate.task, rate.credits, rate.unit)
        }
        Amendment::Tier(tier) => format!("tier {} at {}", tier.code, tier.price),
        Amendment::Sponsors(number) => format!("{number} sponsors"),
        Amendment::LoveMinimum(credits) => format!("love minimum {credits} hundredths"),
        Amendment::Quorums(q) => format!(
            "participation of {} ordinary, {} charter, {} allocation besides the quorum",
            share(q.ordinary),
            share(q.charter),
            share(q.allocation)
        ),
        Amendment::Proxies(0) => "nobody delegates".to_owned(),
        Amendment::Proxies(most) => format!("{most} delegated votes at most for one member"),
        Amendment::Circle(circle) => council::circle(circle),
        Amendment::CareMinimum(minutes) => format!("care minimum {minutes} minutes"),
    }
}

fn share(part: Bp) -> String {
    format!("{} %", decimal(i64::from(part.value()), 2))
}

fn inside(cut: &Cut) -> String {
    let chains = cut.lengths.iter().filter(|length| **length > 0).count();
    format!("{} entries of {chains} chains", count(cut.total()))
}

/// The name that serde gives a variant without fields, with blanks for hyphens.
fn serde_name<T: serde::Serialize>(value: &T) -> String {
    let name = serde_json::to_value(value).ok();
    let name = name.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
    name.replace('-', " ")
}
