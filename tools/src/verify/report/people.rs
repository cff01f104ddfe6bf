//! Members: the list, one member's statement, and what they decided together.

use talea_ledger::view::contributions::Given;
use talea_ledger::view::decisions::{Question, decisions};
use talea_ledger::view::members::{MemberRow, Part, Uncounted, members, statement};
use talea_protocol::act::{Line, Outcome, Stream};
use talea_protocol::bytes::Code;
use talea_protocol::charter::Member;

use super::entries::waits;
use super::{Report, json, sheet, word, yes};
use crate::amount::{show_day, show_month, show_time};
use crate::table::Align::{self, Left, Right};
use crate::table::money;
use crate::verify::Sum;
use crate::verify::text::handle;

/// Every member in a line.
#[must_use]
pub fn member_list(sum: &Sum) -> Report {
    let view = members(&sum.register, &sum.state);
    let exponent = sum.register.charter().exponent;
    let row = |row: &MemberRow| {
        let code =
            |code: &Option<Code>| code.as_ref().map_or_else(String::new, ToString::to_string);
        vec![
            row.member.0.to_string(),
            handle(sum, row.member),
            word(&row.kind),
            code(&row.college),
            code(&row.stage),
            yes(row.binding_vote),
            row.devices.len().to_string(),
            row.devices.iter().map(|device| u64::from(device.length)).sum::<u64>().to_string(),
            money(row.shares, exponent),
        ]
    };
    let columns = [
        ("number", Right),
        ("member", Left),
        ("kind", Left),
        ("college", Left),
        ("stage", Left),
        ("vote binds", Left),
        ("devices", Right),
        ("entries", Right),
        ("shares", Right),
    ];
    let rows = view.iter().map(row).collect();
    Report { json: json(&view), tables: vec![sheet("Members", &columns, rows)] }
}

/// One member's statement.
#[must_use]
pub fn member(sum: &Sum, member: Member) -> Option<Report> {
    let view = statement(&sum.register, &sum.state, member)?;
    let exponent = sum.register.charter().exponent;
    let pair = |what: &str, value: String| vec![what.to_owned(), value];
    let claims = &view.claims;
    let facts = vec![
        pair("member", handle(sum, member)),
        pair("college", view.member.college.as_ref().map_or_else(String::new, ToString::to_string)),
        pair("stage", view.member.stage.as_ref().map_or_else(String::new, ToString::to_string)),
        pair("shares", money(view.member.shares, exponent)),
        pair("livelihood claim", money(claims.livelihood, 2)),
        pair("love claim", money(claims.love, 2)),
        pair("care claim, minutes", claims.care.to_string()),
        pair("payable", money(view.payable, exponent)),
    ];
    let given = view.contributions.iter().map(|given| given_row(sum, given)).collect();
    let part = |part: &Part| {
        let line = |f: fn(&Line) -> u64| {
            part.line.map_or_else(String::new, |line| money(i128::from(f(&line.line)), exponent))
        };
        vec![
            show_month(part.period),
            line(|line| line.livelihood),
            line(|line| line.love),
            line(|line| line.care),
            part.line.map_or_else(String::new, |line| money(i128::from(line.total), exponent)),
            part.paid.map_or_else(String::new, |paid| money(i128::from(paid), exponent)),
        ]
    };
    let parts = view.runs.iter().map(part).collect();
    let uncounted = |it: &Uncounted| {
        let why = match (&it.detail, &it.needs) {
            (Some(detail), _) => detail.clone(),
            (None, Some(needs)) => waits(sum, needs),
            (None, None) => String::new(),
        };
        vec![it.seq.to_string(), it.id.to_string(), why]
    };
    let uncounted = view.uncounted.iter().map(uncounted).collect();
    let runs = [
        ("month", Left),
        ("livelihood", Right),
        ("love", Right),
        ("care", Right),
        ("total", Right),
        ("paid", Right),
    ];
    let tables = vec![
        sheet("Statement", &[("what", Left), ("value", Right)], facts),
        sheet("Contributions", &GIVEN, given),
        sheet("Runs", &runs, parts),
        sheet("Does not count", &[("place", Right), ("entry", Left), ("why", Left)], uncounted),
    ];
    Some(Report { json: json(&view), tables })
}

const GIVEN: [(&str, Align); 9] = [
    ("day", Left),
    ("member", Left),
    ("stream", Left),
    ("task", Left),
    ("quantity", Right),
    ("job", Left),
    ("attested by", Left),
    ("livelihood", Right),
    ("love or care", Right),
];

fn given_row(sum: &Sum, given: &Given) -> Vec<String> {
    let attested: Vec<String> =
        given.attestations.iter().map(|attested| handle(sum, attested.member)).collect();
    let other = match given.act.stream {
        Stream::Care => given.care.to_string(),
        Stream::Livelihood | Stream::Love => money(i128::from(given.love), 2),
    };
    vec![
        show_day(given.act.end),
        handle(sum, given.author),
        word(&given.act.stream),
        given.act.task.to_string(),
        given.act.quantity.to_string(),
        given.act.job.as_ref().map_or_else(String::new, |job| job.code.to_string()),
        attested.join(" "),
        money(i128::from(given.livelihood), 2),
        other,
    ]
}

/// The decision register.
#[must_use]
pub fn decision_register(sum: &Sum) -> Report {
    let view = decisions(&sum.register, &sum.state);
    let columns = [
        ("proposal", Left),
        ("by", Left),
        ("matter", Left),
        ("closes", Left),
        ("yes", Right),
        ("no", Right),
        ("took part", Right),
        ("outcome", Left),
        ("left out", Right),
    ];
    let rows = view.iter().map(|question| question_row(sum, question)).collect();
    Report { json: json(&view), tables: vec![sheet("Decisions", &columns, rows)] }
}

fn question_row(sum: &Sum, question: &Question) -> Vec<String> {
    let outcome = match question.decision.map(|decision| decision.outcome) {
        Some(Outcome::Adopted) => "adopted",
        Some(Outcome::Rejected) => "rejected",
        Some(Outcome::NoQuorum) => "no quorum",
        Some(Outcome::Blocked) => "blocked",
        None => "open",
    };
    vec![
        question.id.to_string(),
        handle(sum, question.author),
        word(&question.matter),
        show_time(question.closes),
        percent(question.tally.yes),
        percent(question.tally.no),
        percent(question.tally.participation),
        outcome.to_owned(),
        question.outside.len().to_string(),
    ]
}

/// A share of ten thousand million as per cent, cut after four places.
fn percent(share: u64) -> String {
    let places = share / 10_000;
    format!("{}.{:04} %", places / 10_000, places % 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_shown_with_four_places() {
        assert_eq!(percent(7_333_333_333), "73.3333 %");
        assert_eq!(percent(10_000_000_000), "100.0000 %");
    }
}
